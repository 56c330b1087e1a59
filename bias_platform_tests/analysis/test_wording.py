from dataclasses import replace

import numpy as np
import pytest

from bias_platform.analysis.answers import prepare_answers
from bias_platform.analysis.model_rows import item_formula, model_rows, wording_terms
from bias_platform.analysis.paired_wording import paired_wording
from bias_platform.analysis.wording import cell_scores, wording_variances
from bias_platform.statistics import fit_mixed_model
from bias_platform_tests.analysis.simulated_study import Design, simulate_study


def _fit(design: Design, seed: int):  # type: ignore[no-untyped-def]
    data = model_rows(prepare_answers(simulate_study(design, seed).inputs), "primary", set())
    formula = item_formula(data)
    assert formula is not None
    return fit_mixed_model(formula, data, standard_errors="joint"), data


def test_cell_information_is_that_of_the_fit() -> None:
    fit, _ = _fit(Design(items=30, sizes={"gender": 4}), 1)
    score, information = cell_scores(fit)
    patterns = fit.design.fixed.patterns
    covariance = np.linalg.inv(patterns.T @ information @ patterns)
    np.testing.assert_allclose(covariance, fit.covariance.to_numpy(), rtol=1e-6, atol=1e-10)
    assert score.shape == (len(patterns),)


@pytest.mark.parametrize("sd", [0.0, 0.5])
def test_restricted_variances_are_right_on_average(sd: float) -> None:
    design = Design(items=40, sizes={"gender": 8}, systems=("one",), wording_sd=sd, wording_system_sd=0.0)
    found = []
    for seed in range(12):
        fit, data = _fit(design, seed)
        found.append(wording_variances(fit, wording_terms(data)).variances[0])
    # the standard error of the mean over 12 studies is about 0.04; zero is kept from below
    assert abs(np.mean(found) - sd**2) < (0.12 if sd else 0.06)


def test_paired_wording_finds_the_variance_and_what_systems_share() -> None:
    same, own = [], []
    for seed in range(8):
        shared = Design(items=150, sizes={"gender": 8}, wording_sd=0.6, wording_system_sd=0.0)
        same.append(paired_wording(prepare_answers(simulate_study(shared, seed).inputs), "primary").covariance)
        apart = replace(shared, wording_sd=0.0, wording_system_sd=0.6)
        own.append(paired_wording(prepare_answers(simulate_study(apart, seed).inputs), "primary").covariance)
    shared_sd, own_sd = np.mean(same, axis=0), np.mean(own, axis=0)
    # slope of the mean probability about 0.18: 3 wordings of sd 0.6 move a cell's mean by 0.06
    assert 0.045 < np.sqrt(own_sd[0, 0]) < 0.08
    assert shared_sd[0, 1] > 0.6 * shared_sd[0, 0]
    assert abs(own_sd[0, 1]) < 0.4 * own_sd[0, 0]


def test_systems_share_no_item_effect_of_a_persona() -> None:
    data = model_rows(
        prepare_answers(simulate_study(Design(items=20, sizes={"gender": 3}), 3).inputs), "primary", set()
    )
    assert "item:persona:system" in str(item_formula(data))
    once = data.drop_duplicates(["item", "persona", "system"])
    assert "item:persona:system" not in str(item_formula(once))


def test_one_system_has_one_wording_term() -> None:
    fit, data = _fit(Design(items=20, sizes={"gender": 3}, systems=("one",)), 3)
    assert wording_terms(data) == [("persona", "template")]
    assert "system" not in fit.formula
