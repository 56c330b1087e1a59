"""Ways of showing personas beside the annotators' own: one group's, nobody's; with free texts, pictures and counts."""

import pandas as pd
import pytest

from bias_platform.catalog.entries import PersonaSetEntry, TaskEntry, TrainingData
from bias_platform.errors import CorpusError, TableError
from bias_platform.prompts import persona_blind_examples, personas_table, training_examples
from bias_platform.prompts.examples import TrainingSet, training_set
from bias_platform.prompts.group_sets import group_test_set

NAMES = [f"i-{number:06d}" for number in range(1, 8)]
ITEMS = pd.DataFrame(
    {"item_id": NAMES, "text": [f"post {name}" for name in NAMES], "split": ["train"] * 5 + ["test"] * 2}
)
SAID = [
    (NAMES[0], "woman", "Yes", 3),
    (NAMES[0], "man", "No", 1),
    (NAMES[1], "woman", "No", 1),
    (NAMES[2], "woman", "Maybe", 2),
    (NAMES[3], "man", "Yes", 2),
    (NAMES[5], "woman", "Yes", 2),
    (NAMES[6], "man", "No", 4),
]
LABELS = pd.DataFrame(
    [(item, "by-gender", "gender", group, label, 1.0, n, False) for item, group, label, n in SAID]
    + [(NAMES[0], "mode", None, None, "Maybe", 0.5, 4, True)],
    columns=["item_id", "policy", "attribute", "group", "label", "share", "annotators", "tied"],
)
SIX = pd.DataFrame(
    [
        (item, f"a{number}", "Yes" if number % 2 else "No", 1, "man" if number % 2 else "woman")
        for item in NAMES[:5]
        for number in range(6)
    ],
    columns=["item_id", "annotator_id", "label", "annotators", "annotator_gender"],
)
MEMES = pd.DataFrame({"item_id": NAMES, "text": "", "split": "train", "picture": [f"{n}.png" for n in "abcdefg"]})
REASONS = pd.DataFrame(
    {"item_id": NAMES, "annotator_id": None, "label": [f"shows shape {n}." for n in range(7)], "annotators": 1}
)


@pytest.fixture(scope="module")
def named(persona_set: PersonaSetEntry) -> pd.DataFrame:
    return personas_table(persona_set)


@pytest.fixture
def meme_task() -> TaskEntry:
    return TaskEntry(shown="picture", question="What does it show?", answer="sentence", patterns=("The meme {what}.",))


def _specific(
    named: pd.DataFrame, templates: dict[str, str], task: TaskEntry, data: TrainingData, **changes: object
) -> TrainingSet:
    update = {"personas": "specific", "persona": "woman", "labels": "by-gender", **changes}
    return training_set(ITEMS, SIX, named, templates, task, data.model_copy(update=update), LABELS)


def test_one_group_is_shown_in_its_persona(
    named: pd.DataFrame, templates: dict[str, str], task: TaskEntry, data: TrainingData
) -> None:
    table, facts = _specific(named, templates, task, data)
    said = dict(zip(table["item_id"], table["answer"], strict=True))
    assert said == {NAMES[0]: "Yes", NAMES[1]: "No", NAMES[2]: "Maybe"}, "train only, the women's labels only"
    assert set(table["persona_id"]) == {"woman"}
    for row in table.itertuples():
        assert row.system_message == templates[row.template_id].replace("{persona}", "a woman person")
    assert facts["annotators_of_an_example"] == {"least": 1, "median": 2.0, "most": 3}
    assert facts["templates"] == dict.fromkeys(templates, 1)
    assert facts["answers"] == {"Maybe": 1, "No": 1, "Yes": 1}
    assert (facts["examples"], facts["items"], facts["judgements_left_out"]) == (3, 3, 0)


def test_order_of_labels_does_not_matter(
    named: pd.DataFrame, templates: dict[str, str], task: TaskEntry, data: TrainingData
) -> None:
    asked = data.model_copy(update={"personas": "specific", "persona": "woman", "labels": "by-gender"})
    one = training_examples(ITEMS, SIX, named, templates, task, asked, LABELS)
    other = training_examples(ITEMS[::-1], SIX, named, templates, task, asked, LABELS[::-1])
    pd.testing.assert_frame_equal(one, other)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"persona": "nobody"}, "no persona 'nobody' in the set"),
        (
            {"persona": "anyone"},
            r"'anyone' stands for no group of label policy 'by-gender' \(within gender\); its attr",
        ),
        ({"labels": "mode"}, r"no group of label policy 'mode' \(within no attribute: it labels no group\)"),
        ({"split": "dev"}, "gives the group 'woman' of persona 'woman' no label in the split 'dev'"),
    ],
)
def test_a_group_that_is_none_is_said(
    changes: dict[str, object],
    message: str,
    named: pd.DataFrame,
    templates: dict[str, str],
    task: TaskEntry,
    data: TrainingData,
) -> None:
    with pytest.raises(CorpusError, match=message):
        _specific(named, templates, task, data, **changes)


def test_test_set_of_a_group() -> None:
    table = group_test_set(ITEMS, LABELS, "by-gender", "woman")
    assert table[["item_id", "text", "label", "annotators"]].to_numpy().tolist() == [
        [NAMES[5], f"post {NAMES[5]}", "Yes", 2]
    ]
    assert group_test_set(ITEMS, LABELS, "by-gender", "robot").empty


def test_each_wording_equally_often_for_an_item(
    named: pd.DataFrame, templates: dict[str, str], task: TaskEntry, data: TrainingData
) -> None:
    update = {"personas": "composite", "composite_pattern": "a {gender}", "templates": "balanced-by-item"}
    drawn = set()
    for seed in range(12):
        asked = data.model_copy(update={**update, "seed": seed})
        table = training_examples(ITEMS, SIX, named, templates, task, asked)
        counts = table.groupby("item_id")["template_id"].value_counts().unstack(fill_value=0)
        assert (counts == 2).to_numpy().all(), "six judgements, three wordings"
        drawn.add(tuple(table.sort_values("example_id")["template_id"]))
        pd.testing.assert_frame_equal(table, training_examples(ITEMS[::-1], SIX, named, templates, task, asked))
    assert len(drawn) > 1, "which judgement gets which wording is drawn by the seed"
    five = SIX[SIX["annotator_id"] != "a5"]
    uneven = training_examples(ITEMS, five, named, templates, task, data.model_copy(update=update))
    counts = uneven.groupby("item_id")["template_id"].value_counts().unstack(fill_value=0)
    assert (counts.max(axis=1) - counts.min(axis=1) == 1).all()


def test_annotators_that_lack_an_attribute_are_counted(
    named: pd.DataFrame, templates: dict[str, str], task: TaskEntry, data: TrainingData
) -> None:
    unknown = SIX.assign(annotator_gender=SIX["annotator_gender"].where(SIX["annotator_id"] != "a0", None))
    asked = data.model_copy(update={"personas": "composite", "composite_pattern": "a {gender}"})
    table, facts = training_set(ITEMS, unknown, named, templates, task, asked)
    assert (len(table), facts["judgements_left_out"]) == (25, 5)


def test_nobody_s_persona_has_no_system_message(
    named: pd.DataFrame, templates: dict[str, str], meme_task: TaskEntry, data: TrainingData
) -> None:
    asked = data.model_copy(update={"personas": "none", "answer_prefix": "The meme "})
    table, facts = training_set(MEMES, REASONS, named, templates, meme_task, asked)
    assert table["system_message"].isna().all()
    assert table["template_id"].isna().all()
    assert set(table["persona_id"]) == {"no-persona"}
    by_item = table.set_index("item_id")
    assert by_item.loc[NAMES[2], ["answer", "picture", "user_message"]].tolist() == [
        "The meme shows shape 2.",
        "c.png",
        "What does it show?",
    ]
    assert "answers" not in facts, "every explanation is a text of its own"
    assert facts["pictures"] == 7


def test_an_empty_explanation_teaches_nothing(
    named: pd.DataFrame, templates: dict[str, str], meme_task: TaskEntry, data: TrainingData
) -> None:
    empty = REASONS.assign(label=REASONS["label"].where(REASONS.index > 1, "  "))
    with pytest.raises(CorpusError, match=r"2 human answers of the corpus are empty \(e.g. of item i-000001\)"):
        training_examples(MEMES, empty, named, templates, meme_task, data.model_copy(update={"personas": "none"}))


def test_an_item_without_what_is_shown_is_named(
    named: pd.DataFrame, templates: dict[str, str], meme_task: TaskEntry, data: TrainingData
) -> None:
    with pytest.raises(TableError, match="have no picture"):
        training_examples(ITEMS, REASONS, named, templates, meme_task, data.model_copy(update={"personas": "none"}))


def test_a_text_task_shows_no_picture(
    named: pd.DataFrame, templates: dict[str, str], task: TaskEntry, data: TrainingData
) -> None:
    both = ITEMS.assign(picture="x.png")
    asked = data.model_copy(update={"dimensions": ("gender",)})
    assert "picture" not in training_examples(both, SIX, named, templates, task, asked)


def test_blind_examples_take_the_commonest_text_and_the_picture(
    named: pd.DataFrame, templates: dict[str, str], meme_task: TaskEntry
) -> None:
    twice = pd.concat([REASONS, REASONS.assign(label="shows nothing.")], ignore_index=True)
    more = pd.concat([twice, REASONS.head(2)], ignore_index=True)
    table = persona_blind_examples(MEMES, more, named, templates, meme_task, 10**6, 0, "The meme ")
    answers = table.groupby("item_id")["answer"].unique()
    assert answers[NAMES[1]].tolist() == ["The meme shows shape 1."], "said twice"
    assert answers[NAMES[4]].tolist() == ["The meme shows nothing."], "a tie goes to the alphabet"
    assert dict(zip(table["item_id"], table["picture"], strict=True)) == dict(zip(NAMES, MEMES["picture"], strict=True))
    assert len(table) == 7 * (6 * 3 + 1)
