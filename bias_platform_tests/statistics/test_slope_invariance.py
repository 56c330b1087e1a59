"""What must not matter to a fit with random slopes: order, names, coding, counts, weights, and the units of x."""

from functools import cache
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from bias_platform.statistics import MixedModelFit, fit_mixed_model, marginal_means

FAMILIES = {"yes": "binomial", "y": "gaussian"}
FIXED = "persona * system + x"
TERMS = ["(1 + x | item)", "(1 | item:system)", "(1 + x | rater)"]
SLOPES = " + ".join(TERMS)


@cache
def answers(seed: int = 4) -> pd.DataFrame:
    """30 items x 4 personas x 2 systems, three raters of ten each, some rows left out; items and raters react to x."""
    axes = [range(30), ["p0", "p1", "p2", "p3"], ["base", "tuned"], range(3)]
    frame = pd.DataFrame(list(product(*axes)), columns=["item", "persona", "system", "turn"])
    rng = np.random.default_rng(seed)
    frame["rater"] = "r" + pd.Series(rng.integers(0, 10, len(frame))).astype(str)
    frame["x"] = rng.normal(0, 1, len(frame)).round(2)
    eta = 0.5 * (frame["persona"] == "p1") - 0.4 * (frame["system"] == "tuned") + 0.3 * frame["x"]
    parts = [
        ("item", 1.0, 1.0), ("item", frame["x"], 0.7), (["item", "system"], 1.0, 0.9),
        ("rater", 1.0, 0.5), ("rater", frame["x"], 0.6),
    ]  # fmt: skip
    for columns, column, sd in parts:
        level = frame.groupby(columns).ngroup()
        eta += column * (sd * rng.standard_normal(level.max() + 1))[level]
    frame["y"] = (eta + 0.7 * rng.standard_normal(len(frame))).round(3)
    frame["yes"] = (rng.random(len(frame)) < expit(eta)).astype(int)
    return frame[rng.random(len(frame)) < 0.9].drop(columns="turn").reset_index(drop=True)


def fitted(outcome: str, random: str, frame: pd.DataFrame | None = None, fixed: str = FIXED) -> MixedModelFit:
    method = "ML" if outcome == "y" else None
    data = answers() if frame is None else frame
    return fit_mixed_model(f"{outcome} ~ {fixed} + {random}", data, family=FAMILIES[outcome], method=method)


@cache
def usual(outcome: str) -> MixedModelFit:
    return fitted(outcome, SLOPES)


def spread(fit: MixedModelFit, term: str) -> np.ndarray:
    """Covariance of a term's effects from the two tables of the fit."""
    rows = fit.variance_components.query("term == @term").set_index("effect")["sd"]
    covariance = pd.DataFrame(np.diag(rows**2), rows.index, rows.index)
    for pair in fit.random_correlations.query("term == @term").itertuples():
        both = pair.correlation * rows[pair.effect] * rows[pair.other]
        covariance.loc[pair.effect, pair.other] = covariance.loc[pair.other, pair.effect] = both
    return covariance.to_numpy()


def assert_same(one: MixedModelFit, other: MixedModelFit) -> None:
    """The same model, coefficient by coefficient and component by component."""
    assert other.converged
    assert other.loglik == pytest.approx(one.loglik, abs=1e-6)
    assert list(other.fixed_effects.index) == list(one.fixed_effects.index)
    for column, tolerance in (("estimate", 1e-4), ("standard_error", 1e-4)):
        near = tolerance * one.fixed_effects["standard_error"].to_numpy()
        gap = np.abs(other.fixed_effects[column] - one.fixed_effects[column]).to_numpy()
        assert (gap < near).all(), column
    pd.testing.assert_frame_equal(
        other.variance_components[["term", "effect", "levels", "singular"]],
        one.variance_components[["term", "effect", "levels", "singular"]],
    )
    assert other.variance_components["sd"].to_numpy() == pytest.approx(
        one.variance_components["sd"], rel=1e-4, abs=1e-5
    )
    assert other.random_correlations["correlation"].to_numpy() == pytest.approx(
        one.random_correlations["correlation"].to_numpy(), abs=1e-4
    )


@pytest.mark.parametrize("outcome", FAMILIES)
def test_the_example_has_slopes_to_be_found(outcome: str) -> None:
    """Else every comparison below would be one of zeros."""
    fit = usual(outcome)
    assert fit.converged
    assert not fit.variance_components["singular"].any()
    assert list(fit.conditional_modes) == ["1 + x | item", "item:system", "1 + x | rater"]


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10_000))
@pytest.mark.parametrize("outcome", FAMILIES)
def test_order_of_rows(outcome: str, seed: int) -> None:
    assert_same(usual(outcome), fitted(outcome, SLOPES, answers().sample(frac=1, random_state=seed)))


@settings(max_examples=4, deadline=None)
@given(names=st.lists(st.text("abcdefxyz _-é", min_size=1, max_size=6), min_size=30, max_size=30, unique=True))
@pytest.mark.parametrize("outcome", FAMILIES)
def test_names_of_levels(outcome: str, names: list[str]) -> None:
    again = fitted(outcome, SLOPES, answers().assign(item=answers()["item"].map(dict(enumerate(names)))))
    assert_same(usual(outcome), again)
    modes = usual(outcome).conditional_modes["1 + x | item"]
    theirs = again.conditional_modes["1 + x | item"].loc[[names[int(level)] for level in modes.index], modes.columns]
    assert theirs.to_numpy() == pytest.approx(modes.to_numpy(), abs=1e-3 * float(modes.std().min()))


@pytest.mark.parametrize("outcome", FAMILIES)
def test_order_of_terms(outcome: str) -> None:
    turned = fitted(outcome, " + ".join(TERMS[::-1]))
    assert turned.loglik == pytest.approx(usual(outcome).loglik, abs=1e-6)
    ours, theirs = (fit.variance_components.set_index(["term", "effect"])["sd"] for fit in (usual(outcome), turned))
    assert theirs.loc[ours.index].to_numpy() == pytest.approx(ours.to_numpy(), rel=1e-4)


@pytest.mark.parametrize("outcome", FAMILIES)
@pytest.mark.parametrize(
    "coded",
    [
        "C(persona, contr.sum) * C(system, contr.sum) + x",
        "C(persona, contr.treatment('p2')) * system + x",
        "persona:system + x - 1",
        "x + system * persona",
    ],
)
def test_coding_of_x(outcome: str, coded: str) -> None:
    again = fitted(outcome, SLOPES, fixed=coded)
    assert again.loglik == pytest.approx(usual(outcome).loglik, abs=1e-6)
    scale = "probability" if outcome == "yes" else "response"
    ours, theirs = (marginal_means(f, by=["system", "persona"]).frame(scale) for f in (usual(outcome), again))
    assert theirs["estimate"].to_numpy() == pytest.approx(ours["estimate"].to_numpy(), abs=1e-5)
    assert theirs["standard_error"].to_numpy() == pytest.approx(ours["standard_error"].to_numpy(), rel=1e-3)


CODINGS = {
    "(0 + system | item)": [[1, 0], [0, 1]],
    "(1 + system | item)": [[1, 0], [1, 1]],
    "(1 + C(system, contr.treatment('tuned')) | item)": [[1, 1], [1, 0]],
    "(1 + C(system, contr.sum) | item)": [[1, 1], [1, -1]],
}
"""Random terms and what their effects make of ``base`` and ``tuned``."""


@pytest.mark.parametrize("outcome", FAMILIES)
def test_coding_of_a_factor_slope(outcome: str) -> None:
    """One covariance of the two systems' item effects, whatever they are built from."""
    found = []
    for random, basis in CODINGS.items():
        fit = fitted(outcome, f"{random} + (1 | rater)")
        covariance = spread(fit, fit.variance_components["term"][0])
        found.append((fit.loglik, np.array(basis) @ covariance @ np.array(basis).T))
    for loglik, covariance in found[1:]:
        assert loglik == pytest.approx(found[0][0], abs=1e-6)
        assert covariance == pytest.approx(found[0][1], rel=1e-3)


SPELLINGS = {
    "(x | item)": "(1 + x | item)",
    "(x + 1 | item)": "(1 + x | item)",
    "( 1+x|item )": "(1 + x | item)",
    "(x - 1 | item)": "(0 + x | item)",
    "(-1 + x | item)": "(0 + x | item)",
    "(x || item)": "(1 | item) + (0 + x | item)",
    "(1 + x || item)": "(1 | item) + (0 + x | item)",
    "(0 + x || item)": "(0 + x | item)",
    "(x | item/system)": "(1 + x | item) + (1 + x | item:system)",
    "(1 || item)": "(1 | item)",
}


@pytest.mark.parametrize("outcome", FAMILIES)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_spellings_of_one_model(outcome: str, spelling: str) -> None:
    one, other = (fitted(outcome, f"{random} + (1 | rater)") for random in (SPELLINGS[spelling], spelling))
    assert other.loglik == pytest.approx(one.loglik, abs=1e-9)
    pd.testing.assert_frame_equal(other.variance_components, one.variance_components)
    pd.testing.assert_frame_equal(other.random_correlations, one.random_correlations)


@pytest.mark.parametrize("outcome", FAMILIES)
def test_without_correlation_is_not_with_it(outcome: str) -> None:
    """And of the two the richer model fits better."""
    apart = fitted(outcome, SLOPES.replace("|", "||"))
    assert apart.df_model == usual(outcome).df_model - 2
    assert apart.random_correlations.empty
    assert apart.loglik < usual(outcome).loglik - 1e-3


def test_counts_are_the_rows_they_stand_for() -> None:
    frame = answers(5).assign(x=answers(5)["x"].round(0))
    counts = frame.groupby(["item", "persona", "system", "rater", "x"], as_index=False).agg(
        won=("yes", "sum"), asked=("yes", "size")
    )
    assert len(counts) < len(frame)
    by_row = fitted("yes", SLOPES, frame)
    by_count = fit_mixed_model(f"cbind(won, asked - won) ~ {FIXED} + {SLOPES}", counts)
    assert by_count.fixed_effects["estimate"].to_numpy() == pytest.approx(by_row.fixed_effects["estimate"], abs=1e-5)
    assert by_count.variance_components["sd"].to_numpy() == pytest.approx(by_row.variance_components["sd"], rel=1e-4)
    assert by_count.loglik > by_row.loglik
    assert by_count.n_observations == by_row.n_observations == len(frame)


@pytest.mark.parametrize("outcome", FAMILIES)
def test_weights_are_repetitions_and_can_be_split(outcome: str) -> None:
    rng = np.random.default_rng(0)
    frame = answers().assign(first=rng.integers(0, 3, len(answers())), second=rng.integers(0, 3, len(answers())))
    formula, method = f"{outcome} ~ {FIXED} + {SLOPES}", "ML" if outcome == "y" else None
    halves = pd.concat([frame.assign(w=frame["first"]), frame.assign(w=frame["second"])])
    whole = frame.assign(w=frame["first"] + frame["second"])
    fits = [
        fit_mixed_model(formula, data, family=FAMILIES[outcome], method=method, weights="w") for data in (whole, halves)
    ]
    repeated = fitted(outcome, SLOPES, whole.loc[whole.index.repeat(whole["w"])])
    assert_same(repeated, fits[0])
    assert_same(repeated, fits[1])
    assert fits[0].n_observations == fits[1].n_observations == repeated.n_observations == whole["w"].sum()


@pytest.mark.parametrize("outcome", FAMILIES)
@pytest.mark.parametrize("factor", [1000.0, -1e-3])
def test_units_of_x(outcome: str, factor: float) -> None:
    fit = usual(outcome)
    other = fitted(outcome, SLOPES, answers().assign(x=answers()["x"] * factor))
    assert other.converged
    assert other.loglik == pytest.approx(fit.loglik, abs=1e-6)
    slopes = fit.variance_components["effect"].eq("x").to_numpy()
    expected = fit.variance_components["sd"].to_numpy() / np.where(slopes, abs(factor), 1.0)
    assert other.variance_components["sd"].to_numpy() == pytest.approx(expected, rel=1e-4)
    correlations = fit.random_correlations["correlation"].to_numpy() * np.sign(factor)
    assert other.random_correlations["correlation"].to_numpy() == pytest.approx(correlations, abs=1e-4)
    z = fit.fixed_effects.loc["x", "z"] * np.sign(factor)
    assert other.fixed_effects.loc["x", "z"] == pytest.approx(z, abs=1e-3)


@pytest.mark.parametrize("outcome", FAMILIES)
@pytest.mark.parametrize("shift", [50.0, -3.0])
def test_origin_of_x(outcome: str, shift: float) -> None:
    """A line through x is a line through x + 50, so a correlated term is the same and its intercept another."""
    fit = usual(outcome)
    other = fitted(outcome, SLOPES, answers().assign(x=answers()["x"] + shift))
    assert other.converged
    assert other.loglik == pytest.approx(fit.loglik, abs=1e-6)
    back = np.array([[1.0, -shift], [0.0, 1.0]])
    for term in ("1 + x | item", "1 + x | rater"):
        assert spread(other, term) == pytest.approx(back @ spread(fit, term) @ back.T, rel=1e-3)
        ours, theirs = (one.conditional_modes[term].to_numpy() for one in (fit, other))
        assert theirs[:, 1] == pytest.approx(ours[:, 1], abs=1e-3 * ours[:, 1].std())
        assert theirs[:, 0] + shift * theirs[:, 1] == pytest.approx(ours[:, 0], abs=2e-3 * ours[:, 0].std())
    apart = [
        fitted(outcome, "(1 + x || item)", answers().assign(x=answers()["x"] + origin)).loglik
        for origin in (0.0, shift)
    ]
    assert abs(apart[1] - apart[0]) > 0.1


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_origin_and_units_of_a_gaussian_outcome(method: str) -> None:
    formula, frame = f"y ~ {FIXED} + {SLOPES}", answers()
    plain, other = (
        fit_mixed_model(formula, data, family="gaussian", method=method)  # type: ignore[arg-type]
        for data in (frame, frame.assign(y=1e4 - 20.0 * frame["y"]))
    )
    degrees = len(frame) - (len(plain.fixed_effects) if method == "REML" else 0)
    assert other.loglik + degrees * np.log(20.0) == pytest.approx(plain.loglik, abs=1e-5)
    assert other.variance_components["sd"].to_numpy() == pytest.approx(20.0 * plain.variance_components["sd"], rel=1e-4)
    assert other.random_correlations["correlation"].to_numpy() == pytest.approx(
        plain.random_correlations["correlation"].to_numpy(), abs=1e-4
    )
