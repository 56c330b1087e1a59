"""Where the numbers of a mixed model lie, and the products with X and Z that follow from it.

Two layouts do the same job. `GridLayout`: X, the dense levels and the columns of a block depend only on a
row's *cell* (such as persona x template x system), and nearly every group has every cell: arrays are
(groups, cells). `LooseLayout`: anything else; arrays are (rows,) and products are bincounts.

Names used throughout: ``Z_L`` random columns inside the blocks (``width`` a group), ``Z_D`` the dense ones,
``lam`` the standard deviation belonging to each column. The *basis* is the space in which the crossed part is
accumulated: cells in a grid (which then serves X and the dense block at once), dense columns otherwise.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.design import Design
from bias_platform.statistics.elimination import Elimination

_CHUNK_NUMBERS = 260_000
"""Numbers in one block of work (2 MB): about 16 items of a study with 34 columns and 420 cells."""


class CrossInformation(NamedTuple):
    """What is left of Z_D'WZ_D, Z_D'WX and X'WX after the blocks are eliminated; scales not applied."""

    dense: FloatArray
    dense_fixed: FloatArray
    fixed: FloatArray


class Layout(ABC):
    """Products with X, Z_L and Z_D; ``values`` are arrays of one number a row in the layout's own shape."""

    trials: FloatArray
    successes: FloatArray

    def __init__(self, design: Design, plan: Elimination) -> None:
        self.plan = plan
        self.groups = plan.groups
        self.width = plan.width
        self.dense = plan.dense
        self.n_fixed = design.n_fixed
        self.local_term = np.repeat(np.asarray(plan.local_terms, dtype=np.int64), plan.local_sizes)
        self.dense_term = np.repeat(np.asarray(plan.dense_terms, dtype=np.int64), plan.dense_sizes)

    @property
    @abstractmethod
    def basis(self) -> int:
        """Size of the basis."""

    @abstractmethod
    def predictor(self, beta: FloatArray, local: FloatArray, dense: FloatArray) -> FloatArray:
        """X beta + Z_L local + Z_D dense; local is (groups, width), dense is (dense,), both scaled."""

    @abstractmethod
    def spread_local(self, local: FloatArray) -> FloatArray:
        """Z_L local."""

    @abstractmethod
    def spread_dense(self, dense: FloatArray) -> FloatArray:
        """Z_D dense."""

    @abstractmethod
    def sum_fixed(self, values: FloatArray) -> FloatArray:
        """X' values."""

    @abstractmethod
    def sum_local(self, values: FloatArray) -> FloatArray:
        """Z_L' values, (groups, width)."""

    @abstractmethod
    def sum_dense(self, values: FloatArray) -> FloatArray:
        """Z_D' values, (dense,)."""

    @abstractmethod
    def local_gram(self, values: FloatArray) -> FloatArray:
        """Z_L' diag(values) Z_L, (groups, width, width)."""

    @abstractmethod
    def dense_information(self, root: FloatArray, weights: FloatArray) -> FloatArray:
        """Z_D'(W - W Z_L A^-1 Z_L' W)Z_D, where ``root`` (groups, width, width) is L^-1 lam."""

    @abstractmethod
    def cross_information(self, root: FloatArray, weights: FloatArray) -> CrossInformation:
        """As `dense_information`, with X beside Z_D."""

    @abstractmethod
    def leverage(self, root: FloatArray, weights: FloatArray, covariance: FloatArray) -> tuple[FloatArray, FloatArray]:
        """diag(Z V Z') by row, and the crossed part (groups, width, width) of the block covariances.

        ``covariance`` (dense, dense) is lam S^-1 lam of the dense part.
        """

    def chunks(self, columns: int) -> Iterator[slice]:
        """Slices of groups whose (groups, width, columns) array fits the cache."""
        step = max(1, _CHUNK_NUMBERS // max(1, self.width * columns))
        for start in range(0, self.groups, step):
            yield slice(start, min(start + step, self.groups))
