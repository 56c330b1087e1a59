"""Which terms are eliminated how, and which of the two layouts holds the arrays: whatever costs least."""

import numpy as np

from bias_platform.statistics.arrays import IntArray, combine_codes
from bias_platform.statistics.design import Design
from bias_platform.statistics.elimination import Elimination, elimination_plans
from bias_platform.statistics.grid_layout import GridLayout
from bias_platform.statistics.layout import Layout
from bias_platform.statistics.loose_layout import LooseLayout

LEAST_FILL = 0.45
"""Share of cells that must be seen for a full grid to be worth its zeros."""
MOST_CELLS = 3000
_PASSES = 4.0
"""Newton passes an evaluation."""
_ROW, _SUM, _BLOCK = 1_500.0, 250.0, 30_000.0
"""Cost of one row's likelihood, one row's share of a bincount, one block: in operations of a matrix product."""


def lay_out(design: Design, fine: bool = True) -> Layout:
    """The cheapest layout for a design.

    Args:
        fine: whether terms may be eliminated before the blocks, where their own posterior is never formed.

    Raises:
        ModelError: two crossed factors have too many levels.
    """
    able = [plan for plan in elimination_plans(design) if fine or not plan.fine.index]
    plans = sorted(able, key=lambda plan: plan.dense.width)
    best, cost = plans[0], np.inf
    grid: tuple[IntArray, IntArray] | None = None
    for plan in plans:
        if float(plan.dense.width) ** 3 >= cost:
            break
        if _loose_cost(plan) < cost:
            best, cost, grid = plan, _loose_cost(plan), None
        if len(plan.group) > MOST_CELLS * plan.groups:
            continue
        cell, first = cells_of(design, plan)
        cells = len(first)
        fills = cells <= MOST_CELLS and len(cell) >= LEAST_FILL * cells * plan.groups
        if fills and _grid_cost(plan, cells) < cost:
            best, cost, grid = plan, _grid_cost(plan, cells), (cell, first)
    return LooseLayout(design, best) if grid is None else GridLayout(design, best, *grid)


def cells_of(design: Design, plan: Elimination) -> tuple[IntArray, IntArray]:
    """Cell of each distinct row, in order of the fine levels, and the first row of each cell."""
    slopes = [term.basis.pattern for term in design.terms if term.basis is not None]
    return combine_codes([*plan.fine.level.T, design.pattern, *plan.dense.level.T, *plan.local.level.T, *slopes])


def _grid_cost(plan: Elimination, cells: int) -> float:
    """Operations of one evaluation, roughly; a full grid is nothing but matrix products."""
    width, fine, crossed = plan.local.width, len(plan.fine.index), cells if plan.dense.width else 0
    rows = (_ROW * (1.0 + fine) + 10.0 * width) * cells
    products = 4.0 * (width + fine) * crossed**2
    return plan.groups * (_PASSES * (_block_cost(width) + rows) + products) + float(plan.dense.width) ** 3


def _loose_cost(plan: Elimination) -> float:
    """The same where sums are bincounts, and where rows of one fine level are paired one by one."""
    width, dense, fine = plan.local.width, plan.dense.width, len(plan.fine.index)
    local, crossed, rows = len(plan.local.index), len(plan.dense.index), len(plan.group)
    a_pass = _ROW * (1.0 + fine) + _SUM * (local * (local + 2.0) + 4.0 * crossed)
    near = rows / (plan.groups * plan.fine.sizes[-1]) if fine else 0.0
    once = _SUM * (2.0 * width * crossed + 3.0 * near * crossed**2) + 50.0 * width
    blocks = _PASSES * _block_cost(width) + 4.0 * width * dense**2
    return plan.groups * blocks + rows * (_PASSES * a_pass + once) + float(dense) ** 3


def _block_cost(width: int) -> float:
    return _BLOCK + 45.0 * width**3 if width > 1 else 0.0
