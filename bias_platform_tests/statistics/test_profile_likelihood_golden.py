"""Profile intervals against lme4 (Gaussian), glmmTMB (binomial: its likelihood searched for the bounds) and clmm2."""

import json
import re
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bias_platform.statistics import MixedModelFit, fit_mixed_model
from bias_platform.statistics.profile_likelihood import profile_intervals
from bias_platform_tests.statistics.golden_cases import GOLDEN

REFERENCE: dict[str, Any] = json.loads((GOLDEN / "profiles.json").read_text())
LINEAR = ("sleep_intercept", "sleep_correlated", "sleep_apart", "penicillin", "pastes")
BINOMIAL = ("cbpp", "verbagg", "counts")
ORDINAL = ("wine",)


@cache
def fit_of(case: str) -> MixedModelFit:
    reference = REFERENCE[case]
    path = GOLDEN / f"{reference['data']}.csv"
    data = pd.read_csv(path if path.exists() else f"{path}.gz")
    if case == "verbagg":
        data = data[data["id"] <= 60]
    formula, linear = reference["formula"].replace("~ period", "~ C(period)"), reference["family"] == "gaussian"
    return fit_mixed_model(formula, data, reference["family"], method="ML" if linear else None)


@cache
def intervals_of(case: str) -> pd.DataFrame:
    return profile_intervals(fit_of(case)).set_index("parameter")


def our_name(name: str) -> str:
    """Of a parameter as lme4, glmmTMB or clmm2 calls it."""
    name = name.replace("(Intercept)", "Intercept").replace("cask:batch", "batch:cask")
    for pattern, ours in (
        (r"sd_(.*)\|(.*)", r"sd(\1 | \2)"),
        (r"cor_(.*)\.(.*)\|(.*)", r"cor(\2, \1 | \3)"),
        (r"sd (.*) (.*)", r"sd(\2 | \1)"),
        (r"period(.)", r"C(period)[T.\1]"),
        (r"btype(.+)", r"btype[T.\1]"),
        ("sigma", "sd(residual)"),
        ("stDev", "sd(Intercept | judge)"),
        ("correlation", "cor(Intercept, dose | site)"),
    ):
        if re.fullmatch(pattern, name):
            return re.sub(pattern, ours, name)
    return name


def side_by_side(case: str, kind: str, key: str = "intervals") -> pd.DataFrame:
    """Our bounds and those of the reference."""
    theirs = pd.DataFrame(REFERENCE[case][key])
    theirs.index = pd.Index(theirs["parameter"].map(our_name))
    ours = intervals_of(case)
    joined = ours[ours["kind"] == kind].join(theirs[["lower", "upper"]], rsuffix="_r", how="inner")
    if case not in ORDINAL:
        assert set(theirs.index) == set(ours.index)
    return joined


def largest(joined: pd.DataFrame, unit: Any) -> float:
    away = [np.abs(joined[side] - joined[f"{side}_r"]) / unit for side in ("lower", "upper")]
    return float(np.max(away))


@pytest.mark.parametrize("case", [*LINEAR, *BINOMIAL])
def test_coefficients(case: str) -> None:
    """Within 5e-6 standard errors of lme4; within 1e-3 of glmmTMB, whose bounds are searched for no more closely."""
    joined = side_by_side(case, "coefficient")
    assert len(joined) == len(fit_of(case).fixed_effects)
    assert largest(joined, np.array(REFERENCE[case]["standard_errors"])) < (5e-6 if case in LINEAR else 1e-3)
    assert joined["converged"].all()
    assert joined["estimate"].to_numpy() == pytest.approx(fit_of(case).fixed_effects["estimate"].to_numpy())


@pytest.mark.parametrize("case", [*LINEAR, *BINOMIAL, *ORDINAL])
def test_deviations(case: str) -> None:
    """Within 1e-5 (lme4, clmm2) or 5e-5 (glmmTMB) of the deviation's own estimate."""
    joined = side_by_side(case, "sd")
    assert len(joined) == len(fit_of(case).variance_components)
    assert largest(joined, joined["estimate"]) < (5e-5 if case in BINOMIAL else 1e-5)
    assert joined["estimate"].to_numpy() == pytest.approx(fit_of(case).variance_components["sd"].to_numpy())
    assert joined["converged"].all()


@pytest.mark.parametrize("case", ["sleep_correlated", "counts"])
def test_correlations(case: str) -> None:
    joined = side_by_side(case, "correlation")
    assert len(joined) == 1
    assert largest(joined, 1.0) < 2e-5
    assert joined["estimate"].tolist() == pytest.approx(fit_of(case).random_correlations["correlation"].tolist())


def test_lme4_says_the_same_of_a_binomial_fit() -> None:
    """To what its modes are searched to: 3e-4 in the log-likelihood."""
    assert largest(side_by_side("cbpp", "sd", "lme4"), 1.0) < 1e-4
    errors = fit_of("cbpp").fixed_effects["standard_error"].to_numpy()
    assert largest(side_by_side("cbpp", "coefficient", "lme4"), errors) < 5e-4


def test_only_a_deviation_that_may_be_zero_is_limited() -> None:
    """lme4's lower bound of the batches of paste is 0 as well."""
    limited = {
        (case, name)
        for case in (*LINEAR, *BINOMIAL, *ORDINAL)
        for name, row in intervals_of(case).iterrows()
        if row["lower_limited"] or row["upper_limited"]
    }
    assert limited == {("pastes", "sd(Intercept | batch)")}
    assert intervals_of("pastes").loc["sd(Intercept | batch)", "lower"] == 0.0
    assert side_by_side("pastes", "sd").loc["sd(Intercept | batch)", "lower_r"] == 0.0
