"""What other methods would have concluded: held against the report, against each other, and against the truth."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from bias_platform.analysis import RegressionResults
from bias_platform.analysis.answers import Answers, prepare_answers
from bias_platform.analysis.clustered_alternatives import clustered_alternatives
from bias_platform.analysis.contrasts import control_contrasts
from bias_platform.analysis.inputs import StudyInputs
from bias_platform.analysis.material import gather
from bias_platform.analysis.model_rows import model_rows
from bias_platform.schemas import validate_table
from bias_platform.schemas.results import BEYOND_WORDING, PRIMARY, RESULT_TABLES, THESE_WORDINGS, conform
from bias_platform.schemas.results_of_alternatives import (
    ALL_SYSTEMS,
    ALTERNATIVES,
    GEE_BY_ITEM,
    GLM_BY_ITEM,
    GLM_BY_WORDING,
    GLM_TWO_WAY,
    NAIVE_GLM,
    OWN_MODEL,
    OWN_PAIRED,
)
from bias_platform.statistics import adjust_p_values
from bias_platform.statistics.marginal_models import fit_glm
from bias_platform_tests.analysis.simulated_study import CONTROL, Design, simulate_study

NAMES = ("alternative_methods", "alternative_contrasts")


def alternatives(inputs: StudyInputs) -> tuple[pd.DataFrame, pd.DataFrame, Answers]:
    """Both tables as the report holds them, without the mixed models, which take longer."""
    answers, settings = prepare_answers(inputs), inputs.study.analysis
    found = clustered_alternatives(answers, control_contrasts(gather(answers, PRIMARY, settings)), settings)
    methods, contrasts = (
        validate_table(conform(found[name], RESULT_TABLES[name]), RESULT_TABLES[name], name) for name in NAMES
    )
    return methods, contrasts, answers


def others(methods: pd.DataFrame) -> pd.DataFrame:
    """Rows of the methods that are not the report's own, by method and system."""
    return methods[methods["method"].isin(ALTERNATIVES)].set_index(["method", "system"]).sort_index()


@pytest.fixture(scope="module")
def complete() -> tuple[pd.DataFrame, pd.DataFrame, Answers]:
    """A study in which no answer is missing and personas differ much."""
    return alternatives(simulate_study(Design(items=50, sizes={"gender": 3, "race": 3}, persona_sd=0.8), 4).inputs)


def test_every_method_tests_every_comparison(complete: tuple[pd.DataFrame, pd.DataFrame, Answers]) -> None:
    methods, contrasts, answers = complete
    comparisons = len(answers.systems) * len(answers.named)
    assert contrasts["method"].value_counts().to_dict() == dict.fromkeys(ALTERNATIVES, comparisons)
    together = methods[methods["system"] == ALL_SYSTEMS]
    assert set(together["method"]) == {OWN_PAIRED, *ALTERNATIVES}
    assert (together["contrasts"] == comparisons).all()
    parts = methods[methods["system"] != ALL_SYSTEMS].groupby(["method", "scope"])
    for name in ("contrasts", "significant", "reported", "agreeing", "only_method", "only_report"):
        whole = together.set_index(["method", "scope"])[name]
        assert (parts[name].sum().reindex(whole.index) == whole).all()
    assert (methods["agreeing"] + methods["only_method"] + methods["only_report"] == methods["contrasts"]).all()
    assert (methods["significant"] - methods["only_method"] == methods["reported"] - methods["only_report"]).all()


def test_without_missing_answers_clusters_of_items_are_the_pairs(
    complete: tuple[pd.DataFrame, pd.DataFrame, Answers],
) -> None:
    methods, contrasts, answers = complete
    rows = model_rows(answers, PRIMARY, set())
    wide = rows.groupby(["system", "item", "persona"], observed=True)["yes"].mean().unstack()
    paired = wide.sub(wide[CONTROL], axis=0)
    for method in (GLM_BY_ITEM, GEE_BY_ITEM, NAIVE_GLM):
        own = contrasts[contrasts["method"] == method].set_index(["system", "persona_id"])
        for (system, persona), row in own.iterrows():
            gaps = paired.loc[system][persona]
            assert row["difference"] == pytest.approx(gaps.mean(), abs=1e-6 if method != GEE_BY_ITEM else 0.01)
            if method == GLM_BY_ITEM:
                assert row["standard_error"] == pytest.approx(gaps.sem(), rel=1e-8)
    ratio = others(methods)["error_ratio"]
    assert ratio[GLM_BY_ITEM, ALL_SYSTEMS] == pytest.approx(1.0, abs=1e-8)
    assert ratio[NAIVE_GLM, ALL_SYSTEMS] > 1.05


def test_verdicts_are_those_of_adjusted_tests(complete: tuple[pd.DataFrame, pd.DataFrame, Answers]) -> None:
    _, contrasts, _ = complete
    for method in ALTERNATIVES:
        own = contrasts[contrasts["method"] == method]
        assert own["p_adjusted"].to_numpy() == pytest.approx(adjust_p_values(own["p_value"], "holm"))
        assert (own["significant"] == (own["p_adjusted"] < 0.05)).all()
        assert own["df"].isna().all() == (method == NAIVE_GLM)
    naive = contrasts[contrasts["method"] == NAIVE_GLM]
    z = naive["difference"] / naive["standard_error"]
    assert naive["p_value"].to_numpy() == pytest.approx(2 * norm.sf(np.abs(z)))
    assert set(contrasts.loc[contrasts["method"].isin([GLM_BY_WORDING, GLM_TWO_WAY]), "scope"]) == {BEYOND_WORDING}
    assert contrasts["system"].is_monotonic_increasing


def test_log_odds_are_the_coefficients_of_the_model(complete: tuple[pd.DataFrame, pd.DataFrame, Answers]) -> None:
    _, contrasts, answers = complete
    rows = model_rows(answers, PRIMARY, set())
    rows = rows[rows["system"] == "small"].astype({"persona": str})
    rows["persona"] = pd.Categorical(rows["persona"], [CONTROL, *answers.named])
    fit = fit_glm("yes ~ persona + template", rows, ["item"]).coefficients()
    own = contrasts.query("method == @GLM_BY_ITEM and system == 'small'").set_index("persona_id")
    for persona in answers.named:
        coefficient = fit.loc[f"persona[T.{persona}]"]
        assert own.loc[persona, "log_odds"] == pytest.approx(coefficient["estimate"], rel=1e-8)
        assert own.loc[persona, "log_odds_standard_error"] == pytest.approx(coefficient["standard_error"], rel=1e-8)


def test_the_report_holds_both_of_its_own_analyses_beside_them(results: RegressionResults) -> None:
    methods, report = results.tables["alternative_methods"], results.tables["control_contrasts"]
    own = methods[methods["system"] == ALL_SYSTEMS].set_index(["method", "scope"])
    for scope in (THESE_WORDINGS, BEYOND_WORDING):
        part = report.query("reading == 'primary' and scope == @scope")
        paired = own.loc[(OWN_PAIRED, scope)]
        assert paired["agreeing"] == paired["contrasts"] == part["p_value"].notna().sum()
        assert paired["significant"] == paired["reported"] == part["significant"].sum()
        by_model = own.loc[(OWN_MODEL, scope)]
        assert by_model["contrasts"] == part["log_odds_p"].notna().sum()
        assert by_model["significant"] == (part["log_odds_p_adjusted"] < 0.05).sum()
        assert np.isnan(by_model["error_ratio"])
    held = methods[methods["method"] == GLM_TWO_WAY].iloc[0]
    assert held["scope"] == BEYOND_WORDING
    assert held["reported"] == own.loc[(OWN_PAIRED, BEYOND_WORDING), "significant"]


def test_one_wording_says_so_in_its_rows() -> None:
    methods, contrasts, _ = alternatives(simulate_study(Design(items=40, sizes={"gender": 3}, templates=1), 4).inputs)
    notes = methods.drop_duplicates("method").set_index("method")["note"]
    assert notes[GLM_TWO_WAY] == notes[GLM_BY_WORDING] == "Not fitted: there is one wording only."
    assert notes[GLM_BY_ITEM] == notes[NAIVE_GLM] == ""
    assert set(contrasts["method"]) == {NAIVE_GLM, GLM_BY_ITEM, GEE_BY_ITEM}


def test_few_clusters_and_a_mended_covariance_are_said(complete: tuple[pd.DataFrame, pd.DataFrame, Answers]) -> None:
    note = others(complete[0])["note"]
    assert note[GLM_BY_WORDING, ALL_SYSTEMS].startswith("Only 21 clusters of persona × wording (fewer than 40)")
    assert "negative eigenvalues were set to zero" in note[GLM_TWO_WAY, ALL_SYSTEMS]
    assert note[GLM_BY_ITEM, ALL_SYSTEMS] == ""


def test_personas_without_both_answers_are_left_out_and_counted() -> None:
    inputs = simulate_study(Design(items=40, sizes={"gender": 3}, systems=("small", "other")), 4).inputs
    table = inputs.predictions
    silent = (table["persona_id"] == "gender-1") & (table["system"] == "small")
    methods, contrasts, _ = alternatives(
        replace(inputs, predictions=table.assign(answer=table["answer"].mask(silent, "No")))
    )
    note = others(methods)["note"]
    assert note[GLM_BY_ITEM, "small"] == "1 persona left out, whose answers are all alike."
    assert note[GLM_BY_ITEM, ALL_SYSTEMS] == "small: 1 persona left out, whose answers are all alike."
    assert note[GLM_BY_ITEM, "other"] == ""
    assert contrasts["method"].value_counts()[GLM_BY_ITEM] == 5
    assert set(methods.loc[methods["system"] == "small", "contrasts"]) == {2, 3}


def test_answers_that_cannot_be_modelled_raise_nothing() -> None:
    inputs = simulate_study(Design(items=30, sizes={"gender": 2}, systems=("small", "other")), 4).inputs
    table = inputs.predictions
    constant = table["system"] == "small"
    inputs = replace(inputs, predictions=table.assign(answer=table["answer"].mask(constant, "No")))
    methods, contrasts, _ = alternatives(inputs)
    note = others(methods)["note"]
    assert note[NAIVE_GLM, "small"] == "Not fitted: the answers to the generic person are all alike."
    assert set(contrasts["system"]) == {"other"}
    by_template = table["answer"].mask(table["template_id"] == "t1", "No")
    methods, contrasts, _ = alternatives(replace(inputs, predictions=table.assign(answer=by_template)))
    assert contrasts.empty
    assert methods.loc[methods["method"] == GEE_BY_ITEM, "note"].str.contains("The answers are separated").all()


def test_what_the_report_does_not_test_is_not_compared() -> None:
    inputs = simulate_study(Design(items=30, sizes={"gender": 3}), 4).inputs
    answers, settings = prepare_answers(inputs), inputs.study.analysis
    report = control_contrasts(gather(answers, PRIMARY, settings))
    gone = (report["persona_id"] == "gender-1") & (report["system"] == "small")
    report.loc[gone & (report["scope"] == THESE_WORDINGS), ["p_value", "standard_error"]] = np.nan
    report = report[~(gone & (report["scope"] == BEYOND_WORDING))]
    found = clustered_alternatives(answers, report, settings)
    contrasts, methods = found["alternative_contrasts"], others(found["alternative_methods"])
    apart = contrasts["verdict"] == "not compared"
    assert apart.sum() == len(ALTERNATIVES)
    assert set(zip(contrasts.loc[apart, "system"], contrasts.loc[apart, "persona_id"], strict=True)) == {
        ("small", "gender-1")
    }
    assert (methods.loc[(slice(None), "small"), "contrasts"] == 2).all()
    assert methods["error_ratio"].notna().all()
