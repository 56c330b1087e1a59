"""A study before it is made: crossed factors, attributes of their levels, how much random effects vary."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from bias_platform.statistics.arrays import FloatArray, IntArray, combine_codes
from bias_platform.statistics.errors import ModelError, spell_check

MOST_ROWS = 20_000_000


@dataclass(frozen=True)
class Attribute:
    """What groups the levels of a factor, such as the group that a persona belongs to."""

    of: str
    """The factor whose levels have it."""
    sizes: Mapping[str, int]
    """Level of the attribute -> how many levels of the factor have it, in the order of the factor's levels."""


@dataclass(frozen=True)
class StudyDesign:
    """Every combination of the factors' levels is answered once.

    Rows are ordered with the last factor fastest. Deviations and the intercept are on the logit scale.

    Raises:
        ModelError: sizes, attributes or deviations that do not fit each other; the message names them.

    >>> design = StudyDesign(
    ...     factors={"item": 3, "persona": 4, "system": ("base", "tuned")},
    ...     attributes={"group": Attribute("persona", {"young": 1, "old": 3})},
    ...     sds={"item": 1.5, "persona": 0.3},
    ... )
    >>> design.rows, design.levels("persona")
    (24, ('persona1', 'persona2', 'persona3', 'persona4'))
    >>> design.frame().iloc[0].tolist()
    ['item1', 'persona1', 'base', 'young']
    """

    factors: Mapping[str, int | Sequence[str]]
    """Name -> number of levels, or their names."""
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    sds: Mapping[str, float] = field(default_factory=dict)
    """Grouping, such as ``item`` or ``item:system`` -> deviation of its random intercept."""
    intercept: float = 0.0

    def __post_init__(self) -> None:
        problems = [*self._wrong_factors(), *self._wrong_attributes(), *self._wrong_deviations()]
        if problems:
            raise ModelError("The design of the study cannot be used: " + "; ".join(problems) + ".")

    @property
    def rows(self) -> int:
        """Answers of one study."""
        return int(np.prod([self._size(name) for name in self.factors], dtype=float))

    def levels(self, name: str) -> tuple[str, ...]:
        """Names of the levels of a factor or an attribute.

        Raises:
            ModelError: there is no such factor.
        """
        if name in self.attributes:
            return tuple(self.attributes[name].sizes)
        known = [*self.factors, *self.attributes]
        if name not in self.factors:
            raise ModelError(f"The design has no factor or attribute {name!r} ({spell_check(name, known)}).")
        given = self.factors[name]
        return tuple(f"{name}{k + 1}" for k in range(given)) if isinstance(given, int) else tuple(given)

    @cached_property
    def codes(self) -> dict[str, IntArray]:
        """(rows,) position of each row's level, by factor and attribute."""
        grid = np.indices([self._size(name) for name in self.factors]).reshape(len(self.factors), -1)
        codes = {name: grid[k].astype(np.int64) for k, name in enumerate(self.factors)}
        for name, attribute in self.attributes.items():
            group = np.repeat(np.arange(len(attribute.sizes)), list(attribute.sizes.values()))
            codes[name] = group[codes[attribute.of]].astype(np.int64)
        return codes

    @cached_property
    def groupings(self) -> dict[str, tuple[IntArray, int]]:
        """(rows,) level of each random intercept, and how many levels it has."""
        found = {}
        for name in self.sds:
            code, first = combine_codes([self.codes[part] for part in _parts(name)])
            found[name] = (code, len(first))
        return found

    def frame(self) -> pd.DataFrame:
        """One row an answer: a categorical column a factor and attribute."""
        return pd.DataFrame(
            {name: pd.Categorical.from_codes(code, pd.Index(self.levels(name))) for name, code in self.codes.items()}
        )

    def predictor(self, effects: Mapping[str, float], base: float = 0.0) -> FloatArray:
        """Fixed part of the log-odds (rows,): `base` plus the effects of the cells that a row lies in.

        Args:
            effects: cell -> shift on the logit scale. A cell is named ``group=old`` or ``group=old, system=tuned``.

        Raises:
            ModelError: a cell that the design does not have.
        """
        total = np.full(self.rows, float(base))
        for cell, effect in effects.items():
            total[self._members(cell)] += effect
        return total

    def _members(self, cell: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        inside = np.ones(self.rows, dtype=bool)
        for part in cell.split(","):
            name, found, level = (piece.strip() for piece in part.partition("="))
            if not found:
                raise ModelError(
                    f"The effect of {cell!r} names no cell: write factor=level, several parted by commas, "
                    "as in 'group=old, system=tuned'."
                )
            levels = self.levels(name)
            if level not in levels:
                raise ModelError(f"{name!r} has no level {level!r} ({spell_check(level, levels)}).")
            inside &= self.codes[name] == levels.index(level)
        return inside

    def _size(self, factor: str) -> int:
        given = self.factors[factor]
        return given if isinstance(given, int) else len(given)

    def _wrong_factors(self) -> Iterable[str]:
        if not self.factors:
            yield "it has no factor"
            return
        small = [name for name in self.factors if self._size(name) < 1]
        yield from (f"factor {name!r} needs at least one level" for name in small)
        if self.rows > MOST_ROWS:
            yield f"it has {self.rows:,} answers, at most {MOST_ROWS:,} can be simulated"

    def _wrong_attributes(self) -> Iterable[str]:
        for name, attribute in self.attributes.items():
            if name in self.factors:
                yield f"{name!r} is both a factor and an attribute"
            if attribute.of not in self.factors:
                yield f"attribute {name!r} is one of {attribute.of!r} ({spell_check(attribute.of, self.factors)})"
            elif sum(attribute.sizes.values()) != self._size(attribute.of) or min(attribute.sizes.values()) < 1:
                yield (
                    f"the sizes of {name!r} are {list(attribute.sizes.values())}, but must be positive and add up to "
                    f"the {self._size(attribute.of)} levels of {attribute.of!r}"
                )

    def _wrong_deviations(self) -> Iterable[str]:
        known = [*self.factors, *self.attributes]
        for name, sd in self.sds.items():
            unknown = [part for part in _parts(name) if part not in known]
            yield from (f"the deviation of {name!r} names {part!r} ({spell_check(part, known)})" for part in unknown)
            if not 0 <= sd < np.inf:
                yield f"the deviation of {name!r} must not be negative, but is {sd}"


def _parts(grouping: str) -> list[str]:
    return [name.strip() for name in grouping.split(":")]
