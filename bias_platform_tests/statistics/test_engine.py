"""The engine's numbers against slow and plain ways to get them."""

import numpy as np
import pytest

from bias_platform.statistics import arrays, curvature, elimination
from bias_platform.statistics.choose_layout import cells_of
from bias_platform.statistics.curvature import observed_information
from bias_platform.statistics.design import Design, build_design
from bias_platform.statistics.evaluation import evaluate
from bias_platform.statistics.grid_layout import GridLayout
from bias_platform.statistics.layout import Layout
from bias_platform.statistics.loose_layout import LooseLayout
from bias_platform.statistics.modes import zero_modes
from bias_platform.statistics.optimum import find_optimum
from bias_platform.statistics.start_values import find_start
from bias_platform_tests.statistics.made_designs import FOUR_NESTED, MODEL_A, named_personas

COVARIATE = FOUR_NESTED.replace("C(template, contr.sum)", "x")
ONE_CHAIN = "yes ~ persona * system + (1 | item) + (1 | item:system) + (1 | item:persona:system)"
DESIGNS = {
    "model A": (MODEL_A, 1.0, GridLayout, 0),
    "model A, fine": (MODEL_A, 1.0, GridLayout, 1),
    "model A, few rows": (MODEL_A, 0.3, LooseLayout, 0),
    "model A, few rows, fine": (MODEL_A, 0.3, LooseLayout, 1),
    "four nested": (FOUR_NESTED, 1.0, GridLayout, 0),
    "four nested, fine": (FOUR_NESTED, 1.0, GridLayout, 2),
    "four nested, missing, fine": (FOUR_NESTED, 0.7, GridLayout, 2),
    "four nested, few rows": (FOUR_NESTED, 0.4, LooseLayout, 0),
    "four nested, few rows, fine": (FOUR_NESTED, 0.4, LooseLayout, 2),
    "four nested, covariate": (COVARIATE, 1.0, LooseLayout, 2),
    "chain, nothing crossed, grid": (ONE_CHAIN, 1.0, GridLayout, 2),
    "chain, nothing crossed, loose": (ONE_CHAIN, 0.6, LooseLayout, 2),
    "one factor, grid": ("yes ~ persona + (1 | item)", 1.0, GridLayout, 0),
    "one factor, covariate": ("yes ~ persona + x + (1 | item)", 1.0, LooseLayout, 0),
    "nested only": ("yes ~ x + (1 | item) + (1 | item:system)", 1.0, LooseLayout, 0),
    "nested only, fine": ("yes ~ x + (1 | item) + (1 | item:system)", 1.0, LooseLayout, 1),
    "crossed, covariate": ("yes ~ x + (1 | item) + (1 | persona:template)", 1.0, LooseLayout, 0),
    "two dense terms": (
        "yes ~ x + (1 | item) + (1 | item:system) + (1 | template) + (1 | persona:template)", 1.0, LooseLayout, 1
    ),
    "slope by item": ("yes ~ x + (1 + x | item)", 1.0, LooseLayout, 0),
    "slopes on both sides": ("yes ~ x + (1 + x | item) + (x | persona) + (1 | persona:template)", 1.0, LooseLayout, 0),
    "factor slope by item, grid": (
        "yes ~ persona * system + (1 + system | item) + (1 | item:persona) + (1 | persona:template)", 1.0, GridLayout, 0
    ),
    "factor slope by item, fine, grid": (
        "yes ~ persona * system + (1 + system | item) + (1 | item:persona) + (1 | persona:template)", 1.0, GridLayout, 1
    ),
    "factor slope by item, fine, few rows": (
        "yes ~ persona * system + (1 + system | item) + (1 | item:persona) + (0 + system | persona:template)",
        0.4, LooseLayout, 1,
    ),
    "crossed factor slope, grid": (
        "yes ~ persona * system + (1 | item) + (system | persona:template)", 1.0, GridLayout, 0
    ),
    "uncorrelated slopes": ("yes ~ x + system + (x + system || item) + (x || persona)", 1.0, LooseLayout, 0),
    "slope alone": ("yes ~ x + (0 + x | item) + (1 | persona:template)", 1.0, LooseLayout, 0),
    "three effects": (
        "yes ~ x + template + (x + system | item) + (1 | item:system) + (1 | persona)", 1.0, LooseLayout, 0
    ),
    "three effects, fine": (
        "yes ~ x + template + (x + system | item) + (1 | item:system) + (1 | persona)", 1.0, LooseLayout, 1
    ),
}  # fmt: skip


def prepared(name: str) -> tuple[Design, Layout]:
    formula, share, kind, fine = DESIGNS[name]
    design = build_design(formula, named_personas(share=share))
    plan = next(
        plan
        for plan in elimination.elimination_plans(design)
        if (plan.grouping, len(plan.fine.index)) == ("item", fine)
    )
    return design, LooseLayout(design, plan) if kind is LooseLayout else GridLayout(
        design, plan, *cells_of(design, plan)
    )


def somewhere(design: Design) -> tuple[arrays.FloatArray, arrays.FloatArray]:
    rng = np.random.default_rng(7)
    theta = rng.uniform(0.3, 1.0, design.shape.parameters)
    theta[-1] *= -1.0
    theta[design.shape.mixed] -= 0.7
    return rng.normal(0, 0.3, design.n_fixed), theta


def scaled_columns(design: Design, theta: arrays.FloatArray) -> arrays.FloatArray:
    """Z T, dense."""
    columns = [np.eye(one.size)[one.code] for one in design.components]
    columns = [
        z if one.values is None else z * one.values[:, None] for z, one in zip(columns, design.components, strict=True)
    ]
    moved = [np.zeros_like(z) for z in columns]
    for row, column, entry in zip(design.shape.row, design.shape.column, theta, strict=True):
        moved[column] += entry * columns[row]
    return np.hstack(moved)


def plain_loglik(design: Design, beta: arrays.FloatArray, theta: arrays.FloatArray) -> float:
    """The Laplace approximation with dense matrices."""
    z = scaled_columns(design, theta)
    offset, u = design.fixed.patterns[design.pattern] @ beta, np.zeros(z.shape[1])
    for _ in range(30):
        eta = offset + z @ u
        mean = 1 / (1 + np.exp(-eta))
        hessian = np.eye(len(u)) + z.T @ ((design.trials * mean * (1 - mean))[:, None] * z)
        u = u + np.linalg.solve(hessian, z.T @ (design.successes - design.trials * mean) - u)
    loglik = design.successes @ eta - design.trials @ np.logaddexp(0, eta)
    return float(loglik - 0.5 * u @ u - 0.5 * np.linalg.slogdet(hessian)[1])


@pytest.mark.parametrize("name", DESIGNS)
def test_value_is_the_plain_laplace_approximation(name: str) -> None:
    design, layout = prepared(name)
    beta, theta = somewhere(design)
    assert evaluate(layout, beta, theta, zero_modes(layout)).loglik == pytest.approx(
        plain_loglik(design, beta, theta), abs=1e-8
    )


@pytest.mark.parametrize("name", DESIGNS)
def test_gradient_is_the_central_difference(name: str) -> None:
    design, layout = prepared(name)
    beta, theta = somewhere(design)
    here = evaluate(layout, beta, theta, zero_modes(layout))
    both, p = np.concatenate([beta, theta]), len(beta)
    gradient = np.concatenate([here.beta_gradient, here.theta_gradient])
    for at in range(len(both)):
        step = np.zeros_like(both)
        step[at] = 1e-5
        ends = [evaluate(layout, (both + s)[:p], (both + s)[p:], here.modes).loglik for s in (step, -step)]
        assert gradient[at] == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=2e-6)


@pytest.mark.parametrize("name", DESIGNS)
def test_approximate_solves_find_the_same_mode(name: str) -> None:
    design, layout = prepared(name)
    beta, theta = somewhere(design)
    here = evaluate(layout, beta, theta, zero_modes(layout))
    near = evaluate(layout, beta + 0.1, theta * 1.2, here.modes, here.dense_factor)
    assert near.loglik == pytest.approx(evaluate(layout, beta + 0.1, theta * 1.2, here.modes).loglik, abs=1e-9)


@pytest.mark.parametrize("name", DESIGNS)
def test_information_is_the_differenced_gradient(name: str) -> None:
    layout = prepared(name)[1]
    found = find_optimum(layout, find_start(layout)).evaluation
    live = np.flatnonzero(layout.shape.lengths(found.theta)[layout.shape.column] > 1e-5)
    information = observed_information(layout, found, live)
    both, p = np.concatenate([found.beta, found.theta]), len(found.beta)
    kept = [*range(p), *(p + live)]
    for row, at in enumerate(kept):
        step = np.zeros_like(both)
        step[at] = 1e-4
        ends = [evaluate(layout, (both + s)[:p], (both + s)[p:], found.modes) for s in (step, -step)]
        slopes = [np.concatenate([end.beta_gradient, end.theta_gradient])[kept] for end in ends]
        assert information[row] == pytest.approx((slopes[1] - slopes[0]) / 2e-4, rel=2e-3, abs=2e-2)
        assert information[row, :p] == pytest.approx((slopes[1] - slopes[0])[:p] / 2e-4, abs=5e-3)


def test_without_the_part_between_groups_errors_hardly_change(monkeypatch: pytest.MonkeyPatch) -> None:
    layout = prepared("crossed, covariate")[1]
    monkeypatch.setattr(curvature, "is_cheaper", lambda _: False)
    found = find_optimum(layout, find_start(layout)).evaluation
    whole = observed_information(layout, found, np.array([], dtype=np.int64))
    monkeypatch.setattr(curvature, "BETWEEN_BUDGET", 0.0)
    part = observed_information(layout, found, np.array([], dtype=np.int64))
    ratio = np.diag(np.linalg.inv(part)) / np.diag(np.linalg.inv(whole))
    assert not np.array_equal(part, whole)
    assert np.abs(ratio - 1).max() < 2e-3


@pytest.mark.parametrize("name", [name for name, row in DESIGNS.items() if row[-1] == 0])
def test_curvature_by_random_columns_is_that_by_pairs_of_rows(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    design, layout = prepared(name)
    found = evaluate(layout, *somewhere(design), zero_modes(layout))
    live = np.array([], dtype=np.int64)
    informations = []
    for short in (True, False):
        monkeypatch.setattr(curvature, "is_cheaper", lambda _, answer=short: answer)
        informations.append(observed_information(layout, found, live))
    assert informations[0] == pytest.approx(informations[1], rel=1e-10, abs=1e-10)
