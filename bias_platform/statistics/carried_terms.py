"""Which random units of a model carry its fixed terms, looked up in rows of data before the model is built."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chi2

from bias_platform.statistics.arrays import FloatArray, combine_codes, sorted_codes
from bias_platform.statistics.fixed_part import FixedPart
from bias_platform.statistics.groupings import Grouping
from bias_platform.statistics.random_terms import INTERCEPT, Coded, RandomTerm

_UNIT, _PRESENT = 0.1, 0.01
"""Variances, as shares of the noise, that a missing unit and one that is already random are taken to have."""
_SLIGHT = 0.25
"""A unit that adds a smaller share to a variance is not worth a sentence, where another unit carries the term."""


@dataclass(frozen=True)
class Unit:
    """A random grouping, or one that could be."""

    columns: tuple[str, ...]
    grouping: Grouping

    @property
    def name(self) -> str:
        """As in a formula."""
        return ":".join(self.columns)


@dataclass(frozen=True)
class UnitSlope:
    """A random slope: variables whose effects vary over the levels of a unit."""

    unit: Unit
    variables: frozenset[str]


class CarriedTerms:
    """What is random in a model, and what is constant within it."""

    def __init__(
        self,
        data: pd.DataFrame,
        fixed: FixedPart,
        random: Sequence[RandomTerm],
        coded: Coded,
        trials: FloatArray | None,
    ) -> None:
        """Everything (rows,); see `missing_terms.missing_random_effects`."""
        self.data, self.fixed, self.coded = data, fixed, coded
        self.observations = float(len(data) if trials is None else trials.sum())
        self.terms = {
            name: (fixed.term_variables[name], len(columns))
            for name, columns in fixed.terms.items()
            if columns and fixed.term_variables[name]
        }
        self.units: dict[tuple[str, ...], Unit] = {}
        for term in random:
            self.units.setdefault(term.columns, Unit(term.columns, Grouping(term.name, term.code, term.size)))
        self.intercepts = [self.units[term.columns] for term in random if INTERCEPT in term.effects]
        self.slopes = [
            UnitSlope(self.units[term.columns], frozenset(term.slope_variables))
            for term in random
            if term.slope_variables
        ]
        self._known: dict[tuple[Grouping, str], bool] = {}
        self._rows: dict[str, NDArray[Any]] = {}

    def values(self, variable: str) -> NDArray[Any]:
        """(rows,) a fixed variable as numbers; codes of a factor."""
        if variable not in self._rows:
            column = self.fixed.variables[variable]
            numbers = sorted_codes(column)[0] if self.is_factor(variable) else column.to_numpy()
            self._rows[variable] = numbers[self.fixed.pattern]
        return self._rows[variable]

    def is_factor(self, variable: str) -> bool:
        """Whether the fixed part takes it as one."""
        return variable in self.fixed.levels

    def constant(self, unit: Unit, variables: Iterable[str]) -> bool:
        """Whether fixed variables are constant within the levels of a unit."""
        return all(name in unit.columns or self._holds(unit.grouping, name) for name in variables)

    def _holds(self, grouping: Grouping, variable: str) -> bool:
        if (grouping, variable) not in self._known:
            self._known[grouping, variable] = grouping.holds(self.values(variable))
        return self._known[grouping, variable]

    def is_random(self, unit: Unit) -> bool:
        """Whether there is a random intercept of its columns."""
        return any(set(one.columns) == set(unit.columns) for one in self.intercepts)

    def carriers(self, term: str) -> list[Unit]:
        """Random units that carry a fixed term (see `denominator_df.carried_df`)."""
        variables = self.terms[term][0]
        found = [unit for unit in self.intercepts if self.constant(unit, variables)]
        for slope in self.slopes:
            apart = [name for name in variables if name not in slope.variables]
            if len(apart) < len(variables) and self.constant(slope.unit, apart):
                found.append(slope.unit)
        return found

    def protected(self, term: str, unit: Unit) -> bool:
        """Whether a carrier of the term is as coarse as the unit: by its columns' names, or else in the data."""
        names = {*unit.columns, *self.terms[term][0]}
        carriers = self.carriers(term)
        return any(names.issuperset(one.columns) for one in carriers) or any(
            unit.grouping.holds(one.grouping.code) for one in carriers
        )

    def false_positives(self, term: str, levels: int, others: Sequence[int]) -> float | None:
        """Of a test at 5 % that takes a unit's answers for unrelated; None where another carrier hides them.

        Args:
            levels: of the unit.
            others: levels of further carriers.
        """
        carriers = [*others, *(one.grouping.size for one in self.carriers(term))]
        known = 1.0 / self.observations + (_PRESENT / min(carriers) if carriers else 0.0)
        larger = _UNIT / levels / known
        if carriers and larger < _SLIGHT:
            return None
        df = self.terms[term][1]
        return float(chi2.sf(chi2.isf(0.05, df) / (1.0 + larger), df))

    def by_factors(self, unit: Unit, factors: Sequence[str]) -> Unit:
        """The levels of a unit split up by those of fixed factors."""
        columns = (*unit.columns, *factors)
        same = [one for one in self.units.values() if set(one.columns) == set(columns)]
        if same:
            return Unit(columns, same[0].grouping)
        code, first = combine_codes([unit.grouping.code, *(self.values(name) for name in factors)])
        return Unit(columns, Grouping(":".join(columns), code, len(first)))

    @cached_property
    def cells(self) -> Grouping:
        """Combinations of all fixed factors."""
        factors = [sorted_codes(self.fixed.variables[name])[0] for name in self.fixed.levels]
        if not factors:
            return Grouping("all", np.zeros(len(self.data), dtype=np.int64), 1)
        code, first = combine_codes(factors)
        return Grouping("cells", code[self.fixed.pattern], len(first))
