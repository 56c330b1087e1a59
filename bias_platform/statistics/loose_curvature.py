"""Half the second derivative of log|H| in beta for designs laid out by rows."""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from bias_platform.statistics.arrays import FloatArray, bin_sums
from bias_platform.statistics.evaluation import Evaluation
from bias_platform.statistics.fine_terms import FineFactor
from bias_platform.statistics.loose_layout import LooseLayout, sparse_sums
from bias_platform.statistics.row_columns import RowColumns


class _Part(NamedTuple):
    """Some groups, their rows, and what belongs to them."""

    groups: slice
    rows: slice
    fine: FineFactor
    rooted: FloatArray
    """G, (width, rows)."""
    slope: FloatArray
    """J, (rows, p)."""


def loose_curvature(layout: LooseLayout, found: Evaluation, answer: FloatArray, between_budget: float) -> FloatArray:
    """(p, p): see `curvature`.

    Args:
        answer: how the scaled dense effects follow beta, (dense, p).
        between_budget: operations that the part between groups may cost before it is left out.
    """
    first, outer = found.outer_weights()
    p = layout.n_fixed
    work = 2.0 * p * (layout.groups * layout.width * layout.dense**2 + 30.0 * len(outer) * layout.width)
    sums = np.zeros((p, layout.dense, layout.dense)) if layout.dense and work < between_budget else None
    total, squares = np.zeros((p, p)), np.zeros((p, p))
    for groups, rows in layout.row_chunks(layout.width * layout.dense, layout.width + p):
        part = _part(layout, found, answer, groups, rows)
        total += part.slope.T @ (part.slope * outer[rows, None])
        part.slope[:] *= first[rows, None]
        if layout.dense:
            crossed = layout.crossed(part.rooted, part.fine, groups, rows)
            squares += _pairs(layout, found, part, crossed, between_too=sums is not None)
            if sums is not None:
                _add_sums(layout, part, crossed, sums)
        else:
            squares += _block_pairs(layout, part)
    if sums is not None:
        moved = found.dense_covariance @ sums
        squares += moved.reshape(p, -1) @ moved.transpose(0, 2, 1).reshape(p, -1).T
    return total - 0.5 * squares


def _part(layout: LooseLayout, found: Evaluation, answer: FloatArray, groups: slice, rows: slice) -> _Part:
    fixed = layout.patterns[layout.pattern[rows]]
    for column, entry in layout.crossed_columns.rows(rows):
        fixed = fixed - (answer[column] if entry is None else answer[column] * entry[:, None])
    fine, root = found.blocks.fine.part(rows), found.blocks.root[groups]
    rooted = layout.rooted(root, fine, groups, rows)
    slope = fine.remaining(np.ascontiguousarray(fixed.T)).T
    sums = layout.rooted_sums(root, slope * fine.weights[:, None], groups, rows)
    group = layout.group[rows] - groups.start
    for k in range(layout.width):
        slope = slope - rooted[k, :, None] * sums[group, k]
    return _Part(groups, rows, fine, rooted, slope)


def _group_rows(layout: LooseLayout, part: _Part) -> list[tuple[int, slice]]:
    """Position within the chunk and rows within the chunk of each group."""
    starts = layout.starts[part.groups.start : part.groups.stop + 1] - part.rows.start
    return [(k, slice(int(starts[k]), int(starts[k + 1]))) for k in range(len(starts) - 1)]


def _block_pairs(layout: LooseLayout, part: _Part) -> FloatArray:
    """Sum over groups of slope'(V o V) slope where nothing is crossed."""
    if layout.width == 1 and not part.fine.runs:
        group = layout.group[part.rows] - part.groups.start
        sums = np.zeros((part.groups.stop - part.groups.start, part.slope.shape[1]))
        np.add.at(sums, group, part.slope * part.rooted.T**2)
        total: FloatArray = sums.T @ sums
        return total
    squares = np.zeros((part.slope.shape[1],) * 2)
    for _, rows in _group_rows(layout, part):
        within = part.rooted[:, rows].T @ part.rooted[:, rows] + part.fine.covariance(rows)
        squares += part.slope[rows].T @ ((within * within) @ part.slope[rows])
    return squares


def _pairs(
    layout: LooseLayout, found: Evaluation, part: _Part, crossed: FloatArray, *, between_too: bool
) -> FloatArray:
    """Sum over groups of slope'(V o V) slope, less the part that the sum over all pairs brings again."""
    covariance = found.dense_covariance
    carried = (crossed.reshape(-1, layout.dense) @ covariance).reshape(crossed.shape)
    felt = part.fine.remaining(layout.carried_rows(carried, part.groups, part.rows))
    inner = carried @ crossed.transpose(0, 2, 1)
    columns = layout.crossed_columns.rows(part.rows)
    squares = np.zeros((part.slope.shape[1],) * 2)
    for k, rows in _group_rows(layout, part):
        here, mine = part.rooted[:, rows], part.slope[rows]
        through = here.T @ (inner[k] @ here - felt[:, rows]) - felt[:, rows].T @ here
        between = _between(columns.rows(rows), covariance)
        absorbed = part.fine.covariance(rows)
        if part.fine.runs:
            remaining = np.eye(len(mine)) - absorbed * part.fine.weights[rows]
            between = remaining @ between @ remaining.T
        through += between
        within = through + here.T @ here + absorbed
        kernel = within * within - through * through if between_too else within * within
        squares += mine.T @ (kernel @ mine)
    return squares


def _add_sums(layout: LooseLayout, part: _Part, crossed: FloatArray, sums: FloatArray) -> None:
    """Add Psi_i = sum of slope_i rho rho' over rows, rho the dense effects as a row feels them."""
    columns, dense = layout.crossed_columns.rows(part.rows), layout.dense
    group, count = layout.group[part.rows] - part.groups.start, part.groups.stop - part.groups.start
    direct = _remaining_dense(part.fine, columns)
    flat = crossed.reshape(-1, dense)
    for i in range(part.slope.shape[1]):
        scaled = part.rooted * part.slope[:, i]
        felt = layout.group_sums(layout.crossed_columns, part.fine.remaining_transposed(scaled), part.groups, part.rows)
        inner = np.stack([[bin_sums(group, one * other, count) for other in part.rooted] for one in scaled])
        half = flat.T @ (felt - 0.5 * (inner.transpose(2, 0, 1) @ crossed)).reshape(-1, dense)
        sums[i] -= half + half.T
        sums[i] += (direct.T @ (direct * part.slope[:, i, None])).toarray()


def _between(columns: RowColumns, covariance: FloatArray) -> FloatArray:
    """Z_D covariance Z_D' between some rows."""
    total = np.zeros((columns.at.shape[1],) * 2)
    for one, entry in columns:
        for other, their in columns:
            found = covariance[one[:, None], other[None, :]]
            found = found if entry is None else found * entry[:, None]
            total += found if their is None else found * their
    return total


def _remaining_dense(fine: FineFactor, columns: RowColumns) -> sparse.csr_array:
    """N Z_D of some rows, (rows, dense)."""
    matrix = columns.matrix()
    for run, root in zip(fine.runs, fine.roots, strict=True):
        felt = sparse_sums(run, columns, fine.weights * root)
        matrix = matrix - felt[run.level].multiply(root[:, None])
    return sparse.csr_array(matrix)
