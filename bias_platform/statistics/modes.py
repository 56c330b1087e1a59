"""The random effects of a mixed model, and the way from effects to rows and back."""

from dataclasses import dataclass

import numpy as np

from bias_platform.statistics.arrays import FloatArray, bin_sums
from bias_platform.statistics.layout import Layout


@dataclass(frozen=True)
class Modes:
    """One number a random column, commonly a standardised effect."""

    fine: tuple[FloatArray, ...]
    """(..., levels) of each fine term."""
    local: FloatArray
    """(groups, width)."""
    dense: FloatArray
    """(dense,)."""

    def moved(self, step: "Modes", size: float = 1.0) -> "Modes":
        """self + size * step."""
        fine = tuple(one + size * other for one, other in zip(self.fine, step.fine, strict=True))
        return Modes(fine, self.local + size * step.local, self.dense + size * step.dense)

    def times(self, other: "Modes") -> "Modes":
        """Product, number by number."""
        fine = tuple(one * their for one, their in zip(self.fine, other.fine, strict=True))
        return Modes(fine, self.local * other.local, self.dense * other.dense)

    def dot(self, other: "Modes") -> float:
        """Inner product."""
        fine = sum(float(np.vdot(one, their)) for one, their in zip(self.fine, other.fine, strict=True))
        return fine + float(np.vdot(self.local, other.local) + self.dense @ other.dense)

    def products(self, layout: Layout, other: "Modes") -> FloatArray:
        """(parameters,): for each entry of theta, its row here times its column there, summed over levels."""
        shape = layout.shape
        totals = self.times(other).totals(layout)
        found: FloatArray = totals[shape.row]
        for at in shape.mixed:
            row, column = int(shape.row[at]), int(shape.column[at])
            found[at] = np.vdot(self.of_component(layout, row), other.of_component(layout, column))
        return found

    def of_component(self, layout: Layout, component: int) -> FloatArray:
        """The columns of one component, levels on the last axis."""
        plan = layout.plan
        if component in plan.fine.index:
            return self.fine[plan.fine.index.index(component)]
        inside = component in plan.local.index
        terms, values = (plan.local, self.local) if inside else (plan.dense, self.dense)
        at, offsets = terms.index.index(component), terms.offsets
        return values[..., offsets[at] : offsets[at + 1]]

    def totals(self, layout: Layout) -> FloatArray:
        """Sum over the columns of each component, (components,)."""
        total = bin_sums(layout.local_component, self.local.sum(axis=0), layout.components)
        total += bin_sums(layout.dense_component, self.dense, layout.components)
        for one, component in zip(self.fine, layout.plan.fine.index, strict=True):
            total[component] += one.sum()
        return total

    def counts(self, layout: Layout) -> FloatArray:
        """Number of columns of each component, (components,)."""
        ones = Modes(tuple(map(np.ones_like, self.fine)), np.ones_like(self.local), np.ones_like(self.dense))
        return ones.totals(layout)


def sums(layout: Layout, rows: FloatArray) -> Modes:
    """Z' rows: the sum over the rows of each random column."""
    fine = tuple(one.sums(rows) for one in layout.fine)
    return Modes(fine, layout.sum_local(rows), layout.sum_dense(rows))


def spread(layout: Layout, effects: Modes) -> FloatArray:
    """Z effects: what the random columns add to the predictor of each row."""
    total = layout.spread_local(effects.local)
    if layout.dense:
        total += layout.spread_dense(effects.dense)
    for one, values in zip(layout.fine, effects.fine, strict=True):
        total += one.spread(values)
    return total


def zero_modes(layout: Layout) -> Modes:
    """All random effects zero."""
    return sums(layout, np.zeros_like(layout.trials))
