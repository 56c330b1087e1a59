"""The layout of studies in which nearly every group has every cell: arrays are (groups, cells)."""

import numpy as np
from scipy import sparse

from bias_platform.statistics.arrays import FloatArray, IntArray, bin_sums
from bias_platform.statistics.design import Design
from bias_platform.statistics.elimination import Elimination
from bias_platform.statistics.layout import CrossInformation, Layout


class GridLayout(Layout):
    """Arrays are (groups, cells); cells that a group lacks have no trials."""

    def __init__(self, design: Design, plan: Elimination, cell: IntArray, first: IntArray) -> None:
        super().__init__(design, plan)
        self.cells = len(first)
        position = plan.group * self.cells + cell
        shape = (self.groups, self.cells)
        size = self.groups * self.cells
        self.trials = bin_sums(position, design.trials, size).reshape(shape)
        self.successes = bin_sums(position, design.successes, size).reshape(shape)
        self.fixed_rows = design.fixed.patterns[design.pattern[first]]
        self.local_columns = plan.local_level[first]
        self.local_rows = _indicators(self.local_columns, self.width)
        self.cells_of_column = [np.flatnonzero(column) for column in self.local_rows.T]
        self.dense_columns = plan.dense_level[first]
        self.dense_rows = sparse.csr_array(_sparse_indicators(self.dense_columns, self.dense))
        pairs = (self.local_columns[:, :, None] * self.width + self.local_columns[:, None, :]).reshape(self.cells, -1)
        self.pair_sums = sparse.csr_array(_sparse_indicators(pairs, self.width**2).T)

    @property
    def basis(self) -> int:
        return self.cells

    def predictor(self, beta: FloatArray, local: FloatArray, dense: FloatArray) -> FloatArray:
        eta = self.spread_local(local)
        eta += self.fixed_rows @ beta + self.dense_rows @ dense
        return eta

    def spread_local(self, local: FloatArray) -> FloatArray:
        if self.width == 1:
            return np.repeat(local, self.cells, axis=1)
        spread: FloatArray = local @ self.local_rows.T
        return spread

    def spread_dense(self, dense: FloatArray) -> FloatArray:
        spread: FloatArray = self.dense_rows @ dense
        return spread[None, :]

    def sum_fixed(self, values: FloatArray) -> FloatArray:
        total: FloatArray = values.sum(axis=0) @ self.fixed_rows
        return total

    def sum_local(self, values: FloatArray) -> FloatArray:
        if self.width == 1:
            return np.add.reduce(values, axis=1, keepdims=True)
        total: FloatArray = values @ self.local_rows
        return total

    def sum_dense(self, values: FloatArray) -> FloatArray:
        total: FloatArray = values.sum(axis=0) @ self.dense_rows
        return total

    def local_gram(self, values: FloatArray) -> FloatArray:
        if self.width == 1:
            return np.add.reduce(values, axis=1, keepdims=True)[:, :, None]
        sums = self.pair_sums @ np.ascontiguousarray(values.T)
        return np.ascontiguousarray(sums.T).reshape(self.groups, self.width, self.width)

    def rooted(self, root: FloatArray, part: slice) -> FloatArray:
        """L^-1 lam Z_L' of the cells, (groups in part, width, cells)."""
        stacked = root[part].reshape(-1, self.width) @ self.local_rows.T
        return stacked.reshape(-1, self.width, self.cells)

    def cell_information(self, root: FloatArray, weights: FloatArray) -> FloatArray:
        """Sum over groups of W - W Z_L A^-1 Z_L' W between cells, (cells, cells)."""
        explained = np.zeros((self.cells, self.cells))
        for part in self.chunks(self.cells):
            rooted = self.rooted(root, part)
            rooted *= weights[part, None, :]
            flat = rooted.reshape(-1, self.cells)
            explained += flat.T @ flat
        information = -explained
        information[np.diag_indices(self.cells)] += weights.sum(axis=0)
        return information

    def dense_information(self, root: FloatArray, weights: FloatArray) -> FloatArray:
        if self.dense == 0:
            return np.zeros((0, 0))
        return self._to_dense(self.cell_information(root, weights))

    def _to_dense(self, information: FloatArray) -> FloatArray:
        half = self.dense_rows.T @ information
        full: FloatArray = np.asarray(self.dense_rows.T @ np.ascontiguousarray(half.T))
        return full

    def cross_information(self, root: FloatArray, weights: FloatArray) -> CrossInformation:
        information = self.cell_information(root, weights)
        with_fixed = information @ self.fixed_rows
        return CrossInformation(
            dense=self._to_dense(information),
            dense_fixed=np.asarray(self.dense_rows.T @ with_fixed),
            fixed=self.fixed_rows.T @ with_fixed,
        )

    def cell_covariance(self, covariance: FloatArray) -> FloatArray:
        """Z_D covariance Z_D' between cells."""
        half = self.dense_rows @ covariance
        return np.ascontiguousarray(np.asarray(self.dense_rows @ np.ascontiguousarray(half.T)))

    def leverage(self, root: FloatArray, weights: FloatArray, covariance: FloatArray) -> tuple[FloatArray, FloatArray]:
        between = self.cell_covariance(covariance)
        reached = [(cells, between[cells]) for cells in self.cells_of_column]
        values = np.empty(self.trials.shape)
        crossed = np.zeros((self.groups, self.width, self.width))
        for part in self.chunks(self.cells):
            rooted = self.rooted(root, part)
            if self.dense == 0:
                values[part] = np.einsum("gwc,gwc->gc", rooted, rooted)
                continue
            weighted = rooted * weights[part, None, :]
            sums = np.empty_like(rooted)
            for column, (cells, rows) in enumerate(reached):
                sums[:, column] = weights[part, cells] @ rows
            carried = root[part] @ sums
            crossed[part] = carried @ weighted.transpose(0, 2, 1)
            outer = rooted + crossed[part] @ rooted
            outer -= 2.0 * carried
            values[part] = np.einsum("gwc,gwc->gc", rooted, outer) + np.diag(between)
        return values, crossed


def _indicators(columns: IntArray, width: int) -> FloatArray:
    rows = np.zeros((len(columns), width))
    np.put_along_axis(rows, columns, 1.0, axis=1)
    return rows


def _sparse_indicators(columns: IntArray, width: int) -> sparse.coo_array:
    rows = np.repeat(np.arange(len(columns)), columns.shape[1])
    return sparse.coo_array((np.ones(columns.size), (rows, columns.ravel())), shape=(len(columns), width))
