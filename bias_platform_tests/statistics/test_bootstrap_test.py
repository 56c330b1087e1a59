"""Bootstrap likelihood-ratio tests against pbkrtest and lme4, against fits of smaller formulas, and at the edges."""

import json
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta, chi2

from bias_platform.statistics import ModelError, fit_mixed_model, likelihood_ratio_test
from bias_platform.statistics.bootstrap_test import BootstrapTest, bootstrap_likelihood_ratio_test
from bias_platform.statistics.mixed_model import fit_design
from bias_platform.statistics.smaller_designs import design_without
from bias_platform.statistics.without_variance import fit_without_variance
from bias_platform_tests.statistics.golden_cases import GOLDEN, data_of

REFERENCE: dict[str, Any] = json.loads((GOLDEN / "profiles.json").read_text())
EARLY = "Reaction ~ Days + (1 | Subject)"
COUNTS = "cbind(won, lost) ~ dose + (1 + dose | site) + (1 | rater)"


def early_sleep() -> pd.DataFrame:
    data = data_of("sleepstudy")
    return data[data["Subject"].isin(sorted(data["Subject"].unique())[:9]) & (data["Days"] <= 3)]


def late_cbpp() -> pd.DataFrame:
    return data_of("cbpp").assign(late=lambda frame: (frame["period"] == 4).astype(int))


@cache
def found_of(case: str) -> BootstrapTest:
    if case == "bootstrap_sleep":
        days = fit_mixed_model(EARLY, early_sleep(), "gaussian")
        return bootstrap_likelihood_ratio_test(days, "Days", replicates=100, seed=1)
    if case == "bootstrap_batch":
        pastes = fit_mixed_model("strength ~ 1 + (1 | batch) + (1 | batch:cask)", data_of("pastes"), "gaussian")
        return bootstrap_likelihood_ratio_test(pastes, "batch", replicates=60, seed=2)
    cows = fit_mixed_model("cbind(incidence, size - incidence) ~ late + (1 | herd)", late_cbpp())
    return bootstrap_likelihood_ratio_test(cows, "late", replicates=60, seed=3)


@pytest.mark.parametrize("case", ["bootstrap_sleep", "bootstrap_batch", "bootstrap_cbpp"])
def test_against_r(case: str) -> None:
    """Statistic to 1e-3; p, and 19 quantiles of the null distribution, within four Monte-Carlo standard errors."""
    found, reference = found_of(case), REFERENCE[case]
    assert found.statistic == pytest.approx(reference["statistic"], abs=1e-3)
    draws, theirs = len(found.null_statistics), reference["replicates"]
    assert found.counts["usable"] == draws
    both = np.sqrt(1 / draws + 1 / theirs)
    assert abs(found.p - reference["p"]) < 4 * np.sqrt(reference["p"] * (1 - reference["p"])) * both
    shares = np.arange(1, 20) / 20
    clear = np.array(reference["quantiles"]) > 1e-3
    below = (found.null_statistics[:, None] <= np.array(reference["quantiles"])).mean(axis=0)
    away = np.abs(below - shares) / (np.sqrt(shares * (1 - shares)) * both)
    assert away[clear].max() < 4
    assert clear.sum() > 5


def test_statistic_and_degrees_of_freedom_of_a_fixed_term() -> None:
    found = found_of("bootstrap_sleep")
    statistic, df, p = likelihood_ratio_test(fit_mixed_model(EARLY, early_sleep(), "gaussian"), "Days")
    assert (found.statistic, found.df, found.asymptotic_p) == pytest.approx((statistic, df, p), rel=1e-6)
    assert found.kind == "fixed"


@pytest.mark.parametrize(
    ("term", "smaller", "df", "tails"),
    [
        ("rater", "cbind(won, lost) ~ dose + (1 + dose | site)", 1, (0, 1)),
        ("(1 | rater)", "cbind(won, lost) ~ dose + (1 + dose | site)", 1, (0, 1)),
        ("(dose|site)", "cbind(won, lost) ~ dose + (1 | rater)", 3, ()),
        ("sd(dose | site)", "cbind(won, lost) ~ dose + (1 | site) + (1 | rater)", 2, (1, 2)),
        ("sd(Intercept | site)", "cbind(won, lost) ~ dose + (0 + dose | site) + (1 | rater)", 2, (1, 2)),
        ("dose", "cbind(won, lost) ~ 1 + (1 + dose | site) + (1 | rater)", 1, (1,)),
    ],
)
def test_the_smaller_model_is_that_of_the_smaller_formula(
    term: str, smaller: str, df: int, tails: tuple[int, ...]
) -> None:
    data = data_of("count_slopes")
    fit, other = fit_mixed_model(COUNTS, data), fit_mixed_model(smaller, data)
    found = design_without(fit, term)
    assert fit_design(found.design, "joint").loglik == pytest.approx(other.loglik, abs=1e-5)
    assert found.df == df == fit.df_model - other.df_model
    assert found.kind == ("fixed" if term == "dose" else "random")
    expected = np.mean([chi2.sf(3.0, k) if k else 0.0 for k in tails]) if tails else np.nan
    assert found.asymptotic_p(3.0) == pytest.approx(expected, rel=1e-9, nan_ok=True)


def test_a_bare_name_that_is_both_means_the_fixed_term() -> None:
    data = data_of("slopes")
    fit = fit_mixed_model("margin ~ system + (1 | system) + (1 | item)", data, "gaussian", method="ML")
    assert design_without(fit, "system").kind == "fixed"
    assert design_without(fit, "(1 | system)").kind == "random"


def test_one_effect_of_three() -> None:
    data = data_of("slopes")
    fit = fit_mixed_model("margin ~ system + x + (1 + x + score | item)", data, "gaussian", method="ML")
    other = fit_mixed_model("margin ~ system + x + (1 + score | item)", data, "gaussian", method="ML")
    smaller = design_without(fit, "sd(x | item)")
    assert smaller.design.terms[0].name == "1 + score | item"
    assert (smaller.df, smaller.mixture) == (3, (2, 3))
    assert fit_design(smaller.design, "joint", "ML").loglik == pytest.approx(other.loglik, abs=1e-6)


def test_the_only_random_term_of_a_gaussian_model_against_least_squares() -> None:
    data = early_sleep()
    fit = fit_mixed_model(EARLY, data, "gaussian", method="ML")
    x, y = np.column_stack([np.ones(len(data)), data["Days"]]), data["Reaction"].to_numpy()
    effects, squares = np.linalg.lstsq(x, y, rcond=None)[:2]
    variance = squares[0] / len(y)
    loglik = -0.5 * len(y) * (np.log(2 * np.pi * variance) + 1)
    null = fit_without_variance(fit, fit.design)
    assert null.loglik == pytest.approx(loglik, rel=1e-10)
    assert null.residual_sd == pytest.approx(np.sqrt(variance), rel=1e-10)
    assert null.fixed_effects["estimate"].to_numpy() == pytest.approx(effects, rel=1e-9)
    found = bootstrap_likelihood_ratio_test(fit, "(1 | Subject)", replicates=19)
    assert found.statistic == pytest.approx(2 * (fit.loglik - loglik), rel=1e-9)
    assert (found.kind, found.p) == ("random", 0.05)


def test_the_only_random_term_of_a_binomial_model_against_shares() -> None:
    """Without random effects and with one factor, the maximum is at the shares of the cells."""
    data = late_cbpp()
    fit = fit_mixed_model("cbind(incidence, size - incidence) ~ late + (1 | herd)", data)
    null = fit_without_variance(fit, fit.design)
    sums = data.groupby("late")[["incidence", "size"]].sum()
    share = sums["incidence"] / sums["size"]
    plain = (sums["incidence"] * np.log(share) + (sums["size"] - sums["incidence"]) * np.log1p(-share)).sum()
    assert null.loglik - fit.design.constant == pytest.approx(plain, rel=1e-9)
    assert null.fixed_effects["estimate"].iloc[0] == pytest.approx(np.log(share[0] / (1 - share[0])), rel=1e-6)


def test_an_ordinal_fit() -> None:
    data = data_of("count_slopes").assign(answer=lambda frame: np.clip(frame["won"] // 2, 0, 3))
    fit = fit_mixed_model("answer ~ dose + (1 | site)", data, family="ordinal")
    found = bootstrap_likelihood_ratio_test(fit, "dose", replicates=19)
    assert found.statistic == pytest.approx(likelihood_ratio_test(fit, "dose")[0], abs=1e-5)
    flat = fit_mixed_model("answer ~ 1 + (1 | site)", data, family="ordinal")
    counts = data["answer"].value_counts().to_numpy()
    multinomial = counts @ np.log(counts / counts.sum())
    assert fit_without_variance(flat, flat.design).loglik == pytest.approx(multinomial, rel=1e-10)
    alone = bootstrap_likelihood_ratio_test(flat, "site", replicates=19)
    assert alone.statistic == pytest.approx(2 * (flat.loglik - multinomial), rel=1e-8)
    assert alone.counts["usable"] == 19


def test_p_and_its_interval() -> None:
    """99 replicates, of which 2 failed and 4 are as large: lower bound without the failed ones, upper with them."""
    values, states = np.r_[np.full(93, 1.0), np.full(4, 5.0), np.nan, 9.0], np.zeros((99, 4), dtype=bool)
    states[97, 0], states[98, 1], states[:10, 3] = True, True, True
    found = BootstrapTest("x", "fixed", 5.0, 1, 0.02, values, states)
    assert (found.exceeding, found.p) == (4, 5 / 98)
    assert found.counts == {
        "replicates": 99,
        "failed": 1,
        "not_converged": 1,
        "separated": 0,
        "singular": 10,
        "usable": 97,
    }
    low, high = found.p_interval(0.9)
    assert (low, high) == pytest.approx((beta.ppf(0.05, 4, 96), beta.ppf(0.95, 7, 93)))
    assert "2 of 99 pairs of bootstrap refits failed" in found.messages[0]
    row = found.table(0.9).iloc[0]
    assert (row["p"], row["p_lower"], row["p_upper"], row["usable"]) == (found.p, low, high, 97)
    whole = replace(found, states=np.zeros((99, 4), dtype=bool), null_statistics=np.full(99, 1.0))
    assert (whole.p, whole.messages) == (0.01, ())


def test_a_deviation_estimated_as_zero_has_a_p_of_one() -> None:
    fit = fit_mixed_model("y ~ x + (1 + x || item)", data_of("flat_slopes"), "gaussian")
    found = bootstrap_likelihood_ratio_test(fit, "sd(x | item)", replicates=19)
    assert (found.statistic, found.p) == (pytest.approx(0.0, abs=1e-5), 1.0)


def test_replicates_depend_on_the_seed_and_their_number_only() -> None:
    fit = fit_mixed_model(EARLY, early_sleep(), "gaussian")
    told: list[tuple[int, int]] = []
    runs = [
        bootstrap_likelihood_ratio_test(
            fit, "Days", replicates=count, seed=seed, report=lambda *done: told.append(done)
        )
        for count, seed in ((19, 1), (20, 1), (19, 2))
    ]
    first, longer, other = (run.null_statistics for run in runs)
    assert first.tolist() == longer[:19].tolist()
    assert first.tolist() != other.tolist()
    assert told[:2] == [(1, 19), (2, 19)]
    assert told[18:20] == [(19, 19), (1, 20)]


@pytest.mark.parametrize(
    ("term", "further", "message"),
    [
        ("Weeks", {}, "has no fixed term 'Weeks'"),
        ("(1 | Subjekt)", {}, "has no random term '.1 | Subjekt.' .did you mean Subject"),
        ("Days", {"replicates": 5}, "19 or more replicates"),
        ("Days", {"seed": -1}, "a seed from 0 up"),
    ],
)
def test_what_cannot_be_found_of(term: str, further: dict[str, int], message: str) -> None:
    fit = fit_mixed_model(EARLY, early_sleep(), "gaussian")
    with pytest.raises(ModelError, match=message.replace("(1 |", "")):
        bootstrap_likelihood_ratio_test(fit, term, **further)


def test_a_model_must_keep_a_fixed_effect_and_contained_terms_wait() -> None:
    flat = fit_mixed_model("Reaction ~ 1 + (1 | Subject)", early_sleep(), "gaussian")
    with pytest.raises(ModelError, match="no fixed effect left"):
        bootstrap_likelihood_ratio_test(flat, "1")
    both = fit_mixed_model("margin ~ system * x + (1 | item)", data_of("slopes"), "gaussian")
    with pytest.raises(ModelError, match="'x' is contained in system:x"):
        bootstrap_likelihood_ratio_test(both, "x")


def test_a_fit_that_did_not_converge_has_no_likelihood_ratio() -> None:
    fit = fit_mixed_model(EARLY, early_sleep(), "gaussian", method="ML")
    stopped = replace(fit, diagnostics=replace(fit.diagnostics, converged=False))
    with pytest.raises(ModelError, match="The fit of"):
        bootstrap_likelihood_ratio_test(stopped, "Days")
