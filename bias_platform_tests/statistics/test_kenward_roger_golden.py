"""Kenward and Roger's covariance, degrees of freedom and F against pbkrtest, of contrasts of means against emmeans."""

import numpy as np
import pytest

from bias_platform.statistics import marginal_means, term_tests, versus_reference
from bias_platform.statistics.contrast_tables import contrast_table
from bias_platform_tests.statistics import test_term_tests_golden as small_designs
from bias_platform_tests.statistics.degrees_of_freedom_cases import (
    CASES,
    WITH_MEANS,
    WITH_TERMS,
    df_fit,
    golden_df,
    small_sample_of,
    term_rows,
)

METHOD = "kenward_roger"
BY_PBKRTEST = ("named", "wordings", "paired", "slope", "model_a", "model_b")
"""Cases of term_tests.json; ``nested`` there is from nlme, by containment."""


@pytest.mark.parametrize("case", CASES)
def test_adjusted_covariance(case: str) -> None:
    theirs, ours = np.array(golden_df(case)["adjusted_covariance"]), small_sample_of(case, METHOD).covariance.to_numpy()
    assert ours == pytest.approx(theirs, rel=0.0, abs=1e-5 * np.abs(theirs).max())


@pytest.mark.parametrize("case", ["scores_wide", "groups", "groups_singular", "tied_slopes"])
def test_the_adjustment_is_not_nothing(case: str) -> None:
    """Otherwise the comparison above would say little: standard errors grow by far more than its tolerance."""
    plain = np.sqrt(np.diag(df_fit(case).covariance))
    assert (np.sqrt(np.diag(small_sample_of(case, METHOD).covariance)) / plain - 1).max() > 2e-4


@pytest.mark.parametrize("case", CASES)
def test_coefficients(case: str) -> None:
    theirs = golden_df(case)[METHOD]["coefficients"]
    ours = small_sample_of(case, METHOD).degrees_of_freedom(np.eye(len(theirs["df"])))
    assert ours == pytest.approx(np.array(theirs["df"]), rel=2e-5)


@pytest.mark.parametrize("case", WITH_TERMS)
def test_terms(case: str) -> None:
    theirs = golden_df(case)[METHOD]["terms"]
    ours = [small_sample_of(case, METHOD).f_test(term_rows(df_fit(case), term)) for term in theirs["term"]]
    assert [one.numerator_df for one in ours] == theirs["df"]
    assert [one.statistic for one in ours] == pytest.approx(theirs["f"], rel=2e-5)
    assert [one.denominator_df for one in ours] == pytest.approx(theirs["denominator_df"], rel=2e-5)
    assert [one.denominator_df for one in ours] == pytest.approx(theirs["type_3_denominator_df"], rel=2e-5)
    assert [one.p for one in ours] == pytest.approx(theirs["p"], rel=5e-4)


@pytest.mark.parametrize("name", BY_PBKRTEST)
def test_term_tests_take_them(name: str) -> None:
    """The designs of a study in small, where two crossed units carry a term as well."""
    fit = small_designs._fit(name)
    table = term_tests(fit, denominator_df="kenward_roger", likelihood_ratio=False)
    variables = fit.design.fixed.term_variables
    theirs = {
        tuple(sorted(term.split(":"))): (f, df)
        for term, f, df in zip(
            *(small_designs._case(name)["tests"][key] for key in ("term", "f", "denominator_df")), strict=True
        )
    }
    expected = np.array([theirs[variables[term]] for term in table["term"]])
    assert table["carrier"].unique().tolist() == [METHOD]
    assert table["f"].to_numpy() == pytest.approx(expected[:, 0], rel=5e-5)
    assert table["denominator_df"].to_numpy() == pytest.approx(expected[:, 1], rel=1e-5)


@pytest.mark.parametrize("case", WITH_MEANS)
def test_contrasts_of_means(case: str) -> None:
    fit, factor, theirs = df_fit(case), WITH_MEANS[case], golden_df(case)[METHOD]["contrasts"]
    means = marginal_means(fit, by=factor)
    gaps = versus_reference(means, factor, means.labels[factor][0])
    for ours, reference in ((means, theirs["means"]), (gaps, theirs["versus_first"])):
        table = contrast_table(fit, ours, small_sample_of(case, METHOD))
        assert table["df"].to_numpy() == pytest.approx(reference["df"], rel=2e-5)
        assert table["standard_error"].to_numpy() == pytest.approx(reference["standard_error"], rel=1e-5)
        assert table["p"].to_numpy() == pytest.approx(reference["p"], rel=1e-4)
