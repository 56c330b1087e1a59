"""The ordinal engine against plain ways to get the same numbers, and what must not matter to a fit."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit

from bias_platform.statistics import MixedModelFit, category_probabilities, fit_mixed_model, term_tests
from bias_platform.statistics.choose_layout import lay_out
from bias_platform.statistics.curvature import observed_information
from bias_platform.statistics.design import build_design
from bias_platform.statistics.evaluation import Evaluation, evaluate
from bias_platform.statistics.layout import Layout
from bias_platform.statistics.modes import zero_modes
from bias_platform.statistics.ordinal_design import engine_design, rows_at_thresholds
from bias_platform_tests.golden.write_ordinal_designs import answers
from bias_platform_tests.statistics.made_designs import MODEL_A, named_personas
from bias_platform_tests.statistics.ordinal_cases import data_named, fit_of, golden

ONE = "rating ~ arm + dose + (1 | rater)"
STUDY = MODEL_A.replace("yes ~", "score ~")
SLOPES = "score ~ persona + x + (1 + x | item) + (1 | persona:template)"


def scored(items: int = 12, share: float = 1.0, seed: int = 5) -> pd.DataFrame:
    """Named personas with answers of four steps."""
    frame = named_personas(items=items, share=share)
    latent = 0.6 * (frame["persona"] == "p1") - 0.4 * (frame["system"] == "tuned") + 0.3 * frame["x"]
    sds = {"item": 1.0, "item:system": 0.5, "item:persona": 0.5, "persona:template": 0.4}
    drawn = answers(frame, latent.to_numpy(), [-1.0, 0.2, 1.4], sds, np.random.default_rng(seed))
    return frame.assign(score=drawn)


def log_probabilities(fit: MixedModelFit, data: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Of each row of `ONE`, the thresholds below and above its answer less the fixed predictor."""
    beta = fit.fixed_effects["estimate"]
    eta = (
        beta["arm[T.b]"] * (data["arm"] == "b") + beta["arm[T.c]"] * (data["arm"] == "c") + beta["dose"] * data["dose"]
    )
    cuts = np.concatenate([[-np.inf], beta.iloc[:4], [np.inf]])
    answer = data["rating"].to_numpy() - 1
    return cuts[answer] - eta.to_numpy(), cuts[answer + 1] - eta.to_numpy()


def laplace_of_a_rater(low: np.ndarray, high: np.ndarray, sd: float) -> float:
    """Log of a rater's integral by Laplace's method, curvature by differences."""

    def joint(effect: float) -> float:
        share = expit(high - effect) - expit(low - effect)
        return float(np.log(share).sum() - 0.5 * (effect / sd) ** 2 - np.log(sd) - 0.5 * np.log(2 * np.pi))

    mode = minimize_scalar(lambda effect: -joint(effect), bounds=(-9, 9), method="bounded", options={"xatol": 1e-9}).x
    width = 1e-3
    curvature = -(joint(mode + width) - 2 * joint(mode) + joint(mode - width)) / width**2
    return joint(mode) + 0.5 * np.log(2 * np.pi / curvature)


def test_loglik_is_laplace_of_the_probabilities_of_categories() -> None:
    fit, data = fit_of("ratings"), data_named("ratings")
    low, high = log_probabilities(fit, data)
    sd = float(fit.variance_components["sd"].iloc[0])
    raters = [np.flatnonzero(data["rater"] == name) for name in data["rater"].unique()]
    assert sum(laplace_of_a_rater(low[k], high[k], sd) for k in raters) == pytest.approx(fit.loglik, abs=1e-4)


def laid_out(formula: str, data: pd.DataFrame, differing: tuple[str, ...] = ()) -> Layout:
    design = build_design(formula, data, family="ordinal")
    return lay_out(rows_at_thresholds(design, differing) if differing else engine_design(design))


def evaluated(layout: Layout, at: np.ndarray) -> Evaluation:
    p = layout.n_fixed
    return evaluate(layout, at[:p], at[p:], zero_modes(layout))


def start_of(layout: Layout, cuts: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    at = np.concatenate([rng.normal(0, 0.3, layout.n_fixed), rng.uniform(0.3, 0.9, layout.shape.parameters)])
    at[:cuts] = np.linspace(-1.2, 1.3, cuts)
    return at


GRADIENTS = {
    "one intercept, five steps": (ONE, lambda: data_named("ratings"), (), 4),
    "model A": (STUDY, scored, (), 3),
    "model A, few rows": (STUDY, lambda: scored(share=0.3), (), 3),
    "slopes": (SLOPES, lambda: scored(share=0.5), (), 3),
    "effects that differ by threshold": ("score ~ persona + x + (1 | item)", scored, ("x",), 3),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradient(name: str) -> None:
    formula, make, differing, cuts = GRADIENTS[name]
    layout = laid_out(formula, make(), differing)
    at = start_of(layout, cuts)
    if differing:
        at[layout.n_fixed - 2 : layout.n_fixed] = [0.1, -0.1]
    found = evaluated(layout, at)
    gradient, width = np.concatenate([found.beta_gradient, found.theta_gradient]), 1e-5
    assert np.isfinite(found.loglik)
    for k, slope in enumerate(gradient):
        step = width * (np.arange(len(at)) == k)
        change = evaluated(layout, at + step).loglik - evaluated(layout, at - step).loglik
        assert change / (2 * width) == pytest.approx(slope, abs=2e-5, rel=2e-6), k


def test_observed_information() -> None:
    """Of thresholds, slopes and deviations, against central differences of the gradient at the optimum."""
    layout, reference = laid_out(ONE, data_named("ratings")), golden("ratings")
    at = np.array([*reference["coefficients"]["estimate"], reference["sd"]["rater"]])
    found = evaluated(layout, at)
    information = observed_information(layout, found, np.array([0]))
    numeric = np.empty_like(information)
    for k in range(len(at)):
        step = 1e-4 * (np.arange(len(at)) == k)
        ahead, behind = evaluated(layout, at + step), evaluated(layout, at - step)
        slopes = [np.concatenate([one.beta_gradient, one.theta_gradient]) for one in (ahead, behind)]
        numeric[:, k] = (slopes[1] - slopes[0]) / 2e-4
    scale = np.sqrt(np.outer(np.diag(numeric), np.diag(numeric)))
    assert np.abs((information - numeric) / scale).max() < 5e-4


def test_thresholds_out_of_order_have_no_likelihood() -> None:
    layout = laid_out(ONE, data_named("ratings"))
    at = start_of(layout, 4)
    at[[1, 2]] = at[[2, 1]]
    assert evaluated(layout, at).loglik == -np.inf


def ordered(values: pd.Series, order: list[str]) -> pd.Series:
    return pd.Series(pd.Categorical(values, order, ordered=True), index=values.index)


@pytest.fixture(scope="module")
def fit() -> MixedModelFit:
    return fit_of("graded")


GRADED = "grade ~ persona + (1 | item) + (1 | item:persona)"


def assert_same(one: MixedModelFit, other: MixedModelFit) -> None:
    errors = one.fixed_effects["standard_error"].to_numpy()
    assert other.loglik == pytest.approx(one.loglik, abs=1e-6)
    assert (np.abs(other.fixed_effects["estimate"].to_numpy() - one.fixed_effects["estimate"]) < 2e-4 * errors).all()
    assert other.fixed_effects["standard_error"].to_numpy() == pytest.approx(errors, rel=2e-4)
    ours, theirs = (found.variance_components["sd"].to_numpy() for found in (one, other))
    assert theirs == pytest.approx(ours, rel=2e-4)


def test_reversed_categories_turn_every_sign(fit: MixedModelFit) -> None:
    data = data_named("graded")
    turned = fit_mixed_model(GRADED, data.assign(grade=ordered(data["grade"].astype(str), list("abcd"))), "ordinal")
    ours, theirs = fit.fixed_effects["estimate"], turned.fixed_effects["estimate"]
    assert list(theirs.index[:3]) == ["a|b", "b|c", "c|d"]
    assert turned.loglik == pytest.approx(fit.loglik, abs=1e-6)
    assert theirs[:3].to_numpy() == pytest.approx(-ours[:3].to_numpy()[::-1], abs=5e-5)
    assert theirs[3:].to_numpy() == pytest.approx(-ours[3:].to_numpy(), abs=5e-5)
    errors = [found.fixed_effects["standard_error"].to_numpy() for found in (fit, turned)]
    assert errors[1][3:] == pytest.approx(errors[0][3:], rel=2e-4)
    assert errors[1][:3] == pytest.approx(errors[0][:3][::-1], rel=2e-4)


def test_order_of_rows_and_numbers_for_names(fit: MixedModelFit) -> None:
    data = data_named("graded").sample(frac=1, random_state=8)
    numbers = {"d": 10, "c": 20, "b": 30, "a": 45}
    again = fit_mixed_model(GRADED, data.assign(grade=data["grade"].astype(str).map(numbers)), "ordinal")
    assert list(again.fixed_effects.index[:3]) == ["10|20", "20|30", "30|45"]
    assert_same(fit, again)


def test_a_category_that_nobody_chose_changes_nothing(fit: MixedModelFit) -> None:
    data = data_named("graded")
    more = data.assign(grade=ordered(data["grade"].astype(str), ["e", "d", "c", "c+", "b", "a"]))
    again = fit_mixed_model(GRADED, more, "ordinal")
    assert list(again.fixed_effects.index) == list(fit.fixed_effects.index)
    assert_same(fit, again)


def test_weights_are_repeated_rows() -> None:
    weighted, data = fit_of("wine_weighted"), data_named("wine")
    often = golden("wine_weighted")["weights"]
    repeated = fit_mixed_model(golden("wine")["formula"], data.loc[np.repeat(data.index, often)], "ordinal")
    assert_same(weighted, repeated)
    assert (weighted.n_rows, repeated.n_rows) == (len(data), sum(often))


def test_rows_of_weight_zero_are_not_there(fit: MixedModelFit) -> None:
    data = data_named("graded").assign(often=1)
    extra = data.head(40).assign(often=0, grade=ordered(pd.Series(["a"] * 40, index=data.index[:40]), list("dcba")))
    assert_same(fit, fit_mixed_model(GRADED, pd.concat([extra, data]), "ordinal", weights="often"))


def test_units_of_a_covariate() -> None:
    data, fit = data_named("ratings"), fit_of("ratings")
    again = fit_mixed_model(ONE, data.assign(dose=100 * data["dose"] + 40), "ordinal")
    slope = 100 * again.fixed_effects["estimate"]["dose"]
    assert again.loglik == pytest.approx(fit.loglik, abs=1e-6)
    assert slope == pytest.approx(fit.fixed_effects["estimate"]["dose"], rel=1e-4)
    shift = again.fixed_effects["estimate"].iloc[:4] - fit.fixed_effects["estimate"].iloc[:4]
    assert shift.to_numpy() == pytest.approx(0.4 * slope, rel=2e-3)


def test_merged_categories_keep_what_the_model_says() -> None:
    """Where proportional odds hold, fewer categories estimate the same effects, less precisely."""
    ratings, five = data_named("ratings"), fit_of("ratings")
    three = fit_mixed_model(ONE, ratings.assign(rating=ratings["rating"].clip(2, 4)), "ordinal")
    slopes = [found.fixed_effects.loc[["arm[T.b]", "arm[T.c]", "dose"]] for found in (five, three)]
    assert (np.abs(slopes[1]["estimate"] - slopes[0]["estimate"]) < slopes[0]["standard_error"]).all()
    assert (slopes[1]["standard_error"] > slopes[0]["standard_error"]).all()


def test_the_limit_of_two_categories_is_the_binomial_model() -> None:
    """One answer in 628 of a third kind: what the thresholds' gap adds is all but a constant."""
    data = data_named("ratings")
    formula = "{} ~ arm + dose + (1 | rater)"
    binomial = fit_mixed_model(formula.format("high"), data)
    rare = data.assign(kind=data["high"])
    rare.loc[data["dose"].where(data["high"] == 1).sub(data["dose"].mean()).abs().idxmin(), "kind"] = 2
    ordinal = fit_mixed_model(formula.format("kind"), rare, "ordinal")
    ours, theirs = ordinal.fixed_effects, binomial.fixed_effects
    assert ours["estimate"].iloc[0] == pytest.approx(
        -theirs["estimate"].iloc[0], abs=0.1 * theirs["standard_error"].iloc[0]
    )
    gap = (ours["estimate"].iloc[2:] - theirs["estimate"].iloc[1:]) / theirs["standard_error"].iloc[1:]
    assert np.abs(gap).max() < 0.1
    assert ours["standard_error"].iloc[2:].to_numpy() == pytest.approx(theirs["standard_error"].iloc[1:], rel=0.02)


def test_shares_are_those_of_the_data_where_a_model_has_as_many_parameters() -> None:
    """No random variance and one threshold a free share: the conditional probabilities are the observed ones."""
    data = data_named("uneven")
    fit = fit_mixed_model("answer ~ 1 + (1 | block)", data, "ordinal")
    assert fit.variance_components["sd"].iloc[0] == 0
    cuts = fit.fixed_effects["estimate"].to_numpy()
    shares = data["answer"].value_counts(normalize=True)
    assert expit(cuts) == pytest.approx([shares["No"], shares["No"] + shares["Maybe"]], abs=1e-5)


def test_known_truth_is_found() -> None:
    """Means over 40 studies with 30 answers an item, within 3.5 Monte-Carlo standard errors of the truth."""
    frame = named_personas(items=16)
    effect = 0.8 * (frame["persona"] == "p1").to_numpy(float)
    found = []
    for seed in range(40):
        drawn = answers(frame, effect, [-0.6, 0.7], {"item": 0.8}, np.random.default_rng(seed))
        fit = fit_mixed_model("score ~ persona + (1 | item)", frame.assign(score=drawn), "ordinal")
        estimate = fit.fixed_effects["estimate"]
        spread = fit.variance_components["variance"].iloc[0]
        found.append([estimate.iloc[0], estimate.iloc[1], estimate["persona[T.p1]"], estimate["persona[T.p2]"], spread])
    gap = np.mean(found, axis=0) - [-0.6, 0.7, 0.8, 0.0, 0.64 * 15 / 16]
    assert (np.abs(gap) < 3.5 * np.std(found, axis=0) / np.sqrt(40)).all()


def test_integrated_probabilities_are_shares_of_new_items() -> None:
    fit = fit_of("still_opinions")
    beta, sd = fit.fixed_effects["estimate"], fit.variance_components["sd"].iloc[0]
    items = np.random.default_rng(4).normal(0, sd, 400_000)
    below = expit(beta.to_numpy()[:2, None] - (beta["group[T.g2]"] + items)).mean(axis=1)
    found = category_probabilities(fit, "group").frame("probability").set_index(["group", "category"])["estimate"]
    assert found["g2"].to_numpy() == pytest.approx([below[0], below[1] - below[0], 1 - below[1]], abs=1.5e-3)


def test_tests_of_terms() -> None:
    """Likelihood ratio as from the golden model and the same model without the term."""
    fit, smaller = (
        fit_of("graded"),
        fit_mixed_model("grade ~ 1 + (1 | item) + (1 | item:persona)", data_named("graded"), "ordinal"),
    )
    tests = term_tests(fit).set_index("term")
    assert tests["df"]["persona"] == 3
    assert tests["lr"]["persona"] == pytest.approx(2 * (fit.loglik - smaller.loglik), abs=1e-5)
    rows = fit.fixed_effects.index[3:]
    wald = fit.fixed_effects["estimate"][rows] @ np.linalg.solve(
        fit.covariance.loc[rows, rows], fit.fixed_effects["estimate"][rows]
    )
    assert tests["wald"]["persona"] == pytest.approx(wald, rel=1e-9)


def test_at_least_a_category_is_the_sum_of_those_from_it_up() -> None:
    fit, by = fit_of("graded"), "persona"
    each, above = category_probabilities(fit, by), category_probabilities(fit, by, at_least=True)
    for scale in ("probability", "conditional"):
        shares = each.on(scale).values.reshape(4, 4)
        assert shares.sum(axis=1) == pytest.approx(np.ones(4), abs=1e-12)
        sums = np.cumsum(shares[:, ::-1], axis=1)[:, ::-1]
        assert above.on(scale).values.reshape(4, 3) == pytest.approx(sums[:, 1:], abs=1e-12)
        weights = np.kron(np.eye(4), np.tril(np.ones((4, 4))).T[1:])
        spread = np.diag(weights @ each.on(scale).covariance @ weights.T)
        assert np.diag(above.on(scale).covariance) == pytest.approx(spread, rel=1e-9)
    assert above.labels["category"].tolist() == ["c", "b", "a"] * 4


def test_the_noise_of_answers_is_known() -> None:
    """Tests against it are Wald's by their degrees of freedom, as of binomial models."""
    tests = term_tests(fit_of("ratings"), likelihood_ratio=False)
    assert set(tests["carrier"]) == {"residual"}
    assert tests["f"].to_numpy() == pytest.approx(tests["wald"] / tests["df"], rel=1e-12)
