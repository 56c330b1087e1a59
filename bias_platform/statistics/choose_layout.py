"""Which terms are eliminated, and which of the two layouts holds the arrays: whatever costs least."""

from bias_platform.statistics.arrays import IntArray, combine_codes
from bias_platform.statistics.design import Design
from bias_platform.statistics.elimination import Elimination, elimination_plans
from bias_platform.statistics.grid_layout import GridLayout
from bias_platform.statistics.layout import Layout
from bias_platform.statistics.loose_layout import LooseLayout

LEAST_FILL = 0.45
"""Share of cells that must be seen for a full grid to be worth its zeros."""
MOST_CELLS = 3000


def lay_out(design: Design) -> Layout:
    """The cheapest layout for a design.

    Raises:
        ModelError: two crossed factors have too many levels.
    """
    options: list[tuple[float, Elimination, tuple[IntArray, IntArray] | None]] = []
    for plan in elimination_plans(design):
        cell, first = combine_codes([design.pattern, *plan.dense_level.T, *plan.local_level.T])
        options.append((_loose_cost(plan), plan, None))
        cells = len(first)
        if cells <= MOST_CELLS and len(cell) >= LEAST_FILL * cells * plan.groups:
            options.append((_grid_cost(plan, cells), plan, (cell, first)))
    _, plan, grid = min(options, key=lambda option: option[0])
    return LooseLayout(design, plan) if grid is None else GridLayout(design, plan, *grid)


def _grid_cost(plan: Elimination, cells: int) -> float:
    """Floating point operations of one evaluation, roughly; a full grid is nothing but matrix products."""
    width, crossed = plan.width, cells if plan.dense else 0
    blocks = plan.groups * (4.0 * width**3 + 3.0 * width * crossed**2 + 100.0 * cells)
    return blocks + float(plan.dense) ** 3


def _loose_cost(plan: Elimination) -> float:
    """The same for bincounts, which cost some sixty operations a row and pair of terms."""
    width, rows = plan.width, len(plan.group)
    pairs = len(plan.local_terms) * (len(plan.local_terms) + 2 * len(plan.dense_terms) + 1)
    blocks = plan.groups * (4.0 * width**3 + 3.0 * width * plan.dense**2)
    return blocks + 300.0 * rows * (pairs + width) + float(plan.dense) ** 3
