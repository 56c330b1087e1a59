"""Training examples: whose label in whose persona, and the two kinds that must teach no bias."""

import numpy as np
import pandas as pd
import pytest

from bias_platform.catalog.entries import PersonaSetEntry, TaskEntry, TrainingData
from bias_platform.corpora import CorpusTables, modal_label
from bias_platform.errors import CorpusError
from bias_platform.prompts import persona_blind_examples, personas_table, training_examples
from bias_platform.prompts.examples import equal_shares

ITEMS = pd.DataFrame(
    {
        "item_id": ["i-000001", "i-000002", "i-000003"],
        "text": ["one", "two {content}", "three"],
        "split": ["train", "train", "test"],
    }
)
ANNOTATIONS = pd.DataFrame(
    [
        ("i-000001", "a1", "Yes", 1, "man", "gay", "30"),
        ("i-000001", "a2", "No", 1, "woman", "straight", "40"),
        ("i-000002", "a3", "Maybe", 1, "man", None, None),
        ("i-000003", "a1", "Yes", 1, "man", "gay", "30"),
    ],
    columns=[
        *("item_id", "annotator_id", "label", "annotators"),
        *("annotator_gender", "annotator_orientation", "annotator_age"),
    ],
)


@pytest.fixture
def named(persona_set: PersonaSetEntry) -> pd.DataFrame:
    return personas_table(persona_set)


def yes_rates(examples: pd.DataFrame) -> pd.Series:
    return (examples["answer"] == "Yes").groupby(examples["persona_id"].fillna("")).mean()


def test_each_judgement_is_said_in_the_annotators_personas(
    named: pd.DataFrame, templates: dict[str, str], task: TaskEntry, data: TrainingData
) -> None:
    gender_only = data.model_copy(update={"dimensions": ("gender",)})
    table = training_examples(ITEMS, ANNOTATIONS, named, templates, task, gender_only)
    said = set(zip(table["item_id"], table["persona_id"], table["answer"], strict=True))
    assert said == {("i-000001", "man", "Yes"), ("i-000001", "woman", "No"), ("i-000002", "man", "Maybe")}
    by_persona = table.set_index(["item_id", "persona_id"])
    row = by_persona.loc[("i-000002", "man")]
    assert row["system_message"] == templates[row["template_id"]].replace("{persona}", "a man person")
    assert row["user_message"].endswith("Post: two {content}")


def test_one_persona_a_dimension_and_all_its_attributes_must_match(
    named: pd.DataFrame, templates: dict[str, str], task: TaskEntry, data: TrainingData
) -> None:
    both = data.model_copy(update={"dimensions": ("both",)})
    drawn = set()
    for seed in range(30):
        seeded = both.model_copy(update={"seed": seed})
        table = training_examples(ITEMS, ANNOTATIONS, named, templates, task, seeded)
        assert table["item_id"].value_counts().to_dict() == {"i-000001": 1, "i-000002": 1}
        drawn |= set(zip(table["item_id"], table["persona_id"], strict=True))
    # the gay man matches two personas of the dimension, the man of unknown orientation one, the straight woman none
    assert drawn == {("i-000001", "gay-man"), ("i-000001", "man-again"), ("i-000002", "man-again")}


def test_the_control_learns_from_everybody(
    corpus: CorpusTables, named: pd.DataFrame, templates: dict[str, str], task: TaskEntry, data: TrainingData
) -> None:
    table = training_examples(corpus.items, corpus.annotations, named, templates, task, data)
    counts = table["persona_id"].value_counts()
    assert counts["anyone"] == round(counts.drop("anyone").mean())
    train = corpus.items[corpus.items["split"] == "train"]["item_id"]
    everybody = (corpus.annotations[corpus.annotations["item_id"].isin(train)]["label"] == "Yes").mean()
    assert yes_rates(table)["anyone"] == pytest.approx(everybody, abs=0.09)


def test_order_is_shuffled_by_the_seed_and_blind_to_the_inputs(
    corpus: CorpusTables, named: pd.DataFrame, templates: dict[str, str], task: TaskEntry, data: TrainingData
) -> None:
    table = training_examples(corpus.items, corpus.annotations, named, templates, task, data)
    shuffled = corpus.annotations.sample(frac=1, random_state=2)
    again = training_examples(corpus.items[::-1], shuffled, named, templates, task, data)
    pd.testing.assert_frame_equal(table, again)
    other_seed = data.model_copy(update={"seed": 9})
    other = training_examples(corpus.items, corpus.annotations, named, templates, task, other_seed)
    assert other["item_id"].tolist() != table["item_id"].tolist()
    first = table.head(200)
    assert first["item_id"].nunique() > 100, "a prefix of the rows must be a sample of all"
    assert first["persona_id"].nunique() == 6


def test_templates_take_turns_within_each_persona(
    corpus: CorpusTables, named: pd.DataFrame, templates: dict[str, str], task: TaskEntry, data: TrainingData
) -> None:
    table = training_examples(corpus.items, corpus.annotations, named, templates, task, data)
    counts = table.groupby("persona_id")["template_id"].value_counts().unstack()
    assert (counts.max(axis=1) - counts.min(axis=1)).max() <= 1


def test_only_the_split_is_learnt(
    corpus: CorpusTables, named: pd.DataFrame, templates: dict[str, str], task: TaskEntry, data: TrainingData
) -> None:
    table = training_examples(corpus.items, corpus.annotations, named, templates, task, data)
    splits = dict(zip(corpus.items["item_id"], corpus.items["split"], strict=True))
    assert {splits[item] for item in table["item_id"]} == {"train"}
    wrong = data.model_copy(update={"split": "validation"})
    with pytest.raises(
        CorpusError, match="no human judgement in the split 'validation'; the corpus's splits: dev, test"
    ):
        training_examples(corpus.items, corpus.annotations, named, templates, task, wrong)


def test_permuted_attributes_teach_no_bias(
    corpus: CorpusTables, named: pd.DataFrame, templates: dict[str, str], task: TaskEntry, data: TrainingData
) -> None:
    def gap(permute: bool, seed: int) -> float:
        asked = data.model_copy(update={"permute_attributes": permute, "seed": seed, "dimensions": ("gender",)})
        rates = yes_rates(training_examples(corpus.items, corpus.annotations, named, templates, task, asked))
        return float(rates["woman"] - rates["man"])

    planted = gap(permute=False, seed=0)
    permuted = np.array([gap(permute=True, seed=seed) for seed in range(40)])
    assert planted > 0.12
    # dealt out within posts of 3 to 6 annotators, about a quarter of the gap would remain
    assert abs(permuted.mean()) < 0.1 * planted
    assert permuted.std() < planted / 2


def test_permuting_keeps_labels_and_people(
    corpus: CorpusTables, named: pd.DataFrame, templates: dict[str, str], task: TaskEntry, data: TrainingData
) -> None:
    asked = data.model_copy(update={"dimensions": ("gender",)})
    plain = training_examples(corpus.items, corpus.annotations, named, templates, task, asked)
    permuted_data = asked.model_copy(update={"permute_attributes": True})
    permuted = training_examples(corpus.items, corpus.annotations, named, templates, task, permuted_data)
    assert permuted["persona_id"].value_counts().to_dict() == plain["persona_id"].value_counts().to_dict()


def test_composite_personas_say_all_attributes(
    named: pd.DataFrame, templates: dict[str, str], task: TaskEntry, data: TrainingData
) -> None:
    update = {
        "personas": "composite",
        "composite_pattern": "a {gender} aged {age} who is {orientation}",
        "composite_values": {"orientation": {"gay": "gay {age}"}},
    }
    asked = data.model_copy(update=update)
    table = training_examples(ITEMS, ANNOTATIONS, named, templates, task, asked)
    assert sorted(table["answer"]) == ["No", "Yes"], "the man of unknown age is left out"
    phrases = {"Yes": "a man aged 30 who is gay {age}", "No": "a woman aged 40 who is straight"}
    for row in table.itertuples():
        assert row.system_message == templates[row.template_id].replace("{persona}", phrases[row.answer])
    assert table["persona_id"].isna().all()


def test_composite_templates_take_turns(
    corpus: CorpusTables, named: pd.DataFrame, templates: dict[str, str], task: TaskEntry, data: TrainingData
) -> None:
    asked = data.model_copy(update={"personas": "composite", "composite_pattern": "a {gender} aged {age}"})
    table = training_examples(corpus.items, corpus.annotations, named, templates, task, asked)
    counts = table["template_id"].value_counts()
    assert counts.max() - counts.min() <= 1
    train = corpus.items[corpus.items["split"] == "train"]["item_id"]
    assert len(table) == corpus.annotations["item_id"].isin(train).sum()


@pytest.mark.parametrize(
    ("pattern", "message"),
    [("a {height} {shoe} man", "names height, shoe; the corpus knows"), ("a man", "names no attribute")],
)
def test_composite_patterns_must_fit_the_corpus(
    pattern: str, message: str, named: pd.DataFrame, templates: dict[str, str], task: TaskEntry, data: TrainingData
) -> None:
    asked = data.model_copy(update={"personas": "composite", "composite_pattern": pattern})
    with pytest.raises(CorpusError, match=message):
        training_examples(ITEMS, ANNOTATIONS, named, templates, task, asked)


def test_what_cannot_be_matched_is_said(
    named: pd.DataFrame, templates: dict[str, str], task: TaskEntry, data: TrainingData
) -> None:
    less = ANNOTATIONS.drop(columns="annotator_orientation")
    with pytest.raises(CorpusError, match=r"dimension 'both' needs orientation\nit knows: age, gender; list the other"):
        training_examples(ITEMS, less, named, templates, task, data)
    unknown = data.model_copy(update={"dimensions": ("politics",)})
    with pytest.raises(CorpusError, match="attributes in politics; dimensions that have some: gender, both"):
        training_examples(ITEMS, ANNOTATIONS, named, templates, task, unknown)
    nobody = ANNOTATIONS.assign(annotator_gender="other")
    with pytest.raises(CorpusError, match="no annotator of the split has the attributes of any persona"):
        training_examples(ITEMS, nobody, named, templates, task, data)


def test_labels_that_are_no_option_are_listed(
    named: pd.DataFrame, templates: dict[str, str], task: TaskEntry, data: TrainingData
) -> None:
    wrong = ANNOTATIONS.assign(label=["Perhaps", "No", "Perhaps", "Yes"])
    with pytest.raises(CorpusError, match=r"'Perhaps' \(2 rows\)\noptions: Yes, Maybe, No"):
        training_examples(ITEMS, wrong, named, templates, task, data)
    with pytest.raises(CorpusError, match=r"'Perhaps' \(2 rows\)"):
        persona_blind_examples(ITEMS, wrong, named, templates, task, 10, 0)


def test_two_judgements_alike_are_two_examples(
    named: pd.DataFrame, templates: dict[str, str], task: TaskEntry, data: TrainingData
) -> None:
    twice = pd.concat([ANNOTATIONS, ANNOTATIONS.head(1)], ignore_index=True)
    counted = ANNOTATIONS.assign(annotators=[2, 1, 1, 1])
    for given in (twice, counted):
        table = training_examples(
            ITEMS, given, named, templates, task, data.model_copy(update={"dimensions": ("gender",)})
        )
        assert len(table) == 4
        assert table["example_id"].is_unique


def test_blind_examples_give_every_persona_the_commonest_answer(
    corpus: CorpusTables, named: pd.DataFrame, templates: dict[str, str], task: TaskEntry
) -> None:
    train = corpus.items[corpus.items["split"] == "train"]
    table = persona_blind_examples(train, corpus.annotations, named, templates, task, 4000, 1)
    assert len(table) == 4000
    modes = modal_label(corpus.annotations, task.option_values).set_index("item_id")["label"]
    assert (table["item_id"].map(modes) == table["answer"]).all()
    counts = table["persona_id"].value_counts()
    assert counts["no-persona"] == len(train), "the baseline has one wording: it sees every item once"
    assert np.ptp(counts.drop("no-persona")) <= 1
    assert table[table["persona_id"] == "no-persona"]["system_message"].isna().all()
    assert table[table["persona_id"] != "no-persona"]["system_message"].notna().all()
    assert not table.duplicated(["item_id", "persona_id", "template_id"]).any()
    assert set(table["item_id"]) <= set(train["item_id"])
    rates = yes_rates(table)
    assert rates.max() - rates.min() < 0.1


def test_blind_examples_repeat_and_stop_at_all_there_are(
    corpus: CorpusTables, named: pd.DataFrame, templates: dict[str, str], task: TaskEntry
) -> None:
    few = corpus.items[corpus.items["split"] == "dev"]
    everything = persona_blind_examples(few, corpus.annotations, named, templates, task, 10**6, 0)
    assert len(everything) == len(few) * (6 * 3 + 1)
    again = persona_blind_examples(few[::-1], corpus.annotations[::-1], named, templates, task, 10**6, 0)
    pd.testing.assert_frame_equal(everything, again)
    other = persona_blind_examples(few, corpus.annotations, named, templates, task, 50, 3)
    assert other["example_id"].tolist() != everything["example_id"].head(50).tolist()


def test_blind_examples_need_judgements(named: pd.DataFrame, templates: dict[str, str], task: TaskEntry) -> None:
    with pytest.raises(CorpusError, match="none of the items has a human judgement"):
        persona_blind_examples(ITEMS, ANNOTATIONS.head(0), named, templates, task, 10, 0)


@pytest.mark.parametrize(
    ("total", "capacities", "shares"),
    [(10, [2, 100, 100], [2, 4, 4]), (5, [9, 9], [2, 3]), (99, [1, 2], [1, 2]), (0, [3], [0]), (1, [0, 5], [0, 1])],
)
def test_equal_shares(total: int, capacities: list[int], shares: list[int]) -> None:
    assert equal_shares(total, capacities) == shares
