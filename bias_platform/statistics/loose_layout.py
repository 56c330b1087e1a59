"""The layout that fits any design: arrays are (rows,), sorted by group and fine level, and sums are bincounts."""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TypeVar

import numpy as np
from scipy import sparse

from bias_platform.statistics.arrays import FloatArray, IntArray, bin_sums
from bias_platform.statistics.design import Design
from bias_platform.statistics.elimination import Elimination
from bias_platform.statistics.fine_terms import (
    FineFactor,
    Near,
    Runs,
    coarsest_information,
    fine_quadratic,
    product_with,
    runs_of,
)
from bias_platform.statistics.layout import Coupling, CrossInformation, Layout, Leverage
from bias_platform.statistics.row_columns import RowColumns, scaled

Numbers = TypeVar("Numbers", FloatArray, IntArray)
_FEW_COUPLED = 2
"""Up to so many pairs of a block column and a dense column a row, their products are cheaper than rows."""
_FEW_PATTERNS = 5
"""Up to this many patterns a column of X, sums by pattern are cheaper than rows of X."""


class LooseLayout(Layout):
    """Arrays are (rows,) in order of their groups, and there of their fine levels; matrices are (columns, rows)."""

    def __init__(self, design: Design, plan: Elimination) -> None:
        super().__init__(design, plan)
        self.order = _order(plan)
        self.trials = self._ordered(design.trials)
        self.successes = self._ordered(design.successes)
        self.group = self._ordered(plan.group)
        self.starts = np.searchsorted(self.group, np.arange(self.groups + 1))
        self.pattern = self._ordered(design.pattern)
        sizes, levels = plan.fine.sizes, self._ordered(plan.fine.level).T
        self.fine = tuple(runs_of(self.group * size + level) for size, level in zip(sizes, levels, strict=True))
        self.local_columns = np.ascontiguousarray(self._ordered(plan.local.columns).T)
        entries = tuple(None if one is None else self._ordered(one) for one in plan.local.values)
        at = self.group[None] if self.width == 1 else self.group * self.width + self.local_columns
        self.local = RowColumns(at, entries, self.groups * self.width)
        self.one_intercept = self.width == 1 and plan.local.values[0] is None
        entries = tuple(None if one is None else self._ordered(one) for one in plan.dense.values)
        columns = np.ascontiguousarray(self._ordered(plan.dense.columns).T)
        self.crossed_columns = RowColumns(columns, entries, self.dense)

    def _ordered(self, rows: Numbers) -> Numbers:
        """Distinct rows in the order of the layout; the same array where they are in it already."""
        return rows if self.order is None else rows[self.order]

    def at_distinct_rows(self, rows: FloatArray) -> FloatArray:
        if self.order is None:
            return rows
        values = np.empty_like(rows)
        values[self.order] = rows
        return values

    def spread_fixed(self, beta: FloatArray) -> FloatArray:
        spread: FloatArray = (self.patterns @ beta)[self.pattern]
        return spread

    def fixed_of(self, beta: FloatArray) -> Callable[[slice], FloatArray]:
        by_pattern = self.patterns @ beta
        return lambda rows: by_pattern[self.pattern[rows]]

    def spread_local(self, local: FloatArray) -> FloatArray:
        if self.one_intercept:
            return np.repeat(local.ravel(), np.diff(self.starts))
        return self.local.spread(local.ravel())

    def spread_dense(self, dense: FloatArray) -> FloatArray:
        return self.crossed_columns.spread(dense)

    def sum_fixed(self, rows: FloatArray) -> FloatArray:
        total: FloatArray = bin_sums(self.pattern, rows, len(self.patterns)) @ self.patterns
        return total

    def sum_local(self, rows: FloatArray) -> FloatArray:
        if self.one_intercept:
            return np.add.reduceat(rows, self.starts[:-1])[:, None]
        return self.local.sums(rows).reshape(self.groups, self.width)

    def sum_dense(self, rows: FloatArray) -> FloatArray:
        return self.crossed_columns.sums(rows)

    def local_gram(self, fine: FineFactor) -> FloatArray:
        if self.one_intercept and not fine.runs:
            return self.sum_local(fine.weights)[:, :, None]
        gram = np.zeros((self.groups, self.width, self.width))
        for at, entry in self.local:
            weighted = scaled(fine.weights, entry)
            for column, other in zip(self.local_columns, self.local.entries, strict=True):
                sums = bin_sums(at * self.width + column, scaled(weighted, other), gram.size)
                gram += sums.reshape(gram.shape)
        if fine.runs:
            for part, rows in self.row_chunks(0, self.width**2):
                gram[part] -= self._absorbed_gram(fine.part(rows), part, rows)
        return gram

    def _absorbed_gram(self, fine: FineFactor, part: slice, rows: slice) -> FloatArray:
        """Z_L'W P W Z_L of some groups."""
        total = np.zeros((part.stop - part.start, self.width, self.width))
        for one, root in zip(fine.runs, fine.roots, strict=True):
            felt = np.zeros((len(one.starts), self.width))
            for column, (_, entry) in zip(self.local_columns[:, rows], self.local.rows(rows), strict=True):
                values = scaled(fine.weights * root, entry)
                felt += bin_sums(one.level * self.width + column, values, felt.size).reshape(felt.shape)
            first = np.searchsorted(one.starts, self.starts[part] - rows.start)
            total += np.add.reduceat(felt[:, :, None] * felt[:, None, :], first, axis=0)
        return total

    def row_chunks(self, group: int, row: int) -> Iterator[tuple[slice, slice]]:
        """Slices of groups and their rows: at so many numbers a group and a row, they fit the cache."""
        for part in self.chunks(group + row * (len(self.group) // self.groups + 1)):
            yield part, slice(int(self.starts[part.start]), int(self.starts[part.stop]))

    def _local_of(self, part: slice, rows: slice) -> RowColumns:
        """The block columns of some groups, counted from their own first one."""
        return self.local.rows(rows).shifted(part.start * self.width, (part.stop - part.start) * self.width)

    def rooted(self, root: FloatArray, fine: FineFactor, part: slice, rows: slice) -> FloatArray:
        """G of some groups, (width, rows); root (groups in part, width, width) and fine are of these groups."""
        table = np.ascontiguousarray(root.transpose(0, 2, 1)).reshape(-1, self.width)
        total = np.zeros((rows.stop - rows.start, self.width))
        for at, entry in self._local_of(part, rows):
            total += table[at] if entry is None else table[at] * entry[:, None]
        return fine.remaining(np.ascontiguousarray(total.T))

    def group_sums(self, columns: RowColumns, values: FloatArray, part: slice, rows: slice) -> FloatArray:
        """Sums of ``values`` (k, rows) by group and column, (groups in part, k, columns)."""
        count, size = part.stop - part.start, columns.size
        total = np.zeros((len(values), count * size))
        for column, entry in columns.rows(rows):
            bins = (self.group[rows] - part.start) * size + column
            for k, value in enumerate(values):
                total[k] += bin_sums(bins, scaled(value, entry), count * size)
        return np.ascontiguousarray(total.reshape(len(values), count, size).transpose(1, 0, 2))

    def crossed(self, rooted: FloatArray, fine: FineFactor, part: slice, rows: slice) -> FloatArray:
        """G W Z_D of some groups, (groups in part, width, dense)."""
        return self.group_sums(self.crossed_columns, rooted * fine.weights, part, rows)

    @cached_property
    def coupled_bins(self) -> list[list[IntArray]]:
        """Place of each row in Z_L'Z_D, for each pair of components."""
        return [[at * self.dense + other for other in self.crossed_columns.at] for at in self.local.at]

    def coupling(self, weights: FloatArray) -> Coupling | None:
        size = self.groups * self.width * self.dense
        if self.fine or not self.dense or size > _FEW_COUPLED * len(self.group):
            return None
        total = np.zeros(size)
        for line, entry in zip(self.coupled_bins, self.local.entries, strict=True):
            for bins, other in zip(line, self.crossed_columns.entries, strict=True):
                total += bin_sums(bins, scaled(scaled(weights, entry), other), size)
        between = total.reshape(self.groups, self.width, self.dense)
        return Coupling(between, self.crossed_columns.gram(weights))

    def dense_information(self, root: FloatArray, fine: FineFactor) -> FloatArray:
        if self.dense == 0:
            return np.zeros((0, 0))
        return self._information(self.crossed_columns, root, fine)

    def _information(self, columns: RowColumns, root: FloatArray, fine: FineFactor) -> FloatArray:
        """B'(M - W G'G W)B for some columns B of rows."""
        information = columns.gram(fine.weights)
        for one, root_rows in zip(fine.runs, fine.roots, strict=True):
            felt = sparse_sums(one, columns, fine.weights * root_rows)
            information -= (felt.T @ felt).toarray()
        for part, rows in self.row_chunks(self.width * columns.size, self.width):
            here = fine.part(rows)
            weighted = self.rooted(root[part], here, part, rows) * here.weights
            flat = self.group_sums(columns, weighted, part, rows).reshape(-1, columns.size)
            information -= flat.T @ flat
        return information

    def cross_information(self, root: FloatArray, fine: FineFactor) -> CrossInformation:
        if len(self.patterns) > _FEW_PATTERNS * self.n_fixed:
            return self._cross_information_by_rows(root, fine)
        both = self._information(self.crossed_columns.beside(self.pattern, len(self.patterns)), root, fine)
        dense, patterns = slice(self.dense), slice(self.dense, None)
        return CrossInformation(
            dense=both[dense, dense],
            dense_fixed=both[dense, patterns] @ self.patterns,
            fixed=self.patterns.T @ both[patterns, patterns] @ self.patterns,
        )

    def _cross_information_by_rows(self, root: FloatArray, fine: FineFactor) -> CrossInformation:
        mixed = np.zeros((self.dense, self.n_fixed))
        fixed = np.zeros((self.n_fixed, self.n_fixed))
        for part, rows in self.row_chunks(self.width * self.dense, self.width + self.n_fixed):
            here = fine.part(rows)
            rooted = self.rooted(root[part], here, part, rows)
            design = self.patterns[self.pattern[rows]]
            weighted = here.marginal(np.ascontiguousarray(design.T)).T
            with_fixed = self.rooted_sums(root[part], weighted, part, rows).reshape(-1, self.n_fixed)
            with_dense = self.crossed(rooted, here, part, rows).reshape(len(with_fixed), self.dense)
            mixed += self.crossed_columns.rows(rows).matrix().T @ weighted - with_dense.T @ with_fixed
            fixed += design.T @ weighted - with_fixed.T @ with_fixed
        return CrossInformation(self.dense_information(root, fine), mixed, fixed)

    def rooted_sums(self, root: FloatArray, values: FloatArray, part: slice, rows: slice) -> FloatArray:
        """L^-1 lam Z_L' values (rows, k) of some groups, (groups in part, width, k); root is of these groups."""
        sums = np.asarray(self._local_of(part, rows).matrix().T @ values)
        product: FloatArray = root @ sums.reshape(-1, self.width, values.shape[1])
        return product

    def row_covariance(self, covariance: FloatArray, one_row: IntArray, other_row: IntArray) -> FloatArray:
        """Entries of Z_D covariance Z_D' at pairs of rows."""
        total, flat = np.zeros(len(one_row)), covariance.ravel()
        for one, entry in self.crossed_columns:
            first = one[one_row] * self.dense
            for other, their in self.crossed_columns:
                found = scaled(flat[first + other[other_row]], None if entry is None else entry[one_row])
                total += scaled(found, None if their is None else their[other_row])
        return total

    def near(self, covariance: FloatArray, fine: FineFactor, rows: slice) -> list[Near]:
        """Products with Z_D covariance Z_D' between rows of one fine level, by fine term."""
        if not fine.runs:
            return []
        coarsest = fine.runs[-1]
        ends = np.append(coarsest.starts[1:], len(coarsest.level))[coarsest.level]
        starts = coarsest.starts[coarsest.level]
        bounds = np.concatenate([[0], np.cumsum(ends - starts)])
        one = np.repeat(np.arange(len(starts)), ends - starts)
        other = np.arange(bounds[-1]) - bounds[one] + starts[one]
        values = self.row_covariance(covariance, one + rows.start, other + rows.start)
        shape = (len(starts), len(starts))
        within = [values * (run.level[one] == run.level[other]) for run in fine.runs]
        return [product_with(sparse.csr_array((value, other, bounds), shape)) for value in within]

    def carried_rows(self, carried: FloatArray, part: slice, rows: slice) -> FloatArray:
        """Each row's dense columns of (groups in part, width, dense), summed: (width, rows)."""
        group = self.group[rows] - part.start
        total = np.zeros((len(group), self.width))
        for column, entry in self.crossed_columns.rows(rows):
            found = carried[group, :, column]
            total += found if entry is None else found * entry[:, None]
        return np.ascontiguousarray(total.T)

    def leverage(self, root: FloatArray, fine: FineFactor, covariance: FloatArray) -> Leverage:
        values = np.zeros(self.trials.shape) + sum(one * one for one in fine.roots)
        crossed = np.zeros((self.groups, self.width, self.width))
        coarsest = 0.0
        for part, rows in self.row_chunks(self.width * max(self.dense, self.width), self.width):
            here = fine.part(rows)
            rooted = self.rooted(root[part], here, part, rows)
            outer, carried, near = rooted, None, self.near(covariance, here, rows) if self.dense else []
            if self.dense:
                weighted = self.crossed(rooted, here, part, rows)
                through = (weighted.reshape(-1, self.dense) @ covariance).reshape(weighted.shape)
                crossed[part] = through @ weighted.transpose(0, 2, 1)
                outer = self.rooted(root[part] + crossed[part] @ root[part], here, part, rows)
                carried = self.carried_rows(through, part, rows)
                at = np.arange(rows.start, rows.stop)
                values[rows] += fine_quadratic(here, self.row_covariance(covariance, at, at), near)
                values[rows] -= 2.0 * np.einsum("wr,wr->r", rooted, here.remaining(carried))
            values[rows] += np.einsum("wr,wr->r", rooted, outer)
            coarsest += coarsest_information(here, rooted, outer, carried, near)
        return Leverage(values, crossed, coarsest)


def _order(plan: Elimination) -> IntArray | None:
    """By group, and there by the finest level; None where the rows are sorted already."""
    keys = (*plan.fine.level[:, :1].T, plan.group)
    if len(keys) == 1 and bool((plan.group[1:] >= plan.group[:-1]).all()):
        return None
    return np.lexsort(keys).astype(np.int64)


def sparse_sums(run: Runs, columns: RowColumns, values: FloatArray) -> sparse.csr_array:
    """Sums of ``values`` (rows,) by level of a fine term and column, (levels, columns)."""
    levels, each = np.tile(run.level, len(columns.at)), np.tile(values, len(columns.at)) * columns.all_entries()
    return sparse.csr_array((each, (levels, columns.at.ravel())), shape=(len(run.starts), columns.size))
