"""Random terms: over the levels of what something varies, and which effects vary there.

An intercept varies as it is. The effects of a slope term are columns B of a basis (``1`` and ``x``), which the engine
sees as ``B transform`` with orthonormal columns over the observations: then neither the units nor the origin of x
matter to the optimiser. With b the effects of a level in the formula's own columns, ``b = transform T u`` and
``b ~ N(0, transform T T' transform')`` for standard normal u; T is lower triangular.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.linalg as sla
from formulaic import ModelSpec

from bias_platform.statistics.arrays import FloatArray, IntArray, combine_codes
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.fixed_part import (
    distinct_rows,
    factor_levels,
    formula_variables,
    independent_columns,
    model_matrix,
)
from bias_platform.statistics.formula import MixedFormula, RandomPart

INTERCEPT = "Intercept"
Coded = Mapping[str, tuple[IntArray, pd.Index]]


@dataclass(frozen=True)
class Basis:
    """The effects of a slope term as columns."""

    effects: tuple[str, ...]
    variables: tuple[str, ...]
    pattern: IntArray
    """(rows,): which of the patterns each row has."""
    patterns: FloatArray
    """(patterns, effects): B transform."""
    transform: FloatArray
    """(effects, effects), upper triangular."""
    kept: IntArray
    """Which columns of the formula's basis these are."""
    spec: ModelSpec = field(repr=False)

    def at_rows(self, rows: IntArray) -> "Basis":
        """The same for some of the rows."""
        return Basis(
            self.effects, self.variables, self.pattern[rows], self.patterns, self.transform, self.kept, self.spec
        )

    def of_new_rows(self, frame: pd.DataFrame) -> FloatArray:
        """B transform of other rows, (n, effects)."""
        raw = np.asarray(self.spec.get_model_matrix(frame), dtype=float)[:, self.kept]
        rows: FloatArray = raw @ self.transform
        return rows


@dataclass(frozen=True)
class RandomTerm:
    """One random term: the level of each distinct row, the names of the levels, and what varies."""

    name: str
    """The grouping of an intercept (``item:system``), or as in ``1 + x | item``."""
    columns: tuple[str, ...]
    code: IntArray
    labels: tuple[str, ...]
    basis: Basis | None = None
    """None: the intercept alone."""

    @property
    def size(self) -> int:
        """Number of levels."""
        return len(self.labels)

    @property
    def effects(self) -> tuple[str, ...]:
        """Names of what varies."""
        return (INTERCEPT,) if self.basis is None else self.basis.effects

    def at_rows(self, rows: IntArray) -> "RandomTerm":
        """The same for some of the rows."""
        basis = None if self.basis is None else self.basis.at_rows(rows)
        return replace(self, code=self.code[rows], basis=basis)

    @property
    def slope_variables(self) -> tuple[str, ...]:
        """Variables whose effects vary; empty for an intercept."""
        return () if self.basis is None else self.basis.variables

    @property
    def transform(self) -> FloatArray:
        """See `Basis`."""
        return np.eye(1) if self.basis is None else self.basis.transform


class Component(NamedTuple):
    """One effect of one term: a column of Z for each level."""

    term: int
    code: IntArray
    """(rows,) level."""
    size: int
    values: FloatArray | None
    """(rows,) entry of each row in the column of its level; None for ones."""


def components_of(terms: Sequence[RandomTerm]) -> tuple[Component, ...]:
    """All effects of all terms, in order."""
    found = []
    for k, term in enumerate(terms):
        if term.basis is None:
            found.append(Component(k, term.code, term.size, None))
            continue
        rows = term.basis.patterns[term.basis.pattern]
        found += [Component(k, term.code, term.size, np.ascontiguousarray(column)) for column in rows.T]
    return tuple(found)


class FactorShape:
    """Where the entries of the lower triangular factors T of all terms stand in one vector theta.

    Of a term with one effect, theta holds its signed standard deviation.
    """

    def __init__(self, effects: Sequence[int]) -> None:
        """``effects`` of each term."""
        self.starts = np.concatenate([[0], np.cumsum(effects)]).astype(np.int64)
        self.components = int(self.starts[-1])
        pairs = [
            (start + row, start + column, term)
            for term, (start, count) in enumerate(zip(self.starts[:-1], effects, strict=True))
            for column in range(count)
            for row in range(column, count)
        ]
        self.row = np.array([pair[0] for pair in pairs], dtype=np.int64)
        self.column = np.array([pair[1] for pair in pairs], dtype=np.int64)
        self.term = np.array([pair[2] for pair in pairs], dtype=np.int64)
        self.diagonal = np.flatnonzero(self.row == self.column)
        self.parameters = len(pairs)

    @cached_property
    def vectors(self) -> tuple[int, ...]:
        """Terms with several effects."""
        return tuple(int(k) for k in np.flatnonzero(np.diff(self.starts) > 1))

    @cached_property
    def mixed(self) -> IntArray:
        """Entries below a diagonal."""
        return np.flatnonzero(self.row != self.column).astype(np.int64)

    def of_term(self, term: int) -> IntArray:
        """Places of a term's entries in theta."""
        return np.flatnonzero(self.term == term).astype(np.int64)

    def matrix(self, theta: FloatArray, term: int, symmetric: bool = False) -> FloatArray:
        """T of a term, (effects, effects); or the symmetric matrix of which theta holds the lower half."""
        at, start, stop = self.of_term(term), self.starts[term], self.starts[term + 1]
        matrix = np.zeros((stop - start,) * 2)
        matrix[self.row[at] - start, self.column[at] - start] = theta[at]
        return matrix + np.tril(matrix, -1).T if symmetric else matrix

    def entries(self, matrix: FloatArray, term: int) -> FloatArray:
        """The entries of a term's matrix as they stand in theta."""
        at, start = self.of_term(term), self.starts[term]
        picked: FloatArray = matrix[self.row[at] - start, self.column[at] - start]
        return picked

    def lengths(self, theta: FloatArray) -> FloatArray:
        """(components,): length of each column of the factors; 0 where a direction has no variance."""
        return np.sqrt(np.bincount(self.column, theta**2, self.components))

    def deviations(self, theta: FloatArray) -> FloatArray:
        """(components,): standard deviation of each effect, in the engine's basis."""
        return np.sqrt(np.bincount(self.row, theta**2, self.components))


def build_random_terms(
    parsed: MixedFormula, data: pd.DataFrame, coded: Coded, observations: FloatArray
) -> list[RandomTerm]:
    """The random terms of a formula, (rows,) arrays.

    Args:
        coded: codes and levels of each grouping column.
        observations: (rows,) of the data.

    Raises:
        ModelError: a grouping with one level, or effects that cannot be told from each other.
    """
    terms = [term for part in parsed.random for term in _terms_of(part, parsed, data, coded, observations)]
    seen: set[tuple[tuple[str, ...], str]] = set()
    for term in terms:
        for effect in term.effects:
            if (term.columns, effect) in seen:
                raise ModelError(
                    f"The formula {parsed.text!r} has the random effect {effect!r} of {':'.join(term.columns)!r} "
                    "twice: leave it out of one of the terms, as in (0 + x | item) beside (1 | item)."
                )
            seen.add((term.columns, effect))
    _refuse_too_many(terms, parsed, float(observations.sum()))
    _refuse_same_levels(terms, parsed)
    return terms


def _refuse_too_many(terms: Sequence[RandomTerm], parsed: MixedFormula, observations: float) -> None:
    for term in terms:
        count = term.size * len(term.effects)
        if term.basis is None and count >= observations:
            raise ModelError(
                f"The grouping {term.name!r} in {parsed.text!r} has as many levels as there are observations "
                f"({observations:,.0f}): its variance cannot be told from chance; remove the term."
            )
        if count >= observations:
            raise ModelError(
                f"The random term {term.name!r} in {parsed.text!r} has {count:,} effects for {observations:,.0f} "
                "observations: what varies cannot be told from chance; remove the term, or a slope of it."
            )


def _refuse_same_levels(terms: Sequence[RandomTerm], parsed: MixedFormula) -> None:
    """Two groupings that are one and the same under two names share their variance in no particular way."""
    for one, other in combinations(terms, 2):
        if one.columns == other.columns or one.size != other.size or not set(one.effects) & set(other.effects):
            continue
        owner = np.zeros(one.size, dtype=np.int64)
        owner[one.code] = other.code
        if np.array_equal(owner[one.code], other.code):
            raise ModelError(
                f"The random terms {one.name!r} and {other.name!r} in {parsed.text!r} cannot be told from each other: "
                f"every level of {':'.join(one.columns)} is a level of {':'.join(other.columns)}; keep one of them."
            )


def _terms_of(
    part: RandomPart, parsed: MixedFormula, data: pd.DataFrame, coded: Coded, observations: FloatArray
) -> list[RandomTerm]:
    grouping, code, labels = _levels(part.grouping, coded, parsed.text)
    if part.effects == "1":
        return [RandomTerm(grouping, part.grouping, code, labels)]
    written = f"({part.effects} {'|' if part.correlated else '||'} {grouping})"
    raw = _RawBasis(part, written, data, parsed.text)
    found = []
    for columns in [list(range(len(raw.names)))] if part.correlated else [[k] for k in range(len(raw.names))]:
        names = tuple(raw.names[k] for k in columns)
        if names == (INTERCEPT,):
            found.append(RandomTerm(grouping, part.grouping, code, labels))
            continue
        shown = ["1" if name == INTERCEPT else name for name in names]
        name = f"{' + '.join(shown if shown[0] == '1' else ['0', *shown])} | {grouping}"
        found.append(RandomTerm(name, part.grouping, code, labels, raw.basis(columns, observations)))
    return found


def _levels(columns: tuple[str, ...], coded: Coded, text: str) -> tuple[str, IntArray, tuple[str, ...]]:
    """Name of a grouping, level of each row, names of the levels."""
    name = ":".join(columns)
    if len(columns) == 1:
        code, first = coded[name][0], np.arange(len(coded[name][1]))
    else:
        code, first = combine_codes([coded[column][0] for column in columns])
    if len(first) < 2:
        raise ModelError(
            f"The grouping {name!r} in the formula {text!r} has a single level: a variance cannot be estimated "
            "from it; remove the term."
        )
    if len(columns) == 1:
        return name, code, tuple(coded[name][1].astype(str))
    parts = [levels[codes[first]].astype(str) for codes, levels in (coded[column] for column in columns)]
    labels = parts[0]
    for part in parts[1:]:
        labels = labels + ":" + part
    return name, code, tuple(labels)


class _RawBasis:
    """The columns of a slope term as the formula has them."""

    def __init__(self, part: RandomPart, written: str, data: pd.DataFrame, text: str) -> None:
        self.variables = formula_variables(part.effects, text, map(str, data.columns))
        frame, self.pattern = distinct_rows(data, self.variables, part.effects)
        factor_levels(frame, self.variables, text)
        self.spec, self.matrix = model_matrix(part.effects, text, frame)
        self.names = [str(name) for name in self.spec.column_names]
        kept, _ = independent_columns(self.matrix)
        lost = [name for k, name in enumerate(self.names) if k not in set(kept.tolist())]
        if lost or not self.variables:
            what = f"{', '.join(lost)} cannot be told from the others" if lost else "it names no variable"
            raise ModelError(
                f"The random effects {written} in {text!r} cannot be estimated: {what}; "
                "a variable that is constant has no slope, and one that lies very far from zero looks constant: remove "
                "it from the term, or subtract its mean."
            )

    def basis(self, columns: Sequence[int], observations: FloatArray) -> Basis:
        """Some of the columns, made orthonormal over the observations."""
        seen = np.bincount(self.pattern, observations, len(self.matrix))
        raw = self.matrix[:, list(columns)]
        root = sla.qr(raw * np.sqrt(seen / seen.sum())[:, None], mode="r")[0][: len(columns)]
        root = root * np.sign(np.diag(root))[:, None]
        transform = sla.solve_triangular(root, np.eye(len(columns)))
        return Basis(
            effects=tuple(self.names[k] for k in columns),
            variables=self.variables,
            pattern=self.pattern,
            patterns=raw @ transform,
            transform=transform,
            kept=np.asarray(columns, dtype=np.int64),
            spec=self.spec,
        )
