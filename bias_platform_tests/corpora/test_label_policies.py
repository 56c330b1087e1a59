"""Declared label policies: the study's own cases, groups, weights, and what does not fit."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_platform.catalog.corpus_settings import LabelPolicy
from bias_platform.corpora import policy_facts, policy_labels
from bias_platform.errors import CorpusError
from bias_platform.schemas import Labels
from bias_platform.storage import read_table, write_table
from bias_platform_tests.corpora.test_sbic import judgement, read

ORDER = ("Yes", "Maybe", "No", "Incomprehensible")
MODE = LabelPolicy(rule="mode", priority=ORDER)


def annotations(*rows: tuple[str, str | None, str, str | None]) -> pd.DataFrame:
    """Rows of item, annotator, label, gender."""
    table = pd.DataFrame(rows, columns=["item_id", "annotator_id", "label", "annotator_gender"])
    table.insert(3, "annotators", 1)
    return table


def labels(table: pd.DataFrame, **policy: object) -> pd.DataFrame:
    return policy_labels("c", table, {"p": LabelPolicy.model_validate(policy)})


def by_group(table: pd.DataFrame) -> dict[tuple[str, str], str]:
    return {(row.item_id, row.group): row.label for row in table.itertuples()}


def test_the_golden_modes_and_unanimity_of_the_study(tmp_path: Path) -> None:
    """persona_study.md, G5: a frame of nine rows in the source's own codes."""
    cells = [
        ("p1", "1.0", "man"),
        ("p1", "0.0", "woman"),
        ("p2", "0.5", "man"),
        ("p2", "", "woman"),
        ("p2", "", "na"),
        ("p3", "", "man"),
        ("p3", "0.5", "woman"),
        ("p4", "", "woman"),
        ("p4", "", "woman"),
    ]
    rows = [
        judgement(post=post, offensiveYN=code, annotatorGender=gender, WorkerId=f"w{n}")
        for n, (post, code, gender) in enumerate(cells)
    ]
    tables = read(tmp_path, tst=rows)
    text = tables.items.set_index("item_id")["text"]
    found = policy_labels(
        "s", tables.annotations, {"mode": MODE, "alike": LabelPolicy(rule="unanimous", within="gender")}
    ).assign(item_id=lambda t: t["item_id"].map(text))
    modes = found[found["policy"] == "mode"].set_index("item_id")
    assert modes["label"].to_dict() == {"p1": "Yes", "p2": "Incomprehensible", "p3": "Maybe", "p4": "Incomprehensible"}
    assert modes["tied"].to_dict() == {"p1": True, "p2": False, "p3": True, "p4": False}
    alike = found[found["policy"] == "alike"]
    assert by_group(alike) == {
        ("p1", "man"): "Yes",
        ("p1", "woman"): "No",
        ("p2", "man"): "Maybe",
        ("p2", "woman"): "Incomprehensible",
        ("p3", "man"): "Incomprehensible",
        ("p3", "woman"): "Maybe",
        ("p4", "woman"): "Incomprehensible",
    }
    assert alike["annotators"].tolist() == [1, 1, 1, 1, 1, 1, 2], "groups of one are kept, and said to be of one"
    assert (alike["attribute"] == "gender").all()


def test_a_mode_over_rows_counts_stereotypes(tmp_path: Path) -> None:
    offended = [judgement(offensiveYN="1.0", targetStereotype=text) for text in ("a", "b", "c")]
    calm = [judgement(offensiveYN="0.0", WorkerId=name) for name in ("w2", "w3")]
    tables = read(tmp_path, tst=[*offended, *calm])
    assert tables.annotations["source_rows"].tolist() == [3, 1, 1]
    of_rows = LabelPolicy(rule="mode", priority=ORDER, count="rows")
    found = policy_labels("s", tables.annotations, {"people": MODE, "rows": of_rows}).set_index("policy")
    assert found["label"].to_dict() == {"people": "No", "rows": "Yes"}
    assert found["share"].to_dict() == pytest.approx({"people": 2 / 3, "rows": 3 / 5})
    assert found["annotators"].to_dict() == {"people": 3, "rows": 3}


def test_each_rule(tmp_path: Path) -> None:
    table = annotations(
        ("a", "p", "Yes", "f"),
        ("a", "q", "Yes", "m"),
        ("a", "r", "No", "m"),
        ("b", "p", "No", None),
        ("b", "q", "No", "m"),
        ("c", "p", "Yes", "f"),
        ("c", "q", "No", "f"),
    )
    assert labels(table, rule="majority")[["item_id", "label"]].to_numpy().tolist() == [["a", "Yes"], ["b", "No"]]
    assert labels(table, rule="unanimous")["item_id"].tolist() == ["b"]
    union = labels(table, rule="union")
    assert union[["item_id", "label"]].to_numpy().tolist() == [
        ["a", "No"],
        ["a", "Yes"],
        ["b", "No"],
        ["c", "No"],
        ["c", "Yes"],
    ]
    assert union["share"].tolist() == pytest.approx([1 / 3, 2 / 3, 1, 0.5, 0.5])
    assert not union["tied"].any()
    within = labels(table, rule="unanimous", within="gender")
    assert by_group(within) == {("a", "f"): "Yes", ("b", "m"): "No"}, "who has no gender is in no group"
    majority = labels(table, rule="majority", within="gender", minimum_annotators=2)
    assert majority.empty
    assert labels(table, rule="mode", priority=["No", "Yes"], minimum_annotators=3)["item_id"].tolist() == ["a"]
    write_table(majority, tmp_path / "labels.parquet")
    Labels.validate(read_table(tmp_path / "labels.parquet", "labels"))


def test_people_are_counted_once() -> None:
    twice = annotations(("a", "p", "Yes", "f"), ("a", "p", "Yes", "f"), ("a", None, "Yes", "f"), ("a", None, "No", "f"))
    twice.loc[2, "annotators"] = 5
    found = labels(twice, rule="majority")
    assert found[["annotators", "share"]].to_numpy().tolist() == [[7, 6 / 7]]


def test_a_person_who_judges_an_item_twice_has_one_vote() -> None:
    rows = annotations(("a", "p", "No", "f"), ("a", "p", "No", "f"), ("a", "q", "Yes", "f"))
    priority = {"rule": "mode", "priority": ("Yes", "No")}
    found = labels(rows, **priority)
    assert found[["label", "share", "tied", "annotators"]].to_numpy().tolist() == [["Yes", 0.5, True, 2]]
    assert labels(rows, rule="majority").empty
    third = annotations(("a", "p", "No", "f"), ("a", "p", "Yes", "f"), ("a", "q", "Yes", "f"), ("a", "p", "No", "f"))
    assert labels(third, **priority)[["label", "share"]].to_numpy().tolist() == [["Yes", 4 / 6]]


def test_no_policies_give_an_empty_table(tmp_path: Path) -> None:
    empty = policy_labels("c", annotations(("a", "p", "Yes", "f")), {})
    write_table(empty, tmp_path / "labels.parquet")
    Labels.validate(read_table(tmp_path / "labels.parquet", "labels"))
    assert policy_facts(empty, free_labels=False) == {}


def test_facts_hide_what_people_wrote() -> None:
    table = labels(annotations(("a", "p", "Yes", "f"), ("b", "p", "No", "f")), rule="union")
    assert policy_facts(table, free_labels=False) == {"p": {"No": 1, "Yes": 1}}
    assert policy_facts(table, free_labels=True) == {"p": 2}


def test_all_policies_that_do_not_fit_are_named() -> None:
    policies = {
        "rows": LabelPolicy(rule="majority", count="rows"),
        "age": LabelPolicy(rule="unanimous", within="age"),
        "order": LabelPolicy(rule="mode", priority=("No",)),
        "fine": LabelPolicy(rule="union"),
    }
    with pytest.raises(CorpusError) as caught:
        policy_labels("c", annotations(("a", "p", "Yes", "f")), policies)
    lines = str(caught.value).splitlines()
    assert lines[0] == "corpus 'c': label policies do not fit what people said:"
    assert lines[1].startswith("  - label policy 'rows': counts rows, but the source has one row a judgement")
    assert lines[2] == ("  - label policy 'age': the corpus says nothing of the `age` of annotators; it has gender")
    assert lines[3].startswith("  - label policy 'order': no tie priority for the labels Yes")
    assert len(lines) == 4


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from("fm"), st.sampled_from(ORDER)), min_size=1, max_size=40))
def test_rules_agree_with_each_other(drawn: list[tuple[int, str, str]]) -> None:
    """On any judgements: alike is a majority is a mode is in the union; labels by hand are the same."""
    table = annotations(*((f"i{item}", f"p{n}", label, sex) for n, (item, sex, label) in enumerate(drawn)))
    policies = {
        rule: LabelPolicy(rule=rule, within="gender", priority=ORDER if rule == "mode" else ())  # type: ignore[arg-type]
        for rule in ("unanimous", "majority", "mode", "union")
    }
    found = policy_labels("c", table, policies)
    sets = {
        rule: set(rows[["item_id", "group", "label"]].itertuples(index=False, name=None))
        for rule, rows in found.groupby("policy")
    }
    assert sets.get("unanimous", set()) <= sets.get("majority", set()) <= sets["mode"] <= sets["union"]
    for (item, sex), rows in table.groupby(["item_id", "annotator_gender"]):
        counts = rows["label"].value_counts()
        by_hand = counts.reindex(list(ORDER)).idxmax()
        assert (item, sex, by_hand) in sets["mode"]
        assert ((item, sex, by_hand) in sets.get("unanimous", set())) == (len(counts) == 1)
    sizes = found.merge(
        table.groupby(["item_id", "annotator_gender"]).size().rename("n"),
        left_on=["item_id", "group"],
        right_index=True,
    )
    assert np.array_equal(sizes["annotators"], sizes["n"])
