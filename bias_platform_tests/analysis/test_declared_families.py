"""Families that a study declares are adjusted by themselves, beside the headline's."""

from dataclasses import replace

import pandas as pd
import pytest

from bias_platform.analysis import RegressionResults, analyse_study
from bias_platform.catalog.family_settings import TestFamily
from bias_platform.statistics import adjust_p_values
from bias_platform_tests.analysis.simulated_study import Design, simulate_study

FAMILIES = {
    "gender": TestFamily(title="Gender in the tuned system", systems=("small+tuned",), dimensions=("gender",)),
    "one": TestFamily(title="One persona", personas=("race-1",), multiplicity="fdr_by"),
}


@pytest.fixture(scope="module")
def results() -> RegressionResults:
    """A small study with two declared families."""
    design = Design(items=30, sizes={"gender": 3, "race": 3})
    return analyse_study(simulate_study(design, 6, families=FAMILIES, minimum_minority=5).inputs)


def test_a_family_holds_what_it_names_and_nothing_else(results: RegressionResults) -> None:
    table = results.tables["declared_families"]
    gender = table[(table["family"] == "gender") & (table["scope"] == "these wordings")]
    assert set(gender["system"]) == {"small+tuned"}
    assert set(gender["persona_id"]) == {"gender-0", "gender-1", "gender-2"}
    one = table[(table["family"] == "one") & (table["scope"] == "these wordings")]
    assert sorted(one["system"]) == ["small", "small+tuned"]


@pytest.mark.parametrize("family", list(FAMILIES))
def test_p_values_are_adjusted_within_family_and_scope(results: RegressionResults, family: str) -> None:
    table = results.tables["declared_families"]
    for _, rows in table[table["family"] == family].groupby("scope"):
        expected = adjust_p_values(rows["p_value"], FAMILIES[family].multiplicity)
        assert rows["p_adjusted"].to_numpy() == pytest.approx(expected)
        assert rows["significant"].tolist() == (expected < 0.05).tolist()


def test_the_comparisons_are_those_of_the_report(results: RegressionResults) -> None:
    keys = ["scope", "system", "persona_id"]
    primary = results.tables["control_contrasts"].query("reading == 'primary'").set_index(keys)
    table = results.tables["declared_families"].set_index(keys)
    for column in ("difference", "lower", "upper", "p_value"):
        pd.testing.assert_series_equal(table[column], primary[column].reindex(table.index), check_names=False)


def test_families_are_counted_and_told(results: RegressionResults) -> None:
    named = results.tables["test_families"].set_index("family")
    assert named.loc["declared: Gender in the tuned system, these wordings", "tests"] == 3
    assert named.loc["declared: One persona, beyond wording", "method"] == "fdr_by"
    (told,) = [sentence for sentence in results.summary if sentence.startswith("Families declared in the study.")]
    assert "“Gender in the tuned system”: " in told
    assert "within the family" in told


def test_a_study_without_families_has_none(study_without: RegressionResults) -> None:
    assert study_without.tables["declared_families"].empty
    assert not any("Families declared" in sentence for sentence in study_without.summary)


@pytest.fixture(scope="module")
def study_without() -> RegressionResults:
    """The same without families."""
    return analyse_study(simulate_study(Design(items=20, sizes={"gender": 2}), 8, minimum_minority=5).inputs)


def test_a_family_that_cannot_be_compared_says_so() -> None:
    inputs = simulate_study(Design(items=20, sizes={"gender": 2}), 8, minimum_minority=5).inputs
    family = TestFamily(title="Nobody that was asked", personas=("race-0",))
    analysis = inputs.study.analysis.model_copy(update={"families": {"none": family}})
    study = inputs.study.model_copy(update={"analysis": analysis})
    results = analyse_study(replace(inputs, study=study))
    assert any("“Nobody that was asked” could not be compared" in sentence for sentence in results.summary)
