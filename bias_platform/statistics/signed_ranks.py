"""Wilcoxon's signed-rank test of paired scores, by its normal approximation, with the matched-pairs rank-biserial.

Under no difference each rank has either sign with equal chance, so W has the variance of sum(rank^2) / 4, which is the
usual formula with its correction for ties. No continuity correction unless asked for.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import norm, rankdata

from bias_platform.statistics.arrays import BoolArray, FloatArray, IntArray
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.pair_tables import column_pairs, named_pairs

_DIGITS = 9
_TIE = 0.5e-9
"""Differences that part only in later digits are tied: what is left of them is rounding."""
ZERO_METHODS = ("wilcox", "pratt", "zsplit")


class SignedRankTests(NamedTuple):
    """(P,) each, one a pair of columns."""

    pairs: IntArray
    """(P, 2) positions of columns."""
    statistic: FloatArray
    """The smaller of the sums of positive and of negative ranks."""
    z: FloatArray
    """Above 0 where the second column is larger."""
    p: FloatArray
    """Two-sided; 1 where all differences are zero, NaN without items."""
    rank_biserial: FloatArray
    """From -1 to 1, above 0 where the second column is larger: ranks of differences above zero less those below, over
    all of them (Kerby, 2014); zero differences are left out. 0 where all are zero."""
    items: IntArray
    """With both scores."""
    zeros: IntArray
    """Items without a difference."""
    identical: BoolArray
    """Whether no item differs: then p is 1."""

    def frame(self, names: Sequence[str]) -> pd.DataFrame:
        """One row a pair, columns called by their names in ``first_column`` and ``second_column``."""
        found = {name: getattr(self, name) for name in self._fields if name != "pairs"}
        return pd.DataFrame(named_pairs(self.pairs, names) | found)


def signed_rank_tests(
    columns: ArrayLike,
    pairs: ArrayLike | Sequence[tuple[int, int]] | None = None,
    *,
    zero_method: str = "wilcox",
    continuity: bool = False,
) -> SignedRankTests:
    """Tests of pairs of columns of scores, second less first, on the items that have both.

    Args:
        columns: (items, k) scores; NaN missing.
        pairs: (P, 2) positions of columns; None: all of them, each once.
        zero_method: ``wilcox`` leaves differences of zero out before ranking, ``pratt`` after it, ``zsplit`` gives half
            of their ranks to either sign.
        continuity: moves W half a rank towards its mean.

    Raises:
        ModelError: scores that are no table of numbers, infinite scores, a column that is not there, unknown words.

    >>> found = signed_rank_tests([[1.0, 2.0], [2.0, 2.5], [3.0, 2.8], [4.0, 4.0]])
    >>> found.statistic.tolist(), found.rank_biserial.round(4).tolist(), found.zeros.tolist()
    ([1.0], [0.6667], [1])
    """
    if zero_method not in ZERO_METHODS:
        raise ModelError(f"Unknown zero method {zero_method!r}: choose one of {', '.join(ZERO_METHODS)}.")
    scores = _scores(columns)
    which = column_pairs(scores.shape[1], pairs)
    apart = scores[:, which[:, 1]] - scores[:, which[:, 0]]
    apart = np.where(np.abs(apart) < _TIE, 0.0, apart)
    missing, zero = np.isnan(apart), apart == 0.0
    size = np.where(missing, np.inf, np.round(np.abs(apart), _DIGITS))  # missing ones rank last and so move no other
    place = np.asarray(rankdata(size, axis=0), dtype=float)
    zeros, items = zero.sum(axis=0), (~missing).sum(axis=0)
    without = np.where(missing | zero, 0.0, place - zeros)  # zeros have the lowest ranks
    kept = without if zero_method == "wilcox" else np.where(missing | (zero & (zero_method == "pratt")), 0.0, place)
    split = np.where(zero, kept, 0.0).sum(axis=0) / 2.0
    up, down = (np.where(side, kept, 0.0).sum(axis=0) + split for side in (apart > 0, apart < 0))
    shift = (up - down) / 2.0
    if continuity:
        shift = np.sign(shift) * np.maximum(np.abs(shift) - 0.5, 0.0)
    identical = (zeros == items) & (items > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = np.where(identical, 0.0, shift / np.sqrt((kept**2).sum(axis=0) / 4.0))
        biserial = np.where(identical, 0.0, (np.sign(np.nan_to_num(apart)) * without).sum(axis=0) / without.sum(axis=0))
    return SignedRankTests(which, np.minimum(up, down), z, 2.0 * norm.sf(np.abs(z)), biserial, items, zeros, identical)


def _scores(columns: ArrayLike) -> FloatArray:
    try:
        scores = np.asarray(columns, dtype=float)
    except (TypeError, ValueError) as problem:
        raise ModelError("Scores must be a table of numbers, items by columns.") from problem
    if scores.ndim != 2 or np.isinf(scores).any():
        raise ModelError(f"Scores must be a table of finite numbers or NaN, items by columns, not {scores.shape}.")
    return scores
