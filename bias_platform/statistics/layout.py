"""Where the numbers of a mixed model lie, and the products with X and Z that follow from it.

Two layouts do the same job. `GridLayout`: X, the dense levels and the columns of a block depend only on a
row's *cell* (such as persona x template x system), and nearly every group has every cell: arrays are
(groups, cells). `LooseLayout`: anything else; arrays are (rows,) and products are bincounts.

Names used throughout: ``Z_F`` random columns of the fine terms, ``Z_L`` those inside the blocks (``width`` a group),
``Z_D`` the dense ones; ``T`` turns standardised random effects into effects (see `scales`; diagonal, the standard
deviation of each column, where no term has several effects). ``M`` and ``N`` are what the fine terms leave of the
weights and of a shift (see `fine_terms`); ``A = I + T'Z_L'M Z_L T = L L'`` are the blocks, ``root`` is L^-1 T', and
``G = L^-1 T'Z_L'N'`` the *rooted* block columns of the rows, so that the posterior covariance of the rows' predictor is
``P + G'G`` before the dense part and V after it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import NamedTuple

import numpy as np

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.design import Design
from bias_platform.statistics.elimination import Elimination
from bias_platform.statistics.fine_terms import FineFactor, Runs
from bias_platform.statistics.threshold_gaps import ThresholdGaps

_NO_TRIALS = 1e-300
_CHUNK_NUMBERS = 260_000
"""Numbers in one block of work (2 MB): it should stay in the cache."""


class CrossInformation(NamedTuple):
    """What is left of Z_D'WZ_D, Z_D'WX and X'WX after fine terms and blocks are eliminated; scales not applied."""

    dense: FloatArray
    dense_fixed: FloatArray
    fixed: FloatArray


class Coupling(NamedTuple):
    """What block and dense columns have in common, without fine terms; scales not applied."""

    between: FloatArray
    """Z_L'W Z_D, (groups, width, dense)."""
    dense: FloatArray
    """Z_D'W Z_D, (dense, dense)."""


class Leverage(NamedTuple):
    """What the posterior covariance V of the rows' predictor says of rows, blocks and fine terms."""

    values: FloatArray
    """diag V by row."""
    crossed: FloatArray
    """(groups, width, width): what the dense part adds between L^-1 and its transpose to a block's covariance."""
    coarsest: float
    """Sum over levels z of the coarsest fine term of z'(W - W V W)z; 0 without fine terms."""


class Layout(ABC):
    """Products with X, Z_F, Z_L and Z_D; ``rows`` are arrays of one number a row in the layout's own shape."""

    trials: FloatArray
    successes: FloatArray
    fine: tuple[Runs, ...]
    """Runs of each fine term on the last axis of an array of rows, finest first."""

    def __init__(self, design: Design, plan: Elimination) -> None:
        self.plan = plan
        self.groups = plan.groups
        self.width = plan.local.width
        self.dense = plan.dense.width
        self.patterns = design.fixed.patterns
        self.n_fixed = design.n_fixed
        self.shape = design.shape
        self.gaps = ThresholdGaps.none(design.n_fixed) if design.gaps is None else design.gaps
        self.origin = design.origin
        self.components = len(design.components)
        self.local_component = np.repeat(np.asarray(plan.local.index, dtype=np.int64), plan.local.sizes)
        self.dense_component = np.repeat(np.asarray(plan.dense.index, dtype=np.int64), plan.dense.sizes)

    @abstractmethod
    def at_distinct_rows(self, rows: FloatArray) -> FloatArray:
        """Values of the design's distinct rows (distinct rows,)."""

    @abstractmethod
    def spread_fixed(self, beta: FloatArray) -> FloatArray:
        """X beta, broadcastable to an array of rows."""

    @abstractmethod
    def fixed_of(self, beta: FloatArray) -> Callable[[slice], FloatArray]:
        """X beta of slices of the first axis of an array of rows, broadcastable to them."""

    @cached_property
    def divisor(self) -> FloatArray:
        """Trials to divide by: next to nothing where a cell has none."""
        return self.trials if self.trials.min() > 0 else np.maximum(self.trials, _NO_TRIALS)

    @abstractmethod
    def spread_local(self, local: FloatArray) -> FloatArray:
        """Z_L local, with local (groups, width)."""

    @abstractmethod
    def spread_dense(self, dense: FloatArray) -> FloatArray:
        """Z_D dense, broadcastable to an array of rows."""

    @abstractmethod
    def sum_fixed(self, rows: FloatArray) -> FloatArray:
        """X' rows, (p,)."""

    @abstractmethod
    def sum_local(self, rows: FloatArray) -> FloatArray:
        """Z_L' rows, (groups, width)."""

    @abstractmethod
    def sum_dense(self, rows: FloatArray) -> FloatArray:
        """Z_D' rows, (dense,)."""

    @abstractmethod
    def local_gram(self, fine: FineFactor) -> FloatArray:
        """Z_L'M Z_L, (groups, width, width)."""

    def coupling(self, weights: FloatArray) -> Coupling | None:
        """Products of block and dense columns where working with them is cheaper than with rows; None elsewhere."""
        del weights
        return None

    @abstractmethod
    def dense_information(self, root: FloatArray, fine: FineFactor) -> FloatArray:
        """Z_D'(M - W G'G W)Z_D, (dense, dense)."""

    @abstractmethod
    def cross_information(self, root: FloatArray, fine: FineFactor) -> CrossInformation:
        """As `dense_information`, with X beside Z_D."""

    @abstractmethod
    def leverage(self, root: FloatArray, fine: FineFactor, covariance: FloatArray) -> Leverage:
        """Summary of V; ``covariance`` (dense, dense) is T S^-1 T' of the dense part."""

    def chunks(self, numbers: int) -> Iterator[slice]:
        """Slices of groups that fit the cache at so many numbers a group."""
        return self.chunks_of(_CHUNK_NUMBERS, numbers)

    def chunks_of(self, most: int, numbers: int) -> Iterator[slice]:
        """Slices of groups of at most so many numbers, at so many a group."""
        step = max(1, most // max(1, numbers))
        for start in range(0, self.groups, step):
            yield slice(start, min(start + step, self.groups))
