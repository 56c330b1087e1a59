"""Gaussian fits against lmer, standard errors of deviations against glmmTMB, means and contrasts against emmeans."""

import numpy as np
import pytest
from scipy.stats import chi2

from bias_platform.statistics import fit_mixed_model, likelihood_ratio_test, marginal_means, versus_reference
from bias_platform_tests.statistics.golden_cases import LINEAR_CASES, SCORES, data_of, golden, linear_fit_of


def our_name(group: str) -> str:
    """lme4 writes ``cask:batch`` where this package writes ``batch:cask``."""
    return "residual" if group == "Residual" else ":".join(sorted(group.split(":")))


@pytest.mark.parametrize("case", LINEAR_CASES)
def test_loglik(case: str) -> None:
    fit = linear_fit_of(case)
    assert fit.converged
    assert fit.method == golden(case)["method"]
    assert fit.loglik == pytest.approx(golden(case)["loglik"], rel=1e-8)
    assert (fit.df_model, fit.n_observations) == (golden(case)["df"], golden(case)["rows"])


@pytest.mark.parametrize("case", LINEAR_CASES)
def test_coefficients_and_standard_errors(case: str) -> None:
    reference, ours = golden(case)["coefficients"], linear_fit_of(case).fixed_effects
    estimate, errors = (np.atleast_1d(reference[key]) for key in ("estimate", "standard_error"))
    assert len(ours) == len(errors)
    assert np.abs((ours["estimate"] - estimate) / errors).max() < 1e-4
    assert np.abs(ours["standard_error"] / errors - 1).max() < 1e-4


@pytest.mark.parametrize("case", LINEAR_CASES)
def test_variance_components(case: str) -> None:
    ours = linear_fit_of(case).variance_components.set_index("term")["variance"]
    assert list(ours.index)[-1] == "residual"
    assert len(ours) == len(golden(case)["sd"])
    for term, sd in golden(case)["sd"].items():
        assert ours[our_name(term)] == pytest.approx(sd**2, rel=1e-4)


@pytest.mark.parametrize("case", ["sleepstudy_ml", "scores_wide_ml"])
def test_standard_errors_of_deviations(case: str) -> None:
    ours = linear_fit_of(case).variance_components.set_index("term")["sd_standard_error"]
    for term, error in golden(case)["sd_standard_error"].items():
        assert ours[our_name(term)] == pytest.approx(error, rel=2e-3)


@pytest.mark.parametrize("case", LINEAR_CASES)
def test_conditional_modes(case: str) -> None:
    reference = golden(case)["modes"]
    ours = linear_fit_of(case).conditional_modes[our_name(reference["term"])]
    found = ours.loc[[str(level) for level in reference["level"]]].to_numpy()
    assert found == pytest.approx(np.array(reference["value"]), abs=1e-4 * np.std(reference["value"]))


@pytest.mark.parametrize("case", ["scores_wide", "scores_wide_ml"])
def test_likelihood_ratio_is_that_of_both_models_by_maximum_likelihood(case: str) -> None:
    statistic, df, p = likelihood_ratio_test(linear_fit_of(case), "persona")
    reference = golden("scores_wide")["persona"]
    assert df == reference["df"]
    assert statistic == pytest.approx(reference["chisq"], rel=1e-5)
    assert p == pytest.approx(chi2.sf(reference["chisq"], df), rel=1e-4)


def test_means_and_contrasts() -> None:
    means = marginal_means(linear_fit_of("scores_wide"), by="persona")
    reference = golden("scores_wide")["emmeans"]
    contrasts = versus_reference(means, "persona", "control")
    for ours, theirs, key in (
        (means, reference["means"], "emmean"),
        (contrasts, reference["versus_control"], "estimate"),
    ):
        for scale in ("link", "response", None):
            frame = ours.frame(scale)
            assert frame["estimate"].to_numpy() == pytest.approx(theirs[key], abs=1e-5)
            assert frame["standard_error"].to_numpy() == pytest.approx(theirs["SE"], rel=1e-4)


def test_a_cell_that_was_never_seen_is_dropped_by_name() -> None:
    data = data_of("scores")
    data = data[~((data["persona"] == "p4") & (data["template"] == "t2"))]
    plain = SCORES.replace("C(persona, contr.sum)", "persona").replace("C(template, contr.sum)", "template")
    fit = fit_mixed_model(plain, data, family="gaussian")
    assert fit.diagnostics.dropped_columns == ("persona[T.p4]:template[T.t2]",)
    assert fit.diagnostics.degenerate_cells == ("persona=p4, template=t2",)
    assert any("No answers at all in persona=p4, template=t2" in text for text in fit.messages)
    frame = marginal_means(fit, by=["persona", "template"]).frame("response")
    assert frame.loc[frame["estimate"].isna(), ["persona", "template"]].to_numpy().tolist() == [["p4", "t2"]]
