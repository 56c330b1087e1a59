"""Degrees of freedom without reference software: products from matrices over rows, known designs, mistakes, level."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bias_platform.statistics import (
    Estimates,
    EstimateSet,
    MixedModelFit,
    ModelError,
    all_pairs,
    contrast,
    fit_mixed_model,
    interaction_contrasts,
    marginal_means,
    term_tests,
    variance_directions,
    versus_reference,
    wald_test,
)
from bias_platform.statistics.contrast_tables import contrast_table, fixed_contrasts
from bias_platform.statistics.degrees_of_freedom import small_sample_tests
from bias_platform.statistics.design import build_design
from bias_platform.statistics.mixed_model import fit_design
from bias_platform.statistics.satterthwaite import matched_df, satterthwaite
from bias_platform.statistics.variance_directions import VarianceDirections
from bias_platform_tests.statistics.degrees_of_freedom_cases import dense_products, df_fit, golden_df, small_sample_of
from bias_platform_tests.statistics.golden_cases import data_of
from bias_platform_tests.statistics.made_designs import named_personas

SLOPES_AND_CROSSED = "y ~ x * system + (1 + x | item) + (1 | item:system) + (1 + x | persona) + (1 | persona:system)"
METHODS = ("satterthwaite", "kenward_roger")


def made(share: float = 0.6) -> pd.DataFrame:
    """Slopes inside groups and in the dense part, an eighth of the rows seen twice."""
    data = named_personas(items=9, personas=5, share=share)
    rng = np.random.default_rng(4)
    item, persona = data["item"].to_numpy(), data["persona"].str[1:].astype(int).to_numpy()
    slope = 0.5 + 0.6 * rng.normal(size=9)[item] + 0.5 * rng.normal(size=5)[persona]
    level = rng.normal(size=9)[item] + 0.7 * rng.normal(size=5)[persona]
    data["y"] = (level + slope * data["x"] + rng.normal(0, 0.8, len(data))).round(3)
    return pd.concat([data, data.iloc[: len(data) // 8]])


def groups_of_personas(seed: int, personas: tuple[int, ...] = (2, 3, 5), sd: float = 0.7) -> pd.DataFrame:
    """Groups without a difference; unequal groups, and personas with unequally many answers."""
    rng = np.random.default_rng(seed)
    group = np.repeat([f"g{k}" for k in range(len(personas))], personas)
    frame = pd.DataFrame(
        [(f"p{k:02d}", group[k], item) for k in range(len(group)) for item in range(8)],
        columns=["persona", "group", "item"],
    )
    share = np.linspace(0.35, 1.0, len(group))[np.repeat(np.arange(len(group)), 8)]
    frame = frame[np.random.default_rng(1).random(len(frame)) < share].reset_index(drop=True)
    persona = frame["persona"].str[1:].astype(int)
    frame["y"] = sd * rng.normal(size=len(group))[persona] + 0.5 * rng.normal(size=8)[frame["item"]]
    frame["y"] += rng.normal(size=len(frame))
    return frame


def in_x(directions: VarianceDirections, matrices: np.ndarray) -> np.ndarray:
    """Information in the coefficients of X from that of the basis."""
    return directions.root.T @ matrices @ directions.root


@pytest.mark.parametrize("case", ["pastes", "sleepstudy_slopes", "scores_wide", "groups", "tied_slopes", "made"])
def test_products_are_those_of_matrices_over_rows(case: str) -> None:
    fit = fit_mixed_model(SLOPES_AND_CROSSED, made(), family="gaussian") if case == "made" else df_fit(case)
    if case == "made":
        assert fit.design.trials.max() > 1
        assert {one.basis is None for one in fit.design.terms} == {True, False}
    dense = dense_products(fit)
    ours = variance_directions.variance_directions(fit, "satterthwaite")
    wide = variance_directions.variance_directions(fit, "kenward_roger", with_sandwiches=True)
    assert ours.squares is not None
    assert wide.sandwiches is not None
    assert ours.traces == pytest.approx(wide.traces, rel=1e-12)
    assert np.linalg.inv(in_x(ours, np.linalg.inv(ours.covariance))) == pytest.approx(dense.covariance, rel=1e-8)
    pairs = (
        (in_x(ours, ours.information[:-1]), dense.information),
        (ours.traces[:-1, :-1], dense.traces),
        (ours.squares[:-1, :-1], dense.squares),
        (ours.slopes[:-1], dense.slopes),
    )
    for found, expected in pairs:
        assert found == pytest.approx(expected, rel=1e-7, abs=1e-8 * np.abs(dense.traces).max())
    scale = np.sqrt(np.outer(np.diag(dense.traces), np.diag(dense.traces)))[:, :, None, None]
    near = 1e-8 * np.abs(np.linalg.inv(dense.covariance)).max()
    found = in_x(wide, wide.sandwiches[:-1, :-1])
    assert (np.abs(found - dense.sandwiches) / scale).max() < near


def test_the_direction_of_the_residual_closes_the_others() -> None:
    """V is the sum of its parts: the identity, W^-1, is V less the variances times their directions."""
    fit = df_fit("groups")
    ours = variance_directions.variance_directions(fit, "satterthwaite")
    gammas = fit.theta**2
    free = fit.n_observations - len(fit.fixed_effects)
    assert ours.traces[-1, -1] == free
    left = 1.0 - (gammas @ ours.traces[:-1, -1]) / free
    assert 0.0 < left < 1.0
    noise = ours.traces[-1, -1] - 2 * gammas @ ours.traces[:-1, -1] + gammas @ ours.traces[:-1, :-1] @ gammas
    design = fit.design
    fixed = design.fixed.patterns[design.pattern]
    covariance = np.eye(len(fixed))
    for gamma, one in zip(gammas, design.components, strict=True):
        covariance += gamma * (one.code[:, None] == one.code)
    inverse = np.linalg.inv(covariance)
    projected = inverse - inverse @ fixed @ np.linalg.solve(fixed.T @ inverse @ fixed, fixed.T @ inverse)
    assert noise == pytest.approx(np.trace(projected @ projected), rel=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_balanced_designs_have_the_degrees_of_freedom_of_the_analysis_of_variance(method: str) -> None:
    rng = np.random.default_rng(6)
    data = pd.DataFrame({"persona": np.repeat(np.arange(12), 9), "group": np.repeat(list("abc"), 36)})
    data["y"] = rng.normal(0, 1, 12)[data["persona"]] + rng.normal(0, 1, 108)
    fit = fit_mixed_model("y ~ group + (1 | persona)", data, family="gaussian")
    tests = small_sample_tests(fit, method)
    means = data.groupby(["group", "persona"])["y"].mean()
    between = means.groupby("group").var(ddof=1).mean()
    f = 4 * means.groupby("group").mean().var(ddof=1) / between
    found = tests.f_test(np.eye(3)[1:])
    assert found.denominator_df == pytest.approx(9.0, rel=1e-6)
    assert found.statistic == pytest.approx(f, rel=1e-5)
    assert tests.degrees_of_freedom(np.eye(3)) == pytest.approx(9.0, rel=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_units_origin_order_and_repetition_do_not_matter(method: str) -> None:
    data = made()
    tests = small_sample_tests(fit_mixed_model(SLOPES_AND_CROSSED, data, family="gaussian"), method)
    other = data.assign(y=1000 * data["y"] + 5e4, x=10 * data["x"]).sample(frac=1, random_state=3)
    counted = other.groupby(["y", "x", "system", "item", "persona"], as_index=False).size()
    moved = small_sample_tests(fit_mixed_model(SLOPES_AND_CROSSED, counted, family="gaussian", weights="size"), method)
    assert moved.fit.n_observations == len(data) > len(counted)
    rows = np.array([[0, 0, 1.0, 0], [0, 0, 0, 2.0], [0, 1.0, 0, 0]])
    assert moved.degrees_of_freedom(rows) == pytest.approx(tests.degrees_of_freedom(rows), rel=1e-3)
    one, two = tests.f_test(rows[:2]), moved.f_test(-3 * rows[[1, 0, 0]])
    assert one.numerator_df == two.numerator_df == 2
    assert two.statistic == pytest.approx(one.statistic, rel=1e-3)
    assert two.denominator_df == pytest.approx(one.denominator_df, rel=2e-2)


def test_a_variance_of_zero_is_taken_for_known_or_not() -> None:
    """Satterthwaite's degrees of freedom are those without the term; Kenward and Roger's stay below them."""
    fit = df_fit("groups_singular")
    text = fit.formula.replace(" + (1 | item:system)", "").replace(" + (1 | persona:system)", "")
    assert set(fit.diagnostics.singular_terms) == {"item:system", "persona:system"}
    without = fit_mixed_model(text, pd.DataFrame(golden_df("groups_singular")["data"]), family="gaussian")
    rows = np.eye(len(fit.fixed_effects))
    plain = satterthwaite(without).degrees_of_freedom(rows)
    assert small_sample_of("groups_singular", "satterthwaite").degrees_of_freedom(rows) == pytest.approx(
        plain, rel=1e-3
    )
    careful = small_sample_of("groups_singular", "kenward_roger").degrees_of_freedom(rows)
    assert (careful[3:] < 0.5 * plain[3:]).all()


def test_matched_degrees_of_freedom_have_the_mean_of_the_squares() -> None:
    """E F(q, df) = df / (df - 2) is the mean of E t_m^2 = d_m / (d_m - 2)."""
    degrees = np.array([4.0, 7.0, 30.0])
    df = matched_df(degrees)
    assert df / (df - 2) == pytest.approx((degrees / (degrees - 2)).mean(), rel=1e-12)
    assert matched_df(np.array([1.5, 9.0])) == 2.0
    assert matched_df(np.array([9.0, 9.0])) == 9.0


def test_weights_of_means_follow_contrasts() -> None:
    data = data_of("scores")
    data = data[~((data["persona"] == "p4") & (data["template"] == "t2"))]
    fit = fit_mixed_model("margin ~ persona * template + (1 | item) + (1 | item:persona)", data, family="gaussian")
    effects, known = fit.fixed_effects["estimate"].to_numpy(), fit.covariance.to_numpy()
    cells = marginal_means(fit, by=["persona", "template"])
    made_of = [
        cells,
        marginal_means(fit, by="persona"),
        all_pairs(cells, "persona", within="template"),
        versus_reference(marginal_means(fit, by="template"), "template", "t1"),
        interaction_contrasts(cells, {"persona": ("reference", "control"), "template": "pairs"}),
        all_pairs(cells, "persona", within="template").subset([0, 3, 12]),
    ]
    for one in made_of:
        weights = one.fixed_weights
        assert weights is not None
        assert weights @ effects == pytest.approx(one.on("response").values, abs=1e-9, nan_ok=True)
        variances = np.einsum("kp,pq,kq->k", weights, known, weights)
        assert np.sqrt(variances) == pytest.approx(one.on("response").standard_errors, rel=1e-8, nan_ok=True)
    assert np.isnan(cells.fixed_weights).any(axis=1).sum() == 1
    table = contrast_table(fit, made_of[2], adjust="bonferroni", families="template")
    assert table["df"].isna().tolist() == table["estimate"].isna().tolist() == table["adjusted_p"].isna().tolist()
    assert 0 < table["df"].isna().sum() < len(table)
    assert table.columns.get_loc("df") == table.columns.get_loc("standard_error") + 1


def test_degrees_of_freedom_one_an_estimate() -> None:
    labels = pd.DataFrame({"contrast": ["b - a", "c - a", "c - b"], "family": ["x", "x", "y"]})
    gaps = EstimateSet(labels, {"link": Estimates(np.array([2.0, 3.0, 2.5]), np.eye(3))})
    each = np.array([4.0, 30.0, np.inf])
    for adjust in ("none", "holm", "bonferroni"):
        both = gaps.frame("link", degrees_of_freedom=each, adjust=adjust)
        for row, df in enumerate(each):
            one = gaps.frame("link", degrees_of_freedom=float(df), adjust=adjust)
            same = ["lower", "upper", "p"] + (["simultaneous_lower"] if adjust == "bonferroni" else [])
            assert both.loc[row, same].tolist() == one.loc[row, same].tolist()
    joint = gaps.frame("link", degrees_of_freedom=each, adjust="mvt", families="family")
    first = gaps.subset([0, 1]).frame("link", degrees_of_freedom=4.0, adjust="mvt")
    assert joint["adjusted_p"][:2].tolist() == pytest.approx(first["adjusted_p"].tolist(), abs=1e-6)
    assert joint["adjusted_p"][2] == pytest.approx(joint["p"][2], abs=1e-6)
    with pytest.raises(ModelError, match=r"3 estimates but degrees of freedom of shape \(2,\): give one for each"):
        gaps.frame("link", degrees_of_freedom=each[:2])
    with pytest.raises(ModelError, match="must be positive"):
        gaps.frame("link", degrees_of_freedom=np.array([1.0, 0.0, 2.0]))
    with pytest.raises(ModelError, match="must be positive"):
        gaps.frame("link", degrees_of_freedom=np.nan)


@pytest.fixture(scope="module")
def small_fit() -> MixedModelFit:
    return fit_mixed_model("y ~ group + (1 | persona) + (1 | item)", groups_of_personas(3), family="gaussian")


@pytest.mark.parametrize("method", METHODS)
def test_mistakes_are_one_sentence(small_fit: MixedModelFit, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tests = small_sample_tests(small_fit, method)
    with pytest.raises(ModelError, match=r"has 2 columns, but 'y ~ group.*has 3 fixed effects: give one weight"):
        tests.degrees_of_freedom([1.0, 0.0])
    data = groups_of_personas(3)
    by_ml = fit_mixed_model(small_fit.formula, data, family="gaussian", method="ML")
    with pytest.raises(
        ModelError, match=f"{method} need a fit by REML, but .* fitted by ML: fit it with method='REML'"
    ):
        small_sample_tests(by_ml, method)
    binomial = fit_mixed_model("yes ~ persona + (1 | item)", named_personas(), standard_errors="joint")
    with pytest.raises(ModelError, match=f"{method} are for Gaussian fits by REML, not for family='binomial': leave"):
        term_tests(binomial, denominator_df=method)
    monkeypatch.setattr(variance_directions, "MOST_OPERATIONS", 1e3)
    instead = "use carried_df" if method == "satterthwaite" else "use denominator_df='satterthwaite' or carried_df"
    with pytest.raises(ModelError, match=rf"{method} would take \S+ operations for 'y ~ group.*{instead}"):
        small_sample_tests(small_fit, method)


def test_other_mistakes(small_fit: MixedModelFit) -> None:
    with pytest.raises(ModelError, match="Unknown degrees of freedom 'kr': choose one of satterthwaite, kenward_roger"):
        term_tests(small_fit, denominator_df="kr")
    with pytest.raises(ModelError, match=r"shape \(1, 2\), but 1 labels and the 3 fixed effects of .* need \(1, 3\)"):
        fixed_contrasts(small_fit, [[0, 1]], ["b - a"])
    means = marginal_means(small_fit, by="group")
    without_weights = EstimateSet(means.labels, means.scales)
    with pytest.raises(ModelError, match="do not know: make them from marginal_means"):
        contrast_table(small_fit, without_weights)


def test_nothing_to_test_is_nan(small_fit: MixedModelFit) -> None:
    for method in METHODS:
        tests = small_sample_tests(small_fit, method)
        rows = np.array([[0, 0, 0], [np.nan, 0, 1], [0, 1, 0.0]])
        assert np.isnan(tests.degrees_of_freedom(rows)).tolist() == [True, True, False]
        assert tests.f_test(np.zeros((2, 3))).numerator_df == 0
        assert np.isnan(tests.f_test(rows).statistic)


def test_a_likelihood_without_curvature_is_refused(small_fit: MixedModelFit, monkeypatch: pytest.MonkeyPatch) -> None:
    directions = variance_directions.variance_directions(small_fit, "satterthwaite")
    assert directions.squares is not None
    flat = replace(directions, squares=0.5 * directions.traces)
    monkeypatch.setattr("bias_platform.statistics.satterthwaite.variance_directions", lambda *_: flat)
    with pytest.raises(ModelError, match=r"has no curvature in some variance where the fit ended.*use carried_df"):
        satterthwaite(small_fit)


def test_one_contrast_is_tested_alike_by_t_and_by_f(small_fit: MixedModelFit) -> None:
    table = contrast_table(small_fit, fixed_contrasts(small_fit, [[0, 1, -1]], ["g1 - g2"]), "kenward_roger")
    found = small_sample_tests(small_fit, "kenward_roger").f_test([0, 1, -1])
    assert found.p == pytest.approx(table["p"][0], rel=1e-8)
    assert found.denominator_df == pytest.approx(table["df"][0], rel=1e-8)
    means = marginal_means(small_fit, by="group")
    gap = contrast(means, [[0, 1, -1]], ["g1 - g2"])
    assert contrast_table(small_fit, gap, "kenward_roger")["p"][0] == pytest.approx(table["p"][0], rel=1e-8)


def test_level_of_the_tests_of_a_group_with_few_personas() -> None:
    """Of 100 studies without a difference between groups of 2, 2 and 3 personas; the Wald test rejects far too often.

    Monte-Carlo standard error of a rejection rate of 5 %: 2.2 %, of which three are allowed. Of 1,500 studies 4.9 %
    (Satterthwaite), 4.7 % (Kenward and Roger) and 14.1 % (Wald) were rejected, with standard errors of 0.6 to 0.9 %.
    """
    design = build_design(
        "y ~ group + (1 | persona) + (1 | item)", groups_of_personas(0, personas=(2, 2, 3)), family="gaussian"
    )
    persona, item = (term.code for term in design.terms)
    rng, rejected = np.random.default_rng(8), []
    for _ in range(100):
        y = rng.normal(size=7)[persona] + 0.5 * rng.normal(size=8)[item] + rng.normal(size=len(item))
        fit = fit_design(replace(design, successes=y), "joint")
        tests = [small_sample_tests(fit, method).f_test(np.eye(3)[1:]).p for method in METHODS]
        rejected.append([*tests, wald_test(fit, "group")[2]])
    satterthwaites, kenward_rogers, wald = (np.array(rejected) < 0.05).mean(axis=0)
    assert satterthwaites < 0.115
    assert kenward_rogers < 0.115
    assert wald > 0.115
