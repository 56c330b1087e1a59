"""Denominator degrees of freedom of F tests: those of the unit that carries a term.

A persona's group is the same in all its answers: for the test of group, personas are the witnesses, however many
answers each gives. This is containment (DDFM=CONTAIN of SAS: "The MIXED Procedure", SAS/STAT user's guide), found in
the data instead of in the names of terms. In balanced designs it gives the degrees of freedom of the classical analysis
of variance (R. A. Bailey, 2008, Design of Comparative Experiments, Cambridge, chapters 8 and 10: strata).
"""

import re
from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from pandas.api.types import is_numeric_dtype

from bias_platform.statistics.arrays import IntArray, combine_codes, sorted_codes
from bias_platform.statistics.design import Design
from bias_platform.statistics.groupings import Grouping, finest
from bias_platform.statistics.random_terms import INTERCEPT, RandomTerm
from bias_platform.statistics.span_rank import FixedColumns, Slope, span_rank

RESIDUAL = "residual"
"""What carries a term that varies within the levels of every random term."""


class Carrier(NamedTuple):
    """The unit that a fixed term is tested against."""

    unit: str
    """Name of a random term, or `RESIDUAL`."""
    df: float
    """Its degrees of freedom; 0 where the fixed part leaves it none, so that the term cannot be tested."""
    fixed: float = 0.0
    """Dimensions of the unit that the fixed part takes: plain likelihood takes the unit's variance for smaller than it
    is, by df / (df + fixed) in balanced designs."""


def carried_df(design: Design, terms: Iterable[str] | None = None) -> dict[str, Carrier]:
    """What carries each fixed term, and with how many degrees of freedom.

    A random term carries a fixed one whose variables are all constant within its levels. Its degrees of freedom are its
    levels less the rank of what else is constant within them: fixed terms and random terms that are coarser. So
    ``(1 | item:system)`` beside ``(1 | item)`` has (items - 1)(systems - 1) for system, as in a paired t test. A random
    slope carries the fixed terms that vary within its levels by its own variables only: ``(1 + x | item)`` carries x
    with items - 1, and x:group with items - groups. A slope of a factor is taken for what it spans, the levels of
    item:factor. Of several carriers the one with fewest degrees of freedom counts: it would be the wrong one only where
    it does not vary, and is on the safe side there. Without a carrier: observations less the rank of [X, Z]. See
    `span_rank` for how exact ranks are.

    Args:
        terms: names of fixed terms; None means all that have columns, the intercept included.

    Returns:
        Term -> carrier.

    >>> import pandas as pd
    >>> from bias_platform.statistics.design import build_design
    >>> personas = pd.DataFrame({"persona": list("abcdef"), "group": ["x", "x", "y", "y", "z", "z"]})
    >>> data = personas.merge(pd.DataFrame({"item": range(20)}), how="cross")
    >>> data["yes"] = [0, 1, 1] * 40
    >>> design = build_design("yes ~ group + (1 | item) + (1 | persona)", data)
    >>> carried_df(design)["group"]
    Carrier(unit='persona', df=3.0, fixed=3.0)
    """
    strata = _Strata(design)
    fixed = design.fixed
    names = [name for name, columns in fixed.terms.items() if columns] if terms is None else list(terms)
    return {name: strata.carrier(fixed.term_variables[name]) for name in names}


class _RandomSlope:
    """A random term whose effects cannot be had as the levels of a finer grouping."""

    def __init__(self, term: RandomTerm, levels: Grouping) -> None:
        assert term.basis is not None, "an intercept is a grouping"
        self.name, self.levels = term.name, levels
        words = set(re.findall(r"\w+", " ".join(term.effects)))  # of (x + z || item), each term has one of the effects
        self.variables = {name for name in term.slope_variables if name in words}
        self.effects = sum(name != INTERCEPT for name in term.effects)
        columns = term.basis.patterns[term.basis.pattern].T
        self.parts = [Slope(levels, column) for column in columns if np.ptp(column) > 0]

    @cached_property
    def varying(self) -> int:
        """Levels within which the effects vary."""
        varies = np.zeros(self.levels.size, dtype=bool)
        first = self.levels.first_rows()[self.levels.code]
        for part in self.parts:
            varies[self.levels.code[part.values != part.values[first]]] = True
        return int(varies.sum())


class _Strata:
    """The random terms of a design as groupings, and what is constant within each."""

    def __init__(self, design: Design) -> None:
        self.design, self.fixed = design, design.fixed
        self.groupings: list[Grouping] = []
        self.slopes: list[_RandomSlope] = []
        for term in design.terms:
            levels, cells = Grouping(":".join(term.columns), term.code, term.size), _cells(term)
            if INTERCEPT in term.effects or cells is not None:
                self.groupings.append(levels)
            if cells is not None:
                self.groupings.append(cells)
            elif term.basis is not None:
                self.slopes.append(_RandomSlope(term, levels))
        self._known: dict[tuple[Grouping, str], bool] = {}
        self._found: dict[Grouping | _RandomSlope, Carrier] = {}

    def carrier(self, variables: Collection[str]) -> Carrier:
        """The unit with fewest degrees of freedom among those that carry a term of these variables."""
        found = [self._level(one) for one in self.groupings if self._constant(one, variables)]
        found += [self._slope(one) for one in self.slopes if one.varying and self._varies_by(one, variables)]
        return min(found, key=lambda one: one.df) if found else self._residual

    def _constant(self, grouping: Grouping, variables: Iterable[str]) -> bool:
        return all(self._holds(grouping, name) for name in variables)

    def _holds(self, grouping: Grouping, variable: str) -> bool:
        if (grouping, variable) not in self._known:
            values = self.fixed.variables[variable]
            numbers = values.to_numpy() if is_numeric_dtype(values) else sorted_codes(values)[0]
            self._known[grouping, variable] = grouping.holds(numbers[self.design.pattern])
        return self._known[grouping, variable]

    def _varies_by(self, slope: _RandomSlope, variables: Collection[str]) -> bool:
        """Whether a term varies within the levels of a slope by the slope's variables only."""
        apart = [name for name in variables if name not in slope.variables]
        return len(apart) < len(variables) and self._constant(slope.levels, apart)

    def _level(self, grouping: Grouping) -> Carrier:
        """Levels less what fixed terms and coarser random terms take of them."""
        if grouping not in self._found:
            coarser = [one for one in self.groupings if one.coarser_than(grouping)]
            nearer = [one for one in self.slopes if one.levels.coarser_than(grouping)]
            slopes = [part for one in nearer for part in one.parts if grouping.holds(part.values)]
            terms = [name for name, inside in self.fixed.term_variables.items() if self._constant(grouping, inside)]
            rows = grouping.first_rows()
            random = self._rank(coarser, slopes, [], rows)
            taken = self._rank(coarser, slopes, terms, rows)
            self._found[grouping] = Carrier(grouping.name, float(grouping.size - taken), float(taken - random))
        return self._found[grouping]

    def _slope(self, slope: _RandomSlope) -> Carrier:
        """Levels with a slope less what fixed terms and the same slopes over coarser groupings take of them.

        A fixed term x:group takes as many dimensions of the slopes of x as it has columns for each effect of x.
        """
        if slope not in self._found:
            wider = [
                other
                for other in self.slopes
                if other.variables & slope.variables and other.levels.coarser_than(slope.levels)
            ]
            columns = [
                len(self.fixed.terms[name])
                for name, variables in self.fixed.term_variables.items()
                if self._varies_by(slope, variables) and not any(self._varies_by(one, variables) for one in wider)
            ]
            fixed = sum(columns) / slope.effects
            left = slope.varying - self._rank([one.levels for one in wider], [], [], slope.levels.first_rows())
            self._found[slope] = Carrier(slope.name, max(left - fixed, 0.0), fixed)
        return self._found[slope]

    @cached_property
    def _residual(self) -> Carrier:
        slopes = [part for slope in self.slopes for part in slope.parts]
        rows = np.arange(len(self.design.pattern))
        random = self._rank(self.groupings, slopes, [], rows)
        taken = self._rank(self.groupings, slopes, self.fixed.terms, rows)
        return Carrier(RESIDUAL, float(max(self.design.n_observations - taken, 0)), float(taken - random))

    def _rank(
        self, groupings: Sequence[Grouping], slopes: Sequence[Slope], terms: Iterable[str], rows: IntArray
    ) -> int:
        """Dimensions that groupings, slopes and fixed terms have together in some rows."""
        if not groupings and not slopes:  # columns of X are independent
            return sum(len(self.fixed.terms[name]) for name in terms)
        kept = finest(groupings) or [Grouping("all", np.zeros(len(self.design.pattern), dtype=np.int64), 1)]
        variables = self.fixed.term_variables
        apart = [name for name in terms if not any(self._constant(one, variables[name]) for one in kept)]
        wanted = {column for name in apart for column in self.fixed.terms[name]}
        at = [k for k, column in enumerate(self.fixed.columns) if column in wanted]
        return span_rank(
            [one.at_rows(rows) for one in kept],
            [Slope(part.grouping.at_rows(rows), part.values[rows]) for part in slopes],
            FixedColumns(self.fixed.patterns[:, at], self.design.pattern[rows]),
        )


def _cells(term: RandomTerm) -> Grouping | None:
    """The finer grouping that a slope term spans: its levels by the values of a factor, where it has all effects."""
    if term.basis is None:
        return None
    distinct, of_pattern = np.unique(term.basis.patterns.round(9), axis=0, return_inverse=True)
    if len(distinct) > len(term.effects):
        return None
    code, first = combine_codes([term.code, of_pattern.ravel()[term.basis.pattern].astype(np.int64)])
    return Grouping(term.name, code, len(first))
