"""What every comparison of a reading is made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from bias_platform.analysis.answers import Answers
from bias_platform.analysis.comparisons import FloatArray, PairedGaps
from bias_platform.analysis.item_cube import ItemCube, build_cube
from bias_platform.analysis.paired_wording import PairedWording, paired_wording
from bias_platform.analysis.readings import READING, Reading
from bias_platform.analysis.scoped_means import ScopedMeans
from bias_platform.catalog.entries import AnalysisSettings
from bias_platform.schemas.results import BEYOND_WORDING, THESE_WORDINGS

Combination = list[tuple[float, str, str]]
"""Cells that are summed: (weight, persona, system)."""


@dataclass(frozen=True)
class Material:
    """What every comparison of one reading is made from."""

    answers: Answers
    cube: ItemCube
    wording: PairedWording
    settings: AnalysisSettings
    reading: Reading
    means: Mapping[str, ScopedMeans] = field(default_factory=dict)
    """Log-odds of model A by scope; a scope without a model that may be used is absent."""

    @property
    def scopes(self) -> list[str]:
        """`beyond wording` needs a system with at least two wordings that have outcomes."""
        several = bool(np.isfinite(self.wording.variance).any())
        return [THESE_WORDINGS, BEYOND_WORDING] if several else [THESE_WORDINGS]

    def cell(self, persona: str, system: str) -> FloatArray:
        """(items,): Yes share or mean margin of each item."""
        return self.cube.mean[:, self.cube.persona(persona), self.cube.system(system)]

    def gaps(self, scope: str, cells: list[Combination]) -> PairedGaps:
        """Item-paired combinations."""
        columns = [sum(w * self.cell(p, s) for w, p, s in combination) for combination in cells]
        positions = [[self.cube.system(s) for _, _, s in combination] for combination in cells]
        added = np.zeros((len(cells), len(cells)))
        if scope == BEYOND_WORDING:
            added = self._wording_covariance(cells)
        df = np.array([self.wording.df[at].min() for at in positions])
        weight = max(sum(abs(w) for w, _, _ in combination) for combination in cells) / 2
        bound = self.reading.largest * weight
        return PairedGaps(np.column_stack(columns), added, df, bound, self.reading.rounding)

    def _wording_covariance(self, cells: list[Combination]) -> FloatArray:
        """(k, k): combinations that share a persona, such as the control, share what its wordings do."""
        weights = np.zeros((len(cells), len(self.cube.personas), len(self.cube.systems)))
        for row, combination in enumerate(cells):
            for sign, persona, system in combination:
                weights[row, self.cube.persona(persona), self.cube.system(system)] += sign
        moved = weights @ np.nan_to_num(self.wording.covariance)
        covariance = np.tensordot(moved, weights, axes=([1, 2], [1, 2]))
        np.fill_diagonal(covariance, [self._wording_variance(combination) for combination in cells])
        return covariance

    def _wording_variance(self, combination: Combination) -> float:
        """What other wordings add: personas have wordings of their own, the systems share them."""
        weights: dict[str, FloatArray] = {}
        for sign, persona, system in combination:
            weights.setdefault(persona, np.zeros(len(self.cube.systems)))[self.cube.system(system)] += sign
        total = 0.0
        for weight in weights.values():
            used = np.flatnonzero(weight)
            total += float(weight[used] @ self.wording.covariance[np.ix_(used, used)] @ weight[used])
        return total if np.isnan(total) else max(0.0, total)


def gather(
    answers: Answers,
    reading: str,
    settings: AnalysisSettings,
    cube: ItemCube | None = None,
    means: Mapping[str, ScopedMeans] | None = None,
) -> Material:
    """The material of one reading; `cube` where it was built before, `means` where a model was fitted."""
    cube = build_cube(answers, reading) if cube is None else cube
    return Material(answers, cube, paired_wording(answers, reading), settings, READING[reading], means or {})
