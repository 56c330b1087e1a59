"""The tables that pass between rooms."""

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

OUTCOMES = ("answered", "refused", "invalid", "truncated", "failed")
"""What can come of a cell; only `answered` carries an answer."""


class _Table(pa.DataFrameModel):
    class Config:
        strict = True
        coerce = False


class Items(_Table):
    """One row a text, a picture, or both, to be judged."""

    item_id: Series[str] = pa.Field(unique=True, str_length={"min_value": 8}, description="stable id, by content")
    text: Series[str] = pa.Field(description="the post, cleaned and pseudonymised; empty only where there is a picture")
    target_group: Series[str] = pa.Field(nullable=True, description="the group the post is about")
    split: Series[str] = pa.Field(nullable=True, description="train, dev, test, or missing")
    source_id: Series[str] = pa.Field(nullable=True, description="the source's own identifier")
    picture: Series[str] | None = pa.Field(
        nullable=True, description="file in the folder `pictures` beside the table, named by its content"
    )

    @pa.dataframe_check(error="an item has a text, a picture, or both")
    @classmethod
    def something_to_show(cls, table: pd.DataFrame) -> pd.Series:
        """No item is empty."""
        pictured = table["picture"].notna() if "picture" in table else False
        return (table["text"] != "") | pictured


class Annotations(_Table):
    """One row a judgement by one annotator, or by several who agree and are only counted."""

    item_id: Series[str] = pa.Field(description="the judged item")
    annotator_id: Series[str] = pa.Field(nullable=True, description="pseudonym; missing where only counts are known")
    label: Series[str] = pa.Field(description="an option of the task, or what the annotator wrote")
    annotators: Series[int] = pa.Field(ge=1, description="how many annotators this row stands for")
    source_rows: Series[int] | None = pa.Field(
        ge=1, description="rows of the source that hold this judgement, where that can be more than one"
    )
    target_groups: Series[str] | None = pa.Field(
        description="groups that the judgement's rows name, each once, between ` | `; an empty part: a row names none"
    )

    class Config:
        strict = False  # annotator attributes follow, one column `annotator_<attribute>` each
        coerce = False


class Labels(_Table):
    """One row a label that a policy gives an item, for all annotators or for one group of them."""

    item_id: Series[str] = pa.Field(description="the judged item")
    policy: Series[str] = pa.Field(description="slug of the corpus's label policy")
    attribute: Series[str] = pa.Field(nullable=True, description="annotator attribute of `within`; missing: all")
    group: Series[str] = pa.Field(nullable=True, description="value of that attribute")
    label: Series[str] = pa.Field(description="what the policy makes of the judgements")
    share: Series[float] = pa.Field(ge=0, le=1, description="of the weight that gave this label")
    annotators: Series[int] = pa.Field(ge=1, description="people whose judgements it rests on")
    tied: Series[bool] = pa.Field(description="whether the policy's priority decided")

    @pa.dataframe_check(error="one row an item, policy, group and label")
    @classmethod
    def distinct(cls, table: pd.DataFrame) -> pd.Series:
        """Nothing is counted twice."""
        return ~table.duplicated(["item_id", "policy", "attribute", "group", "label"])


class Personas(_Table):
    """One row a persona of a set, the control and the no-persona baseline included."""

    persona_id: Series[str] = pa.Field(unique=True, description="partition key")
    dimension: Series[str] = pa.Field(description="`control` and `baseline` for the two references")
    phrase: Series[str] = pa.Field(nullable=True, description="fills {persona}; missing for the baseline")
    label: Series[str] = pa.Field(description="short text for plots")
    role: Series[str] = pa.Field(isin=["named", "control", "baseline"])
    attributes: Series[str] = pa.Field(description="JSON object: annotator attribute -> value")


class Questions(_Table):
    """One row a question: what systems are compared on. Texts are rendered from the parts when asked."""

    question_id: Series[str] = pa.Field(
        unique=True, str_length={"min_value": 32, "max_value": 32}, description="hash of all that is asked"
    )
    item_id: Series[str] = pa.Field(description="the judged item")
    persona_id: Series[str] = pa.Field(description="who the system is told to be")
    template_id: Series[str] = pa.Field(nullable=True, description="missing for the baseline")
    option_order: Series[str] = pa.Field(description="positions of the canonical options as shown, e.g. 0-1-2-3")
    replicate: Series[int] = pa.Field(ge=0, description="0 unless a question is repeated")


class GroupItems(_Table):
    """One row an item of a by-group test set: systems tuned on the group are asked about it in the group's persona."""

    persona_id: Series[str] = pa.Field(description="the group's persona")
    labels: Series[str] = pa.Field(description="label policy that labels the item for the group")
    item_id: Series[str] = pa.Field(description="the judged item")
    label: Series[str] = pa.Field(description="what the policy makes of the group's judgements")
    annotators: Series[int] = pa.Field(ge=1, description="people of the group the label rests on")


class Predictions(_Table):
    """One row a question answered (or not) by one system."""

    question_id: Series[str] = pa.Field(unique=True, description="what systems are compared on")
    cell_id: Series[str] = pa.Field(unique=True, description="hash of all that can change the answer")
    item_id: Series[str] = pa.Field(description="the judged item")
    system: Series[str] = pa.Field(description="base[+adapter][@scheme]")
    persona_id: Series[str] = pa.Field(description="who the system is told to be")
    template_id: Series[str] = pa.Field(nullable=True, description="wording; missing for the baseline")
    option_order: Series[str] = pa.Field(description="positions of the canonical options as shown")
    replicate: Series[int] = pa.Field(ge=0, description="0 unless a question is repeated")
    outcome: Series[str] = pa.Field(isin=list(OUTCOMES), description="what came of the cell")
    answer: Series[str] = pa.Field(nullable=True, description="an option of the task; only with outcome answered")
    option_logprobs: Series[object] = pa.Field(
        nullable=True,
        description="log-probability of each canonical option (array of float64); scored tasks only",
    )
    raw_text: Series[str] = pa.Field(nullable=True, description="what the model wrote; generated tasks only")
    detail: Series[str] = pa.Field(nullable=True, description="why there is no answer")
    finish: Series[str] = pa.Field(
        nullable=True, isin=["stop", "length", "filter"], description="why writing ended; generated tasks only"
    )

    @pa.dataframe_check(error="an answer is there exactly when the outcome is 'answered'")
    @classmethod
    def answer_matches_outcome(cls, table: pd.DataFrame) -> pd.Series:
        """No answer without outcome `answered`, none missing with it."""
        return table["answer"].notna() == (table["outcome"] == "answered")


class Repeats(Predictions):
    """One row a question of the noise floor, answered (or not) again by one system."""

    repeat: Series[str] = pa.Field(description="name of the asking-again")


class TrainingExamples(_Table):
    """One row a chat example for tuning."""

    example_id: Series[str] = pa.Field(unique=True)
    item_id: Series[str]
    persona_id: Series[str] = pa.Field(nullable=True)
    template_id: Series[str] = pa.Field(nullable=True)
    system_message: Series[str] = pa.Field(nullable=True)
    user_message: Series[str]
    answer: Series[str]
    picture: Series[str] | None = pa.Field(
        nullable=True, description="file in the corpus's folder `pictures`, shown after the user's message"
    )


class TrainingLog(_Table):
    """One row an optimiser step."""

    step: Series[int] = pa.Field(ge=1)
    loss: Series[float] = pa.Field(ge=0)
    learning_rate: Series[float] = pa.Field(ge=0)
    tokens: Series[int] = pa.Field(ge=0, description="tokens seen so far")
