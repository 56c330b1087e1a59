"""Units that a model needs and does not have: found, named once, silent when they are there."""

import numpy as np
import pandas as pd
import pytest

from bias_platform.statistics.arrays import sorted_codes
from bias_platform.statistics.fixed_part import build_fixed_part
from bias_platform.statistics.formula import parse_formula
from bias_platform.statistics.missing_terms import COLUMNS, missing_random_effects
from bias_platform.statistics.random_terms import build_random_terms
from bias_platform.statistics.study_design import Attribute, StudyDesign
from bias_platform_tests.statistics.golden_cases import data_of
from bias_platform_tests.statistics.made_designs import MODEL_A


def _frame(items: int = 40, personas: int = 12, systems: int = 2, templates: int = 2) -> pd.DataFrame:
    group = Attribute("persona", {"a": personas - 8, "b": 4, "c": 4})
    factors = {"item": items, "persona": personas, "template": templates, "system": systems}
    frame = StudyDesign(factors, {"group": group}).frame()
    rng = np.random.default_rng(0)
    return frame.assign(yes=rng.integers(0, 2, len(frame)), x=rng.normal(size=len(frame)).round(2))


def _missing(formula: str, data: pd.DataFrame, trials: np.ndarray | None = None) -> pd.DataFrame:
    parsed = parse_formula(formula)
    coded = {name: sorted_codes(data[name]) for name in parsed.grouping_columns}
    fixed = build_fixed_part(parsed.fixed, formula, data)
    random = build_random_terms(parsed, data, coded, np.ones(len(data)))
    return missing_random_effects(data, fixed, random, ["yes"], coded, trials)


def _named(formula: str, data: pd.DataFrame) -> list[tuple[str, str]]:
    found = _missing(formula, data)
    return list(zip(found["terms"], found["add"], strict=True))


def test_the_unit_of_a_group_is_missed() -> None:
    found = _missing("yes ~ group + (1 | item) + (1 | item:group)", _frame())
    assert tuple(found.columns) == COLUMNS
    assert len(found) == 1
    assert found.iloc[0].drop(["false_positives", "sentence"]).tolist() == [
        "group", "persona", "between", 12, "(1 | persona)",
    ]  # fmt: skip
    alone = _missing("yes ~ group + (1 | template)", _frame()).set_index("unit")
    assert alone.loc["persona", "sentence"] == (
        "group is constant within persona, but persona is not random: its test takes every answer for a witness of its "
        "own (at 5 %, some 84 % of true nulls are rejected where persona has a tenth of the noise's variance); "
        "add (1 | persona)."
    )


def test_a_finer_unit_does_not_stand_for_a_coarser_one() -> None:
    frame = _frame()
    sentence = _missing("yes ~ group + (1 | persona:system) + (1 | item) + (1 | item:group)", frame)["sentence"][0]
    assert "its test takes every level of persona:system for a witness of its own" in sentence
    assert sentence.endswith("add (1 | persona).")
    finer = "yes ~ system + (1 | item) + (1 | item:persona:system) + (1 | persona) + (1 | persona:system)"
    assert _named(finer, frame) == [("system", "(1 | item:system)")]


def test_the_tests_that_suffer_are_named() -> None:
    """A truly zero interaction was found in 62 % of studies without the persona's own reaction to systems."""
    formula = "yes ~ group * system + (1 | item) + (1 | item:system) + (1 | persona)"
    found = _missing(formula, _frame(400)).iloc[0]
    assert (found["terms"], found["unit"], found["kind"]) == ("system, group:system", "persona:system", "within")
    assert found["sentence"].startswith(
        "system varies within persona, but persona:system is not random: the tests of system and group:system take "
        "answers of the same persona:system for unrelated (at 5 %, "
    )
    assert len(_missing(f"{formula} + (1 | persona:system)", _frame(400))) == 0


def test_worst_comes_first() -> None:
    found = _missing("yes ~ group * system + (1 | item) + (1 | persona:system)", _frame())
    assert found["unit"][0] == "persona"
    assert found["false_positives"].is_monotonic_decreasing
    assert found["false_positives"].between(0.05, 1.0).all()
    assert not found.duplicated("unit").any()


@pytest.mark.parametrize(
    "formula",
    [
        f"{MODEL_A} + (1 | item:persona:system) + (1 | item:template)",
        "yes ~ persona * system + (1 + persona + system | item) + (1 | item:persona:system)",
        "yes ~ x + (1 + x | item)",
        "yes ~ x * system + (1 + x | item) + (0 + x | item:system) + (1 | item:system)",
        "yes ~ group + (1 | persona) + (1 + group | item)",
        "yes ~ 1 + (1 | item)",
    ],
)
def test_nothing_is_said_of_a_model_that_has_all_its_units(formula: str) -> None:
    assert _named(formula, _frame()) == []


@pytest.mark.parametrize("formula", ["yes ~ group * system + x + (1 | item)", "yes ~ persona * system + (1 | item)"])
def test_following_the_advice_ends(formula: str) -> None:
    frame = _frame()
    for _ in range(12):
        found = _missing(formula, frame)
        if found.empty:
            return
        row = found.iloc[0]
        old = f"(1 | {row['unit']})"
        formula = (
            formula.replace(old, row["add"]) if f"place of {old}" in row["sentence"] else f"{formula} + {row['add']}"
        )
    pytest.fail(f"{formula} still lacks {found['add'].tolist()}")


def test_answers_must_repeat_within_a_cell() -> None:
    """One answer an item and system: what the item makes of the system cannot be told from noise."""
    frame = _frame().drop_duplicates(["item", "system"])[["item", "system", "x", "yes"]]
    assert _named("yes ~ system + (1 | item)", frame) == []
    assert _named("yes ~ system + x + (1 | item)", frame) == []
    found = _missing("yes ~ system + (1 | item)", frame, trials=np.full(len(frame), 20.0))
    assert found["add"].tolist() == ["(1 | item:system)"]


def test_slopes_of_numbers() -> None:
    frame = _frame()[["item", "system", "persona", "x", "yes"]]
    row = _missing("yes ~ x + (1 | item)", frame).iloc[0]
    assert row["sentence"].startswith("x varies within item, but a slope of x over item is not random: the test of x ")
    assert row["sentence"].endswith("write (1 + x | item) in place of (1 | item).")
    assert _named("yes ~ x * system + (1 + x | item) + (1 + x | item:system)", frame) == []
    crossed = _missing("yes ~ x:system + (1 + x | item)", frame)
    assert crossed["add"].tolist() == ["(1 + x | item:system)"]
    assert "add (1 + x | item:system)" in crossed["sentence"][0]


def test_a_number_that_belongs_to_a_unit() -> None:
    """Anger is a person's own; taken without the person, every answer would be a witness of it."""
    data = data_of("verbagg").rename(columns={"r2": "yes"})[["Anger", "situ", "id", "item", "yes"]]
    assert ("Anger", "(1 | id)") in _named("yes ~ Anger + (1 | item)", data)
    assert ("Anger", "(1 | id)") not in _named("yes ~ Anger + (1 | item) + (1 | id)", data)


def test_columns_that_are_no_units() -> None:
    frame = _frame()
    frame["row"] = np.arange(len(frame)).astype(str)
    frame["number"] = np.arange(len(frame))
    frame["constant"] = "same"
    frame["weight"] = frame["persona"].cat.codes * 1.0
    frame["lists"] = [[1]] * len(frame)
    frame["phrase"] = "as " + frame["persona"].astype(str)
    frame["label"] = frame["group"].astype(str)
    frame["half"] = frame["persona"].cat.codes.to_numpy() % 2 == 0
    frame["almost"] = frame["persona"].astype(str)
    frame.loc[frame.index[:3], "almost"] = None
    formula = "yes ~ group + (1 | item) + (1 | item:group)"
    assert _named(formula, frame) == [("group", "(1 | persona)"), ("group", "(1 | almost)")]
    assert _named(f"{formula} + (1 | persona)", frame) == []
    assert _named(formula, frame.drop(columns=["persona", "almost"])) == [("group", "(1 | phrase)")]
    assert _named("yes ~ persona * system + (1 + persona + system | item) + (1 | item:persona:system)", frame) == []
    cells = frame.assign(cell=frame["persona"].astype(str) + frame["system"].astype(str))
    assert ("persona", "(1 | cell)") not in _named("yes ~ persona + system + (1 | item)", cells)


def test_every_missing_level_of_a_hierarchy_is_named() -> None:
    """Patients in sites, visits in patients; treatment is a patient's."""
    rng = np.random.default_rng(0)
    visits = pd.DataFrame([(s, p, v, k) for s in range(8) for p in range(6) for v in range(3) for k in range(4)])
    data = visits.set_axis(["site", "p", "v", "k"], axis=1)
    data["patient"] = [f"{s}/{p}" for s, p in zip(data["site"], data["p"], strict=True)]
    data["visit"] = data["patient"] + "/" + data["v"].astype(str)
    data["treatment"] = np.where(data["p"] % 2 == 0, "drug", "none")
    data["yes"] = rng.integers(0, 2, len(data))
    data = data[["site", "patient", "visit", "treatment", "yes"]]
    formula = "yes ~ treatment + (1 | site) + (1 | site:treatment)"
    assert _named(formula, data) == []  # the site's own reaction carries the test
    assert _named("yes ~ treatment + (1 | visit)", data) == [("treatment", "(1 | patient)")]
    assert _named("yes ~ treatment + (1 | patient)", data) == []
    assert [add for _, add in _named("yes ~ treatment + (1 | site)", data)] == [
        "(1 | site:treatment)", "(1 | patient)", "(1 | visit)",
    ]  # fmt: skip
    questions = _frame(50, 28, 2, 3)
    questions["question"] = questions[["item", "persona", "template"]].astype(str).agg("/".join, axis=1)
    assert [add for _, add in _named("yes ~ persona + (1 | item)", questions)] == ["(1 | item:persona)"]


def test_the_harm_is_that_of_a_test_that_does_not_know_the_unit() -> None:
    """4,000 studies of 24 personas in 3 groups, 60 answers each, a persona's variance a tenth of the noise's."""
    rng = np.random.default_rng(2)
    means = rng.normal(0, np.sqrt(0.1 + 1 / 60), (4000, 3, 8)).mean(axis=2)
    chi_square = means.var(axis=1, ddof=1) * 2 * (8 * 60)
    data = pd.DataFrame({"persona": np.repeat(np.arange(24), 60), "item": np.tile(np.arange(60), 24)})
    data = data.assign(group=np.array(["a", "b", "c"])[data["persona"] % 3], yes=0).drop(columns="item")
    data["half"] = np.tile([0, 1], len(data) // 2)
    found = _missing("yes ~ group + (1 | half)", data).set_index("unit")
    assert (chi_square > 5.991).mean() == pytest.approx(found.loc["persona", "false_positives"], abs=0.03)


def test_it_costs_little() -> None:
    """400,000 answers and three columns of text that the formula does not use."""
    frame = _frame(500, 20, 5, 8)
    rng = np.random.default_rng(0)
    frame["id"] = np.array([f"r{k}" for k in range(len(frame))], dtype=object)
    frame["note"] = np.array(["n", "o", "p", "q"], dtype=object)[rng.integers(0, 4, len(frame))]
    frame["name"] = frame["persona"].astype(object)
    data = frame[["item", "system", "group", "yes", "id", "note", "name"]]
    formula = "yes ~ group * system + (1 | item) + (1 | item:system)"
    coded = {"item": sorted_codes(data["item"]), "system": sorted_codes(data["system"])}
    fixed = build_fixed_part("group * system", formula, data)
    random = build_random_terms(parse_formula(formula), data, coded, np.ones(len(data)))
    found = missing_random_effects(data, fixed, random, ["yes"], coded)
    assert found["unit"][0] == "name"
