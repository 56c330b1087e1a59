"""How many dimensions random effects and columns of X span together: what degrees of freedom are counted from."""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.linalg import lapack

from bias_platform.statistics.arrays import FloatArray, IntArray, bin_sums
from bias_platform.statistics.groupings import Grouping, joined

_EXACT = 1e9
"""Multiplications that an exact rank may cost (well below a second)."""
_CHUNK = 4_000_000
"""Numbers in the largest array at a time."""
_NOTHING = 1e-9
"""Share of a column's sum of squares below which the columns before it determine it."""


class Slope(NamedTuple):
    """A random slope: within each level, one column with an entry a row."""

    grouping: Grouping
    values: FloatArray
    """(rows,)."""


class FixedColumns(NamedTuple):
    """Columns of X."""

    patterns: FloatArray
    """(patterns, columns): their distinct rows."""
    pattern: IntArray
    """(rows,)."""


def span_rank(groupings: Sequence[Grouping], slopes: Sequence[Slope], fixed: FixedColumns) -> int:
    """Rank of [Z, X], or a little more in designs that are both large and unbalanced.

    With one grouping it is exact, and with several wherever a dense matrix is affordable: the levels of the largest
    grouping, and the rank of what is left of all other columns within its levels. Otherwise it is an upper bound, by
    ``dim(A + B) = dim A + dim B - dim(A and B)``: two groupings have a dimension in common for every connected
    component of the graph of their levels, which is exact; what a third shares with both is at least what it shares
    with each, which is exact where the factors are balanced. A bound from above makes degrees of freedom smaller.

    Args:
        groupings: at least one; none coarser than another one.
        slopes: further columns of Z.
        fixed: columns of X that are independent of each other.
    """
    ordered = sorted(groupings, key=lambda one: -one.size)
    rest = [one.size for one in ordered[1:]] + [one.grouping.size for one in slopes]
    width = sum(rest) + fixed.patterns.shape[1]
    if rest and ordered[0].size * float(width) ** 2 + float(width) ** 3 > _EXACT:
        z = _indicators(ordered) + sum(one.grouping.size for one in slopes)
        return min(z + _left_over(ordered[0], [], fixed), len(fixed.pattern))
    others = [_column_of(one.code, one.size) for one in ordered[1:]]
    others += [_column_of(one.grouping.code, one.grouping.size, one.values) for one in slopes]
    return ordered[0].size + _left_over(ordered[0], others, fixed)


def _indicators(ordered: Sequence[Grouping]) -> int:
    """At least the rank of the indicators of groupings."""
    total = ordered[0].size
    for k, one in enumerate(ordered[1:], start=1):
        common = [joined(one, other) for other in ordered[:k]]
        shared = common[0].size if k == 1 else max(_rank_of_two(a, b) for a, b in combinations(common, 2))
        total += one.size - shared
    return total


def _rank_of_two(one: Grouping, other: Grouping) -> int:
    return one.size + other.size - joined(one, other).size


def _column_of(code: IntArray, size: int, values: FloatArray | None = None) -> sparse.csr_array:
    """(rows, levels)."""
    entries = np.ones(len(code)) if values is None else values
    return sparse.csr_array((entries, (np.arange(len(code)), code)), shape=(len(code), size))


def _left_over(within: Grouping, others: Sequence[sparse.csr_array], fixed: FixedColumns) -> int:
    """Rank of the other columns and X, less their means within the levels of a grouping."""
    seen = np.bincount(fixed.pattern, minlength=len(fixed.patterns)).astype(float)
    centred = fixed.patterns - seen @ fixed.patterns / seen.sum()  # constants lie in every grouping
    levels, patterns = _column_of(within.code, within.size), _column_of(fixed.pattern, len(seen))
    z = sparse.hstack(others, format="csr") if others else sparse.csr_array((len(within.code), 0))
    gram = np.block(
        [
            [(z.T @ z).toarray(), (z.T @ patterns) @ centred],
            [centred.T @ (patterns.T @ z), centred.T @ (seen[:, None] * centred)],
        ]
    )
    length = np.sqrt(np.diag(gram))
    in_levels, in_patterns = sparse.csr_array(levels.T @ z), sparse.csr_array(levels.T @ patterns)
    count = bin_sums(within.code, np.ones(len(within.code)), within.size)
    step = max(1, _CHUNK // max(len(gram), 1))
    for at in range(0, within.size, step):
        some = slice(at, at + step)
        sums = np.column_stack([in_levels[some].toarray(), in_patterns[some] @ centred])
        gram -= sums.T @ (sums / count[some, None])
    return _rank(gram, length)


def _rank(gram: FloatArray, length: FloatArray) -> int:
    """Rank of a Gram matrix, by Cholesky's factor with pivots; ``length`` of the columns before projection."""
    real = np.diag(gram) > _NOTHING * length**2
    if not real.any():
        return 0
    scaled = gram[np.ix_(real, real)] / np.outer(length[real], length[real])
    return int(lapack.dpstrf(scaled, tol=_NOTHING)[2])
