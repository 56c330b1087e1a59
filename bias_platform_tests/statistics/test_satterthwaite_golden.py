"""Satterthwaite's degrees of freedom and F against lmerTest, of contrasts of means against emmeans."""

import numpy as np
import pytest

from bias_platform.statistics import marginal_means, term_tests, versus_reference
from bias_platform.statistics.contrast_tables import contrast_degrees_of_freedom, contrast_table
from bias_platform_tests.statistics.degrees_of_freedom_cases import (
    CASES,
    WITH_MEANS,
    WITH_TERMS,
    df_fit,
    golden_df,
    small_sample_of,
    term_rows,
)

METHOD = "satterthwaite"


@pytest.mark.parametrize("case", CASES)
def test_coefficients(case: str) -> None:
    assert bool(df_fit(case).diagnostics.singular_terms) == golden_df(case)["singular"]
    theirs, tests = golden_df(case)[METHOD]["coefficients"], small_sample_of(case, METHOD)
    ours = tests.degrees_of_freedom(np.eye(len(theirs["df"])))
    assert ours == pytest.approx(np.array(theirs["df"]), rel=5e-5)
    assert np.sqrt(np.diag(tests.covariance)) == pytest.approx(np.array(theirs["standard_error"]), rel=1e-5)


@pytest.mark.parametrize("case", WITH_TERMS)
def test_terms(case: str) -> None:
    """By the same rows; by lmerTest's own, which may be taken apart otherwise, F is the same and its df nearly so."""
    theirs = golden_df(case)[METHOD]["terms"]
    ours = [small_sample_of(case, METHOD).f_test(term_rows(df_fit(case), term)) for term in theirs["term"]]
    assert [one.numerator_df for one in ours] == theirs["df"]
    assert [one.statistic for one in ours] == pytest.approx(theirs["f"], rel=2e-5)
    assert [one.denominator_df for one in ours] == pytest.approx(theirs["denominator_df"], rel=5e-5)
    assert [one.denominator_df for one in ours] == pytest.approx(theirs["type_3_denominator_df"], rel=5e-4)
    assert [one.p for one in ours] == pytest.approx(theirs["p"], rel=2e-3)


@pytest.mark.parametrize("case", ["scores_wide", "groups_singular"])
def test_term_tests_take_them(case: str) -> None:
    table = term_tests(df_fit(case), denominator_df="satterthwaite", likelihood_ratio=False)
    theirs = golden_df(case)[METHOD]["terms"]
    assert table["carrier"].unique().tolist() == [METHOD]
    assert table["f"].tolist() == pytest.approx(theirs["f"], rel=2e-5)
    assert table["f"].tolist() == pytest.approx((table["wald"] / table["df"]).tolist(), rel=1e-8)
    assert table["denominator_df"].tolist() == pytest.approx(theirs["denominator_df"], rel=5e-5)
    assert table["f_p"].tolist() == pytest.approx(theirs["p"], rel=2e-3)


@pytest.mark.parametrize("case", WITH_MEANS)
def test_contrasts_of_means(case: str) -> None:
    fit, factor, theirs = df_fit(case), WITH_MEANS[case], golden_df(case)[METHOD]["contrasts"]
    means = marginal_means(fit, by=factor)
    gaps = versus_reference(means, factor, means.labels[factor][0])
    for ours, reference in ((means, theirs["means"]), (gaps, theirs["versus_first"])):
        table = contrast_table(fit, ours, small_sample_of(case, METHOD))
        assert contrast_degrees_of_freedom(fit, ours, small_sample_of(case, METHOD)).tolist() == table["df"].tolist()
        assert table["df"].to_numpy() == pytest.approx(reference["df"], rel=5e-5)
        assert table["standard_error"].to_numpy() == pytest.approx(reference["standard_error"], rel=1e-5)
        assert table["estimate"].to_numpy() == pytest.approx(reference["estimate"], abs=1e-6)
        assert table["p"].to_numpy() == pytest.approx(reference["p"], rel=1e-4)
        assert table["lower"].to_numpy() == pytest.approx(reference["lower"], abs=1e-4)
