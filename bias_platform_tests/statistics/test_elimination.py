"""Which terms go first must not matter; and the fine terms alone against matrices."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pandas as pd
import pytest

from bias_platform.statistics import MixedModelFit, laplace_mixed_model, mixed_model
from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.choose_layout import cells_of, lay_out
from bias_platform.statistics.curvature import observed_information
from bias_platform.statistics.design import Design, build_design
from bias_platform.statistics.elimination import Elimination, elimination_plans
from bias_platform.statistics.evaluation import evaluate
from bias_platform.statistics.fine_terms import factor_fine_terms, fine_quadratic, product_with, runs_of
from bias_platform.statistics.grid_layout import GridLayout
from bias_platform.statistics.layout import Layout
from bias_platform.statistics.loose_layout import LooseLayout
from bias_platform.statistics.modes import zero_modes
from bias_platform_tests.statistics.made_designs import FOUR_NESTED, MODEL_A, named_personas


def without_a_cell(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[~((frame["persona"] == "p3") & (frame["system"] == "tuned"))]


FRAMES = {
    "balanced": named_personas(),
    "unbalanced": named_personas(share=0.7),
    "an empty cell": without_a_cell(named_personas(share=0.8)),
    "replicates": pd.concat([named_personas(seed=1), named_personas(seed=1, share=0.5)]),
}
ONLY_ITEMS = FOUR_NESTED.split(" + (1 | persona:template)")[0]
LAYOUTS = {
    "grid": lambda design, plan: GridLayout(design, plan, *cells_of(design, plan)),
    "loose": LooseLayout,
}


def plan_of(design: Design, fine: int) -> Elimination:
    return next(p for p in elimination_plans(design) if (p.grouping, len(p.fine.index)) == ("item", fine))


def fit_with(design: Design, layout: Layout) -> MixedModelFit:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(laplace_mixed_model, "lay_out", lambda _: layout)
        return mixed_model.fit_design(design)


Test = Callable[[str, str, str], None]


def every_design(test: Test) -> Test:
    formulas = pytest.mark.parametrize("formula", [ONLY_ITEMS, FOUR_NESTED], ids=["items", "items and wordings"])
    return pytest.mark.parametrize("name", FRAMES)(formulas(pytest.mark.parametrize("kind", LAYOUTS)(test)))


def both_ways(name: str, formula: str, kind: str) -> tuple[Design, Layout, Layout]:
    design = build_design(formula, FRAMES[name])
    block, fine = (LAYOUTS[kind](design, plan_of(design, terms)) for terms in (0, 2))
    return design, block, fine


@every_design
def test_fine_terms_first_is_the_same_function_as_one_block(name: str, formula: str, kind: str) -> None:
    design, *layouts = both_ways(name, formula, kind)
    rng = np.random.default_rng(5)
    beta, sd = rng.normal(0, 0.3, design.n_fixed), rng.uniform(0.3, 1.2, len(design.terms))
    block, fine = (evaluate(layout, beta, sd, zero_modes(layout)) for layout in layouts)
    assert fine.loglik == pytest.approx(block.loglik, rel=1e-12)
    assert fine.beta_gradient == pytest.approx(block.beta_gradient, abs=1e-8)
    assert fine.theta_gradient == pytest.approx(block.theta_gradient, abs=1e-8)
    live = np.arange(len(sd))
    informations = [observed_information(*pair, live) for pair in zip(layouts, (block, fine), strict=True)]
    assert informations[1] == pytest.approx(informations[0], rel=1e-7, abs=1e-4)


@every_design
def test_fine_terms_first_is_the_same_fit_as_one_block(name: str, formula: str, kind: str) -> None:
    design, *layouts = both_ways(name, formula, kind)
    block, fine = (fit_with(design, layout) for layout in layouts)
    assert fine.loglik == pytest.approx(block.loglik, rel=1e-9)
    errors = block.fixed_effects["standard_error"]
    assert ((fine.fixed_effects["estimate"] - block.fixed_effects["estimate"]) / errors).abs().max() < 1e-3
    assert (fine.fixed_effects["standard_error"] / errors - 1).abs().max() < 1e-4
    for column in ("sd", "sd_standard_error"):
        ours, theirs = (fit.variance_components[column].to_numpy() for fit in (fine, block))
        assert ours == pytest.approx(theirs, rel=1e-3, abs=1e-5, nan_ok=True)
    for term, modes in block.conditional_modes.items():
        assert fine.conditional_modes[term].to_numpy() == pytest.approx(modes.to_numpy(), abs=1e-3)


def test_grid_and_rows_are_the_same_fit() -> None:
    design = build_design(FOUR_NESTED, FRAMES["an empty cell"])
    grid, loose = (fit_with(design, lay(design, plan_of(design, 2))) for lay in LAYOUTS.values())
    assert loose.loglik == pytest.approx(grid.loglik, rel=1e-9)
    assert loose.covariance.to_numpy() == pytest.approx(grid.covariance.to_numpy(), rel=1e-5, abs=1e-8)


def test_what_is_eliminated_how() -> None:
    layout = lay_out(build_design(FOUR_NESTED, named_personas()))
    names = [term.name for term in build_design(FOUR_NESTED, named_personas()).terms]
    plan = layout.plan
    assert (plan.grouping, layout.groups, layout.width, layout.dense) == ("item", 18, 1 + 2, 12 + 24)
    assert [names[k] for k in plan.fine.index] == ["item:persona:system", "item:persona"]
    assert [names[k] for k in plan.local.index] == ["item", "item:system"]


def test_one_term_always_stays_in_the_block() -> None:
    design = build_design("yes ~ x + (1 | item:system) + (1 | item:persona:system)", named_personas())
    assert all(plan.local.width for plan in elimination_plans(design))


def test_crossed_local_terms_do_not_make_a_chain() -> None:
    layout = lay_out(build_design(MODEL_A, named_personas()))
    assert len(layout.plan.fine.index) <= 1


def test_levels_that_are_nested_without_saying_so_are_found() -> None:
    frame = named_personas()
    frame["class"] = frame["item"].astype(str) + frame["persona"]
    plans = elimination_plans(build_design("yes ~ 1 + (1 | item) + (1 | class)", frame))
    best = min(plans, key=lambda plan: (plan.dense.width, plan.local.width))
    assert (best.grouping, best.fine.sizes, best.local.width, best.dense.width) == ("item", (4,), 1, 0)


def indicators(codes: list[int]) -> FloatArray:
    return np.eye(max(codes) + 1)[codes]


def test_fine_terms_are_the_posterior_of_their_effects() -> None:
    rng = np.random.default_rng(3)
    codes, sds = ([0, 0, 1, 2, 2, 2, 3, 4], [0, 0, 0, 1, 1, 1, 1, 2]), (0.7, 1.3)
    weights = rng.uniform(0, 2, 8) * [1, 1, 0, 1, 1, 1, 1, 1]
    fine = factor_fine_terms([runs_of(np.array(c)) for c in codes], sds, weights)
    prior = sum(sd**2 * indicators(c) @ indicators(c).T for c, sd in zip(codes, sds, strict=True))
    posterior = prior - prior @ np.linalg.solve(np.eye(8) + weights[:, None] * prior, weights[:, None] * prior)
    remaining = np.eye(8) - posterior * weights
    identity = np.eye(8)
    assert fine.covariance(slice(0, 8)) == pytest.approx(posterior, abs=1e-12)
    assert fine.absorbed(identity) == pytest.approx(posterior, abs=1e-12)
    assert fine.remaining(identity) == pytest.approx(remaining.T, abs=1e-12)
    assert fine.remaining_transposed(identity) == pytest.approx(remaining, abs=1e-12)
    assert fine.log_determinant == pytest.approx(np.linalg.slogdet(np.eye(8) + weights[:, None] * prior)[1])
    random = rng.normal(size=(8, 8))
    symmetric = random @ random.T
    near = [product_with(symmetric * run.neighbours) for run in fine.runs]
    assert fine_quadratic(fine, np.diag(symmetric), near) == pytest.approx(
        np.diag(remaining @ symmetric @ remaining.T), abs=1e-10
    )
    part = fine.part(slice(3, 8))
    assert part.covariance(slice(0, 5)) == pytest.approx(posterior[3:, 3:], abs=1e-12)
    assert part.absorbed(np.ones(5)) == pytest.approx((posterior @ np.ones(8))[3:], abs=1e-12)


@pytest.mark.parametrize(("systems", "personas"), product([2, 3], [4, 12]))
def test_the_block_does_not_grow_with_personas(systems: int, personas: int) -> None:
    axes = [range(6), range(personas), ["t1", "t2"], range(systems)]
    frame = pd.DataFrame(list(product(*axes)), columns=["item", "persona", "template", "system"]).astype(str)
    frame["yes"] = np.random.default_rng(1).integers(0, 2, len(frame))
    assert lay_out(build_design(ONLY_ITEMS, frame)).width == 1 + systems
