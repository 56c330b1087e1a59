"""Half the second derivative of log|H| in beta for designs laid out by rows."""

import numpy as np

from bias_platform.statistics.arrays import FloatArray, bin_sums
from bias_platform.statistics.evaluation import Evaluation
from bias_platform.statistics.loose_layout import LooseLayout

_BETWEEN_BUDGET = 3e10
"""Operations that the part between groups may cost before it is left out."""


def loose_curvature(layout: LooseLayout, found: Evaluation, answer: FloatArray) -> FloatArray:
    """(p, p): see `curvature`.

    Args:
        answer: how the scaled dense effects follow beta, (dense, p).
    """
    weights, mean = found.point.weights, found.point.mean
    first = weights * (1.0 - 2.0 * mean)
    second = weights * (1.0 - 6.0 * mean * (1.0 - mean))
    outer = 0.5 * found.leverage * second - first * found.pull
    p = layout.n_fixed
    work = 2.0 * p * (layout.groups * layout.width * layout.dense**2 + 30.0 * len(outer) * layout.width)
    sums = np.zeros((p, layout.dense, layout.dense)) if layout.dense and work < _BETWEEN_BUDGET else None
    total, squares = np.zeros((p, p)), np.zeros((p, p))
    for part, rows in layout.row_chunks(layout.dense + layout.width + p):
        slope, rooted = _slopes(layout, found, answer, part, rows)
        total += slope.T @ (slope * outer[rows, None])
        slope *= first[rows, None]
        if layout.dense:
            crossed = layout.crossed(found.blocks.root, weights, part, rows)
            squares += _pairs(
                layout,
                found,
                (part, rows),
                slope=slope,
                rooted=rooted,
                crossed=crossed,
                between_too=sums is not None,
            )
            if sums is not None:
                _add_sums(layout, (part, rows), slope=slope, rooted=rooted, crossed=crossed, sums=sums)
        else:
            squares += _block_pairs(layout, (part, rows), slope, rooted)
    if sums is not None:
        moved = found.dense_covariance @ sums
        squares += moved.reshape(p, -1) @ moved.transpose(0, 2, 1).reshape(p, -1).T
    return total - 0.5 * squares


def _slopes(
    layout: LooseLayout, found: Evaluation, answer: FloatArray, part: slice, rows: slice
) -> tuple[FloatArray, FloatArray]:
    """J (rows, p) and L^-1 lam Z_L' (rows, width)."""
    fixed = layout.patterns[layout.pattern[rows]]
    for column in layout.dense_columns[:, rows]:
        fixed = fixed - answer[column]
    rooted = layout.rooted(found.blocks.root, part, rows)
    weighted = fixed * found.point.weights[rows, None]
    sums = layout.rooted_sums(found.blocks.root, weighted, part, rows)
    group = layout.group[rows] - part.start
    for k in range(layout.width):
        fixed = fixed - rooted[:, k, None] * sums[group, k]
    return fixed, rooted


def _group_rows(layout: LooseLayout, part: slice, rows: slice) -> list[tuple[int, slice]]:
    """Position within the chunk and rows within the chunk of each group."""
    starts = layout.starts[part.start : part.stop + 1] - rows.start
    return [(k, slice(int(starts[k]), int(starts[k + 1]))) for k in range(part.stop - part.start)]


def _block_pairs(layout: LooseLayout, at: tuple[slice, slice], slope: FloatArray, rooted: FloatArray) -> FloatArray:
    """Sum over groups of slope'(K o K) slope where nothing is crossed."""
    if layout.width == 1:
        group = layout.group[at[1]] - at[0].start
        sums = np.zeros((at[0].stop - at[0].start, slope.shape[1]))
        np.add.at(sums, group, slope * rooted**2)
        total: FloatArray = sums.T @ sums
        return total
    squares = np.zeros((slope.shape[1],) * 2)
    for _, rows in _group_rows(layout, *at):
        within = rooted[rows] @ rooted[rows].T
        squares += slope[rows].T @ ((within * within) @ slope[rows])
    return squares


def _pairs(
    layout: LooseLayout,
    found: Evaluation,
    at: tuple[slice, slice],
    *,
    slope: FloatArray,
    rooted: FloatArray,
    crossed: FloatArray,
    between_too: bool,
) -> FloatArray:
    """Sum over groups of slope'(V o V) slope, less the part that the sum over all pairs brings again."""
    covariance = found.dense_covariance
    carried = (crossed.reshape(-1, layout.dense) @ covariance).reshape(crossed.shape)
    carried_rows = layout.carried_rows(carried, *at)
    inner = carried @ crossed.transpose(0, 2, 1)
    columns = layout.dense_columns[:, at[1]]
    squares = np.zeros((slope.shape[1],) * 2)
    for k, rows in _group_rows(layout, *at):
        here, mine = rooted[rows], slope[rows]
        through = here @ (here @ inner[k] - carried_rows[rows]).T - carried_rows[rows] @ here.T
        for one in columns[:, rows]:
            for other in columns[:, rows]:
                through += covariance[one[:, None], other[None, :]]
        within = through + here @ here.T
        kernel = within * within - through * through if between_too else within * within
        squares += mine.T @ (kernel @ mine)
    return squares


def _add_sums(
    layout: LooseLayout,
    at: tuple[slice, slice],
    *,
    slope: FloatArray,
    rooted: FloatArray,
    crossed: FloatArray,
    sums: FloatArray,
) -> None:
    """Add Psi_i = sum of slope_i rho rho' over rows, rho the dense effects as a row feels them."""
    part, rows = at
    columns, dense, width = layout.dense_columns[:, rows], layout.dense, layout.width
    group, count = layout.group[rows] - part.start, part.stop - part.start
    flat = crossed.reshape(-1, dense)
    for i in range(slope.shape[1]):
        scaled = rooted * slope[:, i, None]
        felt = np.zeros((count * width, dense))
        inner = np.zeros((count, width, width))
        for k in range(width):
            for column in columns:
                where = (group * width + k) * dense + column
                felt += bin_sums(where, scaled[:, k], felt.size).reshape(felt.shape)
            for j in range(width):
                inner[:, k, j] = bin_sums(group, scaled[:, k] * rooted[:, j], count)
        half = flat.T @ (felt - 0.5 * (inner @ crossed).reshape(-1, dense))
        sums[i] -= half + half.T
        for one in columns:
            for other in columns:
                sums[i] += bin_sums(one * dense + other, slope[:, i], dense**2).reshape(dense, dense)
