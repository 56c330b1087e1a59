"""Predictions made ready: repeats collapsed, each question's state named, Yes read off in both readings."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bias_platform.analysis.inputs import StudyInputs
from bias_platform.analysis.readings import JUDGED, option_margins
from bias_platform.catalog.entries import TaskEntry
from bias_platform.errors import TableError, bullet_list, counted
from bias_platform.schemas.results import ServingNoise, conform

SET_ASIDE = "set_aside"
_QUESTION = ["system", "persona_id", "template_id", "item_id", "option_order"]
_CARRIED = [*_QUESTION, "replicate", "outcome", "answer", "option_logprobs"]


@dataclass(frozen=True)
class Answers:
    """A study's answers, one row a question.

    `frame` has system, persona_id, template_id, item_id, option_order (categorical), outcome, answer, state (`judged`,
    `set_aside`, or the outcome that is no answer), yes and lenient_yes (0/1; 0 where not judged), scored (whether the
    engine gave scores) and margin (see `readings.option_margins`).
    """

    frame: pd.DataFrame
    personas: pd.DataFrame
    """Personas that occur, in the order of the set; index persona_id."""
    systems: tuple[str, ...]
    """In the order of the study."""
    control: str
    baseline: str | None
    serving_noise: pd.DataFrame

    @property
    def named(self) -> list[str]:
        """Ids of the named personas."""
        return [str(name) for name in self.personas.index[self.personas["role"] == "named"]]

    @property
    def with_persona(self) -> pd.DataFrame:
        """Rows that have a persona and a template: what the models see, whatever the answer."""
        return self.frame[self.frame["template_id"].notna().to_numpy()]


def prepare_answers(inputs: StudyInputs) -> Answers:
    """Brings predictions and personas together.

    Raises:
        TableError: predictions and study do not fit; every problem is named at once.
    """
    _refuse_misfits(inputs)
    order = [s for s in inputs.study.systems if s in set(inputs.predictions["system"].unique())]
    personas = inputs.personas.set_index("persona_id", drop=False)
    occurring = set(inputs.predictions["persona_id"].unique())
    personas = personas[personas.index.isin(occurring)]
    frame = inputs.predictions[_CARRIED].copy()
    _make_categorical(frame, order, list(personas.index))
    frame, noise = _collapse_repeats(frame, order)
    return Answers(
        frame=read_answers(frame, inputs.task),
        personas=personas,
        systems=tuple(order),
        control=str(personas.index[personas["role"] == "control"][0]),
        baseline=next((str(name) for name in personas.index[personas["role"] == "baseline"]), None),
        serving_noise=noise,
    )


def _refuse_misfits(inputs: StudyInputs) -> None:
    predictions, personas = inputs.predictions, inputs.personas
    problems: list[str] = []
    if predictions.empty:
        problems.append("there is no prediction at all: materialize the study's predictions first")
    found = set(predictions["system"].unique())
    problems += [f"system '{s}' is in the study but has no predictions" for s in inputs.study.systems if s not in found]
    problems += [
        f"system '{s}' has predictions but is not in the study" for s in sorted(found - set(inputs.study.systems))
    ]
    unknown = set(predictions["persona_id"].unique()) - set(personas["persona_id"])
    problems += [f"persona '{p}' has predictions but is not in the persona table" for p in sorted(unknown)]
    controls = personas.loc[personas["role"] == "control", "persona_id"]
    if len(controls) != 1:
        problems.append(f"column 'role' must name exactly one control, but names {len(controls)}")
    elif controls.iloc[0] not in set(predictions["persona_id"].unique()):
        problems.append(f"the control '{controls.iloc[0]}' has no predictions: it is the reference of every contrast")
    answers = set(predictions["answer"].dropna().unique()) - set(inputs.task.option_values)
    problems += [f"an answer that the task does not allow ({len(answers)} distinct)"] if answers else []
    problems += _measured_differently(predictions)
    problems += _asked_differently(predictions)
    if problems:
        raise TableError(f"the predictions of '{inputs.study.title}' cannot be analysed:\n{bullet_list(problems)}")


def _measured_differently(predictions: pd.DataFrame) -> list[str]:
    """Scored and generated answers must not be pooled: they measure different things."""
    answered = predictions[predictions["outcome"] == "answered"]
    scored = answered["option_logprobs"].notna().groupby(answered["system"]).mean()
    if scored.nunique() <= 1:
        return []
    few = ", ".join(f"{system} ({share:.0%} scored)" for system, share in scored.items())
    return [f"answers were obtained in different ways and must not be pooled: {few}; analyse them apart"]


def _asked_differently(predictions: pd.DataFrame) -> list[str]:
    """Systems must have been asked the same questions: a difference between them must not be one of questions.

    A question without an answer is a row too; a row that is missing would be seen by nobody.
    """
    columns = [name for name in _QUESTION if name != "system"]
    codes = pd.factorize(pd.MultiIndex.from_frame(predictions[columns].fillna("")))[0]
    asked = pd.DataFrame({"system": predictions["system"].to_numpy(object), "question": codes}).drop_duplicates()
    questions, counts = asked["question"].nunique(), asked.groupby("system").size()
    return [
        f"system '{system}' was asked {count} of the {counted(questions, 'question')} (item, persona, wording, order "
        "of options) that the study's systems were asked: materialize its missing predictions, or take it out"
        for system, count in counts.items()
        if count < questions
    ]


def _make_categorical(frame: pd.DataFrame, systems: list[str], personas: list[str]) -> None:
    frame["system"] = pd.Categorical(frame["system"], systems)
    frame["persona_id"] = pd.Categorical(frame["persona_id"], personas)
    for column in ("template_id", "item_id", "option_order"):
        frame[column] = pd.Categorical(frame[column], sorted(frame[column].dropna().unique()))


def _collapse_repeats(frame: pd.DataFrame, systems: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Keeps the first answer of a question asked several times; identical repeats carry nothing."""
    frame = frame.sort_values([*_QUESTION, "replicate"], kind="stable", ignore_index=True)
    codes = np.column_stack([frame[column].cat.codes for column in _QUESTION])
    starts = np.ones(len(frame), dtype=bool)
    starts[1:] = (codes[1:] != codes[:-1]).any(axis=1)
    question = np.cumsum(starts) - 1
    said, _ = pd.factorize(frame["answer"].fillna("").astype(str) + "|" + frame["outcome"].astype(str))
    repeats = pd.DataFrame({"question": question, "said": said, "system": frame["system"].to_numpy(object)})
    summary = repeats.groupby("question").agg(
        times=("said", "size"), lowest=("said", "min"), highest=("said", "max"), system=("system", "first")
    )
    repeated = summary[summary["times"] > 1]
    apart = (repeated["lowest"] != repeated["highest"]).groupby(repeated["system"]).agg(["size", "sum"])
    apart = apart.reindex(systems, fill_value=0)
    noise = pd.DataFrame(
        {"system": systems, "repeated": apart["size"].to_numpy(), "disagreeing": apart["sum"].to_numpy()}
    )
    noise["share"] = noise["disagreeing"] / noise["repeated"].where(noise["repeated"] > 0)
    return frame[starts].reset_index(drop=True).drop(columns="replicate"), conform(noise, ServingNoise)


def read_answers(frame: pd.DataFrame, task: TaskEntry) -> pd.DataFrame:
    """Puts state, yes, lenient_yes, scored and margin (see `Answers`) in the place of option_logprobs, in `frame`."""
    answered = (frame["outcome"] == "answered").to_numpy()
    aside = answered & frame["answer"].isin(list(task.set_aside)).to_numpy()
    state = np.where(aside, SET_ASIDE, np.where(answered, JUDGED, frame["outcome"].to_numpy(object)))
    frame["state"] = pd.Categorical(state)
    judged = answered & ~aside
    lenient = task.positive_lenient or task.positive
    frame["yes"] = (judged & frame["answer"].isin(list(task.positive)).to_numpy()).astype(np.int8)
    frame["lenient_yes"] = (judged & frame["answer"].isin(list(lenient)).to_numpy()).astype(np.int8)
    frame["scored"] = frame["option_logprobs"].notna().to_numpy()
    frame["margin"] = option_margins(frame.pop("option_logprobs"), task)
    return frame
