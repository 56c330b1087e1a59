"""The Gaussian likelihood against dense matrices, its gradient against differences, and what must not matter."""

import numpy as np
import pandas as pd
import pytest

from bias_platform.statistics import ModelError, fit_mixed_model, likelihood_ratio_test, marginal_means, term_tests
from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.choose_layout import cells_of
from bias_platform.statistics.design import Design, build_design
from bias_platform.statistics.elimination import elimination_plans
from bias_platform.statistics.grid_layout import GridLayout
from bias_platform.statistics.layout import Layout
from bias_platform.statistics.linear_evaluation import evaluate_linear
from bias_platform.statistics.linear_problem import LinearProblem, linear_problem
from bias_platform.statistics.loose_layout import LooseLayout
from bias_platform_tests.statistics.golden_cases import SCORES_WIDE, data_of, linear_fit_of
from bias_platform_tests.statistics.made_designs import FOUR_NESTED, named_personas

NESTED = FOUR_NESTED.replace("yes", "y")
DESIGNS = {
    "grid": (NESTED, 1.0, 0),
    "grid, fine": (NESTED, 0.7, 2),
    "rows": (NESTED.replace("C(template, contr.sum)", "x"), 0.6, 0),
    "rows, fine": (NESTED.replace("C(template, contr.sum)", "x"), 0.6, 2),
    "nothing crossed": ("y ~ persona * system + x + (1 | item) + (1 | item:persona)", 1.0, 1),
    "one factor": ("y ~ persona + (1 | item)", 1.0, 0),
    "two dense": ("y ~ x + (1 | item) + (1 | template) + (1 | persona:template)", 0.5, 0),
    "slopes on both sides": ("y ~ x + (x | item) + (x | persona:template) + (1 | item:system)", 0.6, 1),
    "factor slope": ("y ~ persona * system + (system | item) + (system || persona:template)", 1.0, 0),
    "three effects": ("y ~ x + system + (x + system | item) + (0 + x | persona)", 0.8, 0),
}
SMALL = "y ~ persona + x + (1 | item) + (1 | item:persona) + (1 | persona:template)"


def measured(share: float = 1.0, seed: int = 1) -> pd.DataFrame:
    """A numeric outcome with effects of items, of their personas and of persona x wording; some rows twice."""
    frame = named_personas(share=share, seed=seed)
    rng = np.random.default_rng(seed)
    value = 3.0 + 0.5 * (frame["persona"] == "p1") + 0.2 * frame["x"]
    for columns, sd in ((["item"], 1.5), (["item", "persona"], 0.6), (["persona", "template"], 0.5)):
        level = frame.groupby(columns).ngroup()
        value += sd * rng.standard_normal(level.max() + 1)[level]
    frame["y"] = value + 0.7 * rng.standard_normal(len(frame))
    twice = frame.iloc[:20].assign(y=frame["y"].iloc[:20] + 0.4)
    return pd.concat([frame, twice], ignore_index=True)


def laid_out(design: Design, fine: int) -> Layout:
    plan = next(p for p in elimination_plans(design) if (p.grouping, len(p.fine.index)) == ("item", fine))
    return GridLayout(design, plan, *cells_of(design, plan)) if "x" not in design.formula.fixed else LooseLayout(
        design, plan
    )  # fmt: skip


def prepared(name: str, restricted: bool) -> tuple[Design, pd.DataFrame, LinearProblem]:
    formula, share, fine = DESIGNS[name]
    frame = measured(share)
    design = build_design(formula, frame, family="gaussian")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bias_platform.statistics.linear_problem.lay_out", lambda one: laid_out(one, fine))
        return design, frame, linear_problem(design, restricted)


def somewhere(design: Design) -> FloatArray:
    theta = np.random.default_rng(7).uniform(0.3, 1.5, design.shape.parameters)
    theta[-1] *= -1.0
    theta[design.shape.mixed] -= 0.9
    return theta


def plain_loglik(design: Design, frame: pd.DataFrame, theta: FloatArray, restricted: bool) -> float:
    """The profiled normal density with the covariance of all rows."""
    n, p = len(frame), design.n_fixed
    covariance = np.eye(n)
    for k, term in enumerate(design.terms):
        level = frame.groupby(list(term.columns)).ngroup().to_numpy()
        effects = np.ones((n, 1)) if term.basis is None else term.basis.of_new_rows(frame)
        scaled = effects @ design.shape.matrix(theta, k)
        covariance += (scaled @ scaled.T) * (level[:, None] == level)
    x, estimable = design.fixed.rows(frame)
    assert estimable.all()
    y = frame["y"].to_numpy()
    information = x.T @ np.linalg.solve(covariance, x)
    left = y - x @ np.linalg.solve(information, x.T @ np.linalg.solve(covariance, y))
    m = n - p if restricted else n
    squares = left @ np.linalg.solve(covariance, left)
    deviance = np.linalg.slogdet(covariance)[1] + m * (1 + np.log(2 * np.pi * squares / m))
    return float(-0.5 * (deviance + (np.linalg.slogdet(information)[1] if restricted else 0.0)))


@pytest.mark.parametrize("restricted", [True, False], ids=["REML", "ML"])
@pytest.mark.parametrize("name", DESIGNS)
def test_value_is_the_normal_density(name: str, restricted: bool) -> None:
    design, frame, problem = prepared(name, restricted)
    theta = somewhere(design)
    found = evaluate_linear(problem, theta)
    assert found.loglik == pytest.approx(plain_loglik(design, frame, theta, restricted), rel=1e-10)


@pytest.mark.parametrize("restricted", [True, False], ids=["REML", "ML"])
@pytest.mark.parametrize("name", DESIGNS)
def test_gradient_is_the_central_difference(name: str, restricted: bool) -> None:
    design, _, problem = prepared(name, restricted)
    theta = somewhere(design)
    gradient = evaluate_linear(problem, theta).gradient
    for at in range(len(theta)):
        step = np.zeros_like(theta)
        step[at] = 1e-5
        ends = [evaluate_linear(problem, theta + side).loglik for side in (step, -step)]
        assert gradient[at] == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=5e-6)


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_order_of_rows_units_and_origin_do_not_matter(method: str) -> None:
    frame = measured(share=0.8)
    plain = fit_mixed_model(SMALL, frame, family="gaussian", method=method)  # type: ignore[arg-type]
    changed = frame.assign(y=1e6 + 1e-3 * frame["y"], x=-4e4 * frame["x"]).sample(frac=1, random_state=3)
    other = fit_mixed_model(SMALL, changed, family="gaussian", method=method)  # type: ignore[arg-type]
    m = len(frame) - 5 if method == "REML" else len(frame)
    units = m * np.log(1e-3) + (np.log(4e4) if method == "REML" else 0.0)
    assert other.loglik + units == pytest.approx(plain.loglik, abs=1e-5)
    ours, theirs = (fit.variance_components["sd"].to_numpy() for fit in (plain, other))
    assert theirs == pytest.approx(1e-3 * ours, rel=1e-4)
    slopes = [fit.fixed_effects.loc["x", ["estimate", "standard_error", "z"]].astype(float) for fit in (plain, other)]
    assert slopes[1]["estimate"] == pytest.approx(-1e-3 / 4e4 * slopes[0]["estimate"], rel=1e-5)
    assert slopes[1]["z"] == pytest.approx(-slopes[0]["z"], rel=1e-5)


def test_weights_are_repetitions() -> None:
    frame = measured()
    often = np.random.default_rng(0).integers(0, 4, len(frame))
    weighted = fit_mixed_model(SMALL, frame.assign(times=often), family="gaussian", weights="times")
    repeated = fit_mixed_model(SMALL, frame.loc[frame.index.repeat(often)], family="gaussian")
    assert weighted.loglik == pytest.approx(repeated.loglik, rel=1e-9)
    assert weighted.n_observations == repeated.n_observations == often.sum()
    assert weighted.covariance.to_numpy() == pytest.approx(repeated.covariance.to_numpy(), rel=1e-5, abs=1e-8)


def test_a_variance_that_is_zero_is_reported_and_changes_nothing() -> None:
    frame = data_of("scores")
    frame = frame.assign(shadow=frame.groupby("item").cumcount().to_numpy() % 7)
    frame["margin"] -= frame.groupby("shadow")["margin"].transform("mean")
    base = "margin ~ 1 + (1 | item)"
    alone = fit_mixed_model(base, frame, family="gaussian")
    fit = fit_mixed_model(f"{base} + (1 | shadow)", frame, family="gaussian")
    table = fit.variance_components.set_index("term")
    assert table.loc["shadow", "sd"] == 0.0
    assert table.loc["shadow", "singular"]
    assert fit.diagnostics.singular_terms == ("shadow",)
    assert fit.converged
    assert fit.loglik == pytest.approx(alone.loglik, abs=1e-6)
    assert (fit.conditional_modes["shadow"] == 0).all()
    assert table["sd_standard_error"].isna().tolist() == [False, True, False]


def test_tests_of_terms() -> None:
    fit = linear_fit_of("scores_wide")
    row = term_tests(fit, ["persona"], denominator_df={"persona": 8}).iloc[0]
    assert row["f"] == pytest.approx(row["wald"] / 4)
    assert row["lr"] == pytest.approx(likelihood_ratio_test(linear_fit_of("scores_wide_ml"), "persona")[0], rel=1e-6)
    assert np.isnan(term_tests(fit, ["persona"], likelihood_ratio=False)["lr"][0])


def test_joint_leaves_out_only_the_errors_of_deviations() -> None:
    full = linear_fit_of("scores_wide")
    joint = fit_mixed_model(SCORES_WIDE, data_of("scores"), family="gaussian", standard_errors="joint")
    pd.testing.assert_frame_equal(joint.fixed_effects, full.fixed_effects)
    assert joint.variance_components["sd_standard_error"].isna().all()
    of_terms = full.variance_components["variance"][:-1].sum()
    assert full.predictor_sd(pd.DataFrame(index=[0])) == pytest.approx(np.sqrt(of_terms))


BAD = {
    "words": ("y ~ persona + (1 | item)", {"y": "high"}, "'y' of a Gaussian model must be numeric"),
    "constant": ("y ~ persona + (1 | item)", {"y": 2.5}, "constant .always 2.5"),
    "infinite": ("y ~ persona + (1 | item)", {"y": np.inf}, "not finite"),
    "counts": ("cbind(yes, 1 - yes) ~ persona + (1 | item)", {}, "needs family='binomial'"),
    "a level a row": ("y ~ persona + (1 | item) + (1 | row)", {}, "as many levels as there are observations"),
    "no residual": ("answer ~ system + (1 | item) + (1 | item:persona)", {}, "nothing is left for the residual"),
    "fixed part alone": ("exact ~ persona + (1 | item)", {}, "explains 'exact' exactly"),
}


@pytest.mark.parametrize("name", BAD)
def test_impossible_models(name: str) -> None:
    formula, change, message = BAD[name]
    frame = measured().assign(row=lambda one: range(len(one)))
    frame["answer"] = frame.groupby(["item", "persona"])["y"].transform("mean")
    frame["exact"] = 1e5 + frame["persona"].str[1:].astype(int) / 3
    with pytest.raises(ModelError, match=message) as raised:
        fit_mixed_model(formula, frame.assign(**change), family="gaussian")
    assert "\n" not in str(raised.value)


def test_methods() -> None:
    with pytest.raises(ModelError, match="is for family='gaussian'"):
        fit_mixed_model("yes ~ persona + (1 | item)", measured(), method="REML")
    with pytest.raises(ModelError, match="'REML' or 'ML', not 'reml'"):
        fit_mixed_model(SMALL, measured(), family="gaussian", method="reml")  # type: ignore[arg-type]


def test_probabilities_of_a_gaussian_model_are_refused() -> None:
    with pytest.raises(ModelError, match=r"'probability': choose one of link, response"):
        marginal_means(linear_fit_of("scores_wide"), by="persona").frame("probability")


@pytest.mark.parametrize("seed", range(3))
def test_a_deviation_far_above_the_residual_stays_with_its_own_term(seed: int) -> None:
    """There an item and an item in a system trade places on a plateau of the likelihood."""
    rng = np.random.default_rng(seed)
    rows = [(i, p, s) for i in range(20) for p in range(8) for s in "ab"]
    data = pd.DataFrame(rows, columns=["item", "persona", "system"])
    data = data[rng.random(len(data)) > 0.2].reset_index(drop=True)
    data["x"] = rng.normal(size=len(data))
    pair = data["item"] * 2 + (data["system"] == "b")
    data["y"] = 0.3 * data["x"] + 1000.0 * rng.normal(size=20)[data["item"]] + rng.normal(size=8)[data["persona"]] * 0.5
    data["y"] += 0.5 * rng.normal(size=40)[pair] + rng.normal(size=len(data))
    fit = fit_mixed_model("y ~ x + system + (1 | item) + (1 | persona) + (1 | item:system)", data, family="gaussian")
    sds = fit.variance_components.set_index("term")["sd"]
    assert 500.0 < sds["item"] < 2000.0
    assert sds["item:system"] < 5.0
    assert fit.converged
