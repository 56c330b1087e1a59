"""The layout of studies in which nearly every group has every cell: arrays are (groups, cells)."""

from collections.abc import Callable

import numpy as np
from scipy import sparse

from bias_platform.statistics.arrays import FloatArray, IntArray, bin_sums
from bias_platform.statistics.design import Design
from bias_platform.statistics.elimination import Elimination, Terms
from bias_platform.statistics.fine_terms import (
    FineFactor,
    coarsest_information,
    fine_quadratic,
    product_with,
    runs_of,
)
from bias_platform.statistics.layout import CrossInformation, Layout, Leverage


class GridLayout(Layout):
    """Arrays are (groups, cells); cells that a group lacks have no trials."""

    def __init__(self, design: Design, plan: Elimination, cell: IntArray, first: IntArray) -> None:
        """``cell`` of each distinct row, numbered so that fine levels are runs, and the first row of each cell."""
        super().__init__(design, plan)
        self.cells = len(first)
        self.place = plan.group * self.cells + cell
        shape = (self.groups, self.cells)
        size = self.groups * self.cells
        self.trials = bin_sums(self.place, design.trials, size).reshape(shape)
        self.successes = bin_sums(self.place, design.successes, size).reshape(shape)
        self.fixed_rows = design.fixed.patterns[design.pattern[first]]
        self.fine = tuple(runs_of(codes) for codes in plan.fine.level[first].T)
        self.neighbours = tuple(one.neighbours for one in self.fine)
        columns, entries = plan.local.columns[first], _entries(plan.local, first)
        self.local_rows = _rows(columns, entries, self.width)
        self.pair_sums = _sums(
            columns[:, :, None] * self.width + columns[:, None, :],
            entries[:, :, None] * entries[:, None, :],
            self.width**2,
        )
        self.fine_sums = tuple(
            _sums(columns * len(one.starts) + one.level[:, None], entries, self.width * len(one.starts))
            for one in self.fine
        )
        self.dense_sums = _sums(plan.dense.columns[first], _entries(plan.dense, first), self.dense)
        self.dense_rows = sparse.csr_array(self.dense_sums.T)
        self.one_intercept = self.width == 1 and plan.local.values[0] is None

    def at_distinct_rows(self, rows: FloatArray) -> FloatArray:
        values: FloatArray = rows.ravel()[self.place]
        return values

    def spread_fixed(self, beta: FloatArray) -> FloatArray:
        spread: FloatArray = self.fixed_rows @ beta
        return spread

    def fixed_of(self, beta: FloatArray) -> Callable[[slice], FloatArray]:
        whole = self.spread_fixed(beta)
        return lambda _: whole

    def spread_local(self, local: FloatArray) -> FloatArray:
        if self.one_intercept:
            return np.repeat(local, self.cells, axis=1)
        spread: FloatArray = local @ self.local_rows.T
        return spread

    def spread_dense(self, dense: FloatArray) -> FloatArray:
        spread: FloatArray = self.dense_rows @ dense
        return spread

    def sum_fixed(self, rows: FloatArray) -> FloatArray:
        total: FloatArray = rows.sum(axis=0) @ self.fixed_rows
        return total

    def sum_local(self, rows: FloatArray) -> FloatArray:
        if self.one_intercept:
            return np.add.reduce(rows, axis=1, keepdims=True)
        total: FloatArray = rows @ self.local_rows
        return total

    def sum_dense(self, rows: FloatArray) -> FloatArray:
        total: FloatArray = self.dense_sums @ rows.sum(axis=0)
        return total

    def local_gram(self, fine: FineFactor) -> FloatArray:
        gram = _by_group(self.pair_sums, fine.weights, (self.width, self.width))
        for sums, one, root in zip(self.fine_sums, fine.runs, fine.roots, strict=True):
            absorbed = _by_group(sums, fine.weights * root, (self.width, len(one.starts)))
            gram -= absorbed @ absorbed.transpose(0, 2, 1)
        return gram

    def rooted(self, root: FloatArray, fine: FineFactor) -> FloatArray:
        """G of some groups, (groups, width, cells)."""
        stacked = root.reshape(-1, self.width) @ self.local_rows.T
        return fine.under_columns().remaining(stacked.reshape(-1, self.width, self.cells))

    def cell_information(self, root: FloatArray, fine: FineFactor) -> FloatArray:
        """Sum over groups of M - W G'G W between cells, (cells, cells)."""
        explained = np.zeros((self.cells, self.cells))
        for part in self.chunks(self.width * self.cells):
            here = fine.of_groups(part)
            rooted = self.rooted(root[part], here) * here.weights[:, None]
            flat = rooted.reshape(-1, self.cells)
            explained += flat.T @ flat
        for neighbours, one in zip(self.neighbours, fine.roots, strict=True):
            weighted = fine.weights * one
            explained += neighbours * (weighted.T @ weighted)
        information = -explained
        information[np.diag_indices(self.cells)] += fine.weights.sum(axis=0)
        return information

    def dense_information(self, root: FloatArray, fine: FineFactor) -> FloatArray:
        if self.dense == 0:
            return np.zeros((0, 0))
        return self._to_dense(self.cell_information(root, fine))

    def _to_dense(self, information: FloatArray) -> FloatArray:
        half = self.dense_sums @ information
        full: FloatArray = np.asarray(self.dense_sums @ np.ascontiguousarray(half.T))
        return full

    def cross_information(self, root: FloatArray, fine: FineFactor) -> CrossInformation:
        information = self.cell_information(root, fine)
        with_fixed = information @ self.fixed_rows
        return CrossInformation(
            dense=self._to_dense(information),
            dense_fixed=np.asarray(self.dense_sums @ with_fixed),
            fixed=self.fixed_rows.T @ with_fixed,
        )

    def cell_covariance(self, covariance: FloatArray) -> FloatArray:
        """Z_D covariance Z_D' between cells."""
        half = self.dense_rows @ covariance
        return np.ascontiguousarray(np.asarray(self.dense_rows @ np.ascontiguousarray(half.T)))

    def leverage(self, root: FloatArray, fine: FineFactor, covariance: FloatArray) -> Leverage:
        between = self.cell_covariance(covariance) if self.dense else None
        near = [] if between is None else [product_with(between * neighbours) for neighbours in self.neighbours]
        values = np.empty(self.trials.shape)
        crossed = np.zeros((self.groups, self.width, self.width))
        coarsest = 0.0
        for part in self.chunks(self.width * self.cells):
            here = fine.of_groups(part)
            rooted = self.rooted(root[part], here)
            outer, carried = rooted, None
            values[part] = sum(one * one for one in here.roots)
            if between is not None:
                weighted = (rooted * here.weights[:, None]).reshape(-1, self.cells)
                carried = (weighted @ between).reshape(rooted.shape)
                crossed[part] = carried @ weighted.reshape(rooted.shape).transpose(0, 2, 1)
                outer = rooted + crossed[part] @ rooted
                values[part] += fine_quadratic(here, np.diag(between), near)
                values[part] -= 2.0 * np.einsum("gwc,gwc->gc", rooted, here.under_columns().remaining(carried))
            values[part] += np.einsum("gwc,gwc->gc", rooted, outer)
            coarsest += coarsest_information(here, rooted, outer, carried, near)
        return Leverage(values, crossed, coarsest)


def _by_group(sums: sparse.csr_array, rows: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """Sums of (groups, cells) within each group, (groups, *shape)."""
    total = sums @ np.ascontiguousarray(rows.T)
    return np.ascontiguousarray(total.T).reshape(-1, *shape)


def _entries(terms: Terms, rows: IntArray) -> FloatArray:
    """Entries of some rows in the columns of components, (rows, components)."""
    entries = np.ones((len(rows), len(terms.values)))
    for k, values in enumerate(terms.values):
        if values is not None:
            entries[:, k] = values[rows]
    return entries


def _rows(columns: IntArray, entries: FloatArray, width: int) -> FloatArray:
    rows = np.zeros((len(columns), width))
    np.put_along_axis(rows, columns, entries, axis=1)
    return rows


def _sums(bins: IntArray, entries: FloatArray, size: int) -> sparse.csr_array:
    """The matrix (size, cells) that sums cells times their entries by their bins (cells, ...)."""
    cells = np.repeat(np.arange(len(bins)), bins[0].size)
    return sparse.csr_array((entries.ravel(), (bins.ravel(), cells)), shape=(size, len(bins)))
