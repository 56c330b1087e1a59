"""The layout that fits any design: arrays are (rows,), sorted by group, and sums are bincounts."""

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from bias_platform.statistics.arrays import FloatArray, IntArray, bin_sums
from bias_platform.statistics.design import Design
from bias_platform.statistics.elimination import Elimination
from bias_platform.statistics.layout import CrossInformation, Layout


class LooseLayout(Layout):
    """Arrays are (rows,) in order of their groups."""

    def __init__(self, design: Design, plan: Elimination) -> None:
        super().__init__(design, plan)
        order = np.argsort(plan.group, kind="stable")
        self.trials = design.trials[order]
        self.successes = design.successes[order]
        self.group = plan.group[order]
        self.starts = np.searchsorted(self.group, np.arange(self.groups + 1))
        self.patterns = design.fixed.patterns
        self.pattern = design.pattern[order]
        self.local_columns = plan.local_level[order]
        self.local_flat = np.ascontiguousarray((self.group[:, None] * self.width + self.local_columns).T)
        self.dense_columns = np.ascontiguousarray(plan.dense_level[order].T)

    @property
    def basis(self) -> int:
        return self.dense

    def predictor(self, beta: FloatArray, local: FloatArray, dense: FloatArray) -> FloatArray:
        eta: FloatArray = (self.patterns @ beta)[self.pattern]
        eta += self.spread_local(local)
        eta += self.spread_dense(dense)
        return eta

    def spread_local(self, local: FloatArray) -> FloatArray:
        flat = local.ravel()
        total: FloatArray = flat[self.local_flat[0]]
        for at in self.local_flat[1:]:
            total += flat[at]
        return total

    def spread_dense(self, dense: FloatArray) -> FloatArray:
        total = np.zeros(len(self.group))
        for at in self.dense_columns:
            total += dense[at]
        return total

    def sum_fixed(self, values: FloatArray) -> FloatArray:
        total: FloatArray = bin_sums(self.pattern, values, len(self.patterns)) @ self.patterns
        return total

    def sum_local(self, values: FloatArray) -> FloatArray:
        size = self.groups * self.width
        total = np.zeros(size)
        for at in self.local_flat:
            total += bin_sums(at, values, size)
        return total.reshape(self.groups, self.width)

    def sum_dense(self, values: FloatArray) -> FloatArray:
        total = np.zeros(self.dense)
        for at in self.dense_columns:
            total += bin_sums(at, values, self.dense)
        return total

    def local_gram(self, values: FloatArray) -> FloatArray:
        size = self.groups * self.width * self.width
        total = np.zeros(size)
        for at in self.local_flat:
            for column in self.local_columns.T:
                total += bin_sums(at * self.width + column, values, size)
        return total.reshape(self.groups, self.width, self.width)

    def row_chunks(self, columns: int) -> Iterator[tuple[slice, slice]]:
        """Slices of groups and the rows that belong to them."""
        for part in self.chunks(columns):
            yield part, slice(int(self.starts[part.start]), int(self.starts[part.stop]))

    def crossed(self, root: FloatArray, weights: FloatArray, part: slice, rows: slice) -> FloatArray:
        """L^-1 lam Z_L'WZ_D of some groups, (groups in part, width, dense)."""
        count = part.stop - part.start
        size = count * self.width * self.dense
        total = np.zeros(size)
        for local in self.local_flat[:, rows]:
            start = (local - part.start * self.width) * self.dense
            for column in self.dense_columns[:, rows]:
                total += bin_sums(start + column, weights[rows], size)
        product: FloatArray = root[part] @ total.reshape(count, self.width, self.dense)
        return product

    def _dense_total(self, weights: FloatArray) -> FloatArray:
        total = np.zeros(self.dense**2)
        for one in self.dense_columns:
            for other in self.dense_columns:
                total += bin_sums(one * self.dense + other, weights, self.dense**2)
        return total.reshape(self.dense, self.dense)

    def dense_information(self, root: FloatArray, weights: FloatArray) -> FloatArray:
        if self.dense == 0:
            return np.zeros((0, 0))
        information = self._dense_total(weights)
        for part, rows in self.row_chunks(self.dense):
            flat = self.crossed(root, weights, part, rows).reshape(-1, self.dense)
            information -= flat.T @ flat
        return information

    def cross_information(self, root: FloatArray, weights: FloatArray) -> CrossInformation:
        dense, columns = self._dense_total(weights), self.dense + self.n_fixed
        mixed = np.zeros((self.dense, self.n_fixed))
        fixed = np.zeros((self.n_fixed, self.n_fixed))
        for part, rows in self.row_chunks(columns):
            crossed = self.crossed(root, weights, part, rows)
            with_dense = crossed.reshape(crossed.shape[0] * self.width, self.dense)
            sums = self._fixed_sums(weights, part, rows)
            with_fixed = (root[part] @ sums[0]).reshape(-1, self.n_fixed)
            dense -= with_dense.T @ with_dense
            mixed += sums[1] - with_dense.T @ with_fixed
            fixed += sums[2] - with_fixed.T @ with_fixed
        return CrossInformation(dense, mixed, fixed)

    def _fixed_sums(self, weights: FloatArray, part: slice, rows: slice) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Z_L'WX (groups in part, width, p), Z_D'WX and X'WX over the rows of some groups."""
        count = (part.stop - part.start) * self.width
        flat = self.local_flat[:, rows] - part.start * self.width
        columns, values = self.dense_columns[:, rows], weights[rows]
        shape = (part.stop - part.start, self.width, self.n_fixed)
        if len(self.patterns) > 5 * self.n_fixed:
            design = self.patterns[self.pattern[rows]]
            weighted = design * values[:, None]
            local = _row_sums(flat, weighted, count).reshape(shape)
            return local, _row_sums(columns, weighted, self.dense), design.T @ weighted
        pattern, kinds = self.pattern[rows], len(self.patterns)
        local = _pair_sums(flat, pattern, values, (count, kinds)) @ self.patterns
        dense = _pair_sums(columns, pattern, values, (self.dense, kinds)) @ self.patterns
        total = bin_sums(pattern, values, kinds)
        return local.reshape(shape), dense, self.patterns.T @ (self.patterns * total[:, None])

    def rooted_sums(self, root: FloatArray, values: FloatArray, part: slice, rows: slice) -> FloatArray:
        """L^-1 lam Z_L' values of some groups, (groups in part, width, columns of values)."""
        count = (part.stop - part.start) * self.width
        sums = _row_sums(self.local_flat[:, rows] - part.start * self.width, values, count)
        product: FloatArray = root[part] @ sums.reshape(-1, self.width, values.shape[1])
        return product

    def rooted(self, root: FloatArray, part: slice, rows: slice) -> FloatArray:
        """L^-1 lam Z_L' of each row of some groups, (rows, width)."""
        return self._gathered(root[part], part, rows)

    def _gathered(self, blocks: FloatArray, part: slice, rows: slice) -> FloatArray:
        """Sum over a row's local columns of the columns of its group's block, (rows, width)."""
        table = np.ascontiguousarray(blocks.transpose(0, 2, 1)).reshape(-1, self.width)
        flat = self.local_flat[:, rows] - part.start * self.width
        total: FloatArray = table[flat[0]]
        for at in flat[1:]:
            total += table[at]
        return total

    def row_covariance(self, covariance: FloatArray, rows: slice) -> FloatArray:
        """diag(Z_D covariance Z_D') of some rows."""
        total = np.zeros(rows.stop - rows.start)
        for one in self.dense_columns[:, rows]:
            for other in self.dense_columns[:, rows]:
                total += covariance[one, other]
        return total

    def carried_rows(self, carried: FloatArray, part: slice, rows: slice) -> FloatArray:
        """Each row's dense columns of (groups in part, width, dense), summed: (rows, width)."""
        group = self.group[rows] - part.start
        total = np.zeros((len(group), self.width))
        for column in self.dense_columns[:, rows]:
            total += carried[group, :, column]
        return total

    def leverage(self, root: FloatArray, weights: FloatArray, covariance: FloatArray) -> tuple[FloatArray, FloatArray]:
        values = np.empty(self.trials.shape)
        crossed = np.zeros((self.groups, self.width, self.width))
        for part, rows in self.row_chunks(max(self.dense, self.width)):
            rooted = self.rooted(root, part, rows)
            if self.dense == 0:
                values[rows] = np.einsum("rw,rw->r", rooted, rooted)
                continue
            weighted = self.crossed(root, weights, part, rows)
            carried = (weighted.reshape(-1, self.dense) @ covariance).reshape(weighted.shape)
            crossed[part] = carried @ weighted.transpose(0, 2, 1)
            outer = self._gathered(root[part] + crossed[part] @ root[part], part, rows)
            outer -= 2.0 * self.carried_rows(carried, part, rows)
            values[rows] = np.einsum("rw,rw->r", rooted, outer) + self.row_covariance(covariance, rows)
        return values, crossed


def _row_sums(columns: IntArray, values: FloatArray, size: int) -> FloatArray:
    """Sum the rows of ``values`` (rows, k) into ``size`` bins, once for each line of ``columns``."""
    rows = columns.shape[1]
    at = np.tile(np.arange(rows), columns.shape[0])
    picks = sparse.csr_array((np.ones(columns.size), (columns.ravel(), at)), shape=(size, rows))
    return np.asarray(picks @ values)


def _pair_sums(columns: IntArray, pattern: IntArray, values: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """Sum ``values`` by (column, pattern), once for each line of ``columns``."""
    size = shape[0] * shape[1]
    total = np.zeros(size)
    for column in columns:
        total += bin_sums(column * shape[1] + pattern, values, size)
    return total.reshape(shape)
