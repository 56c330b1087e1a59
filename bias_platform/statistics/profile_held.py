"""How holding one parameter leaves the others free: a value and a free vector make the vector of a `Surface`."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bias_platform.statistics.arrays import FloatArray

_SURE = 12.0
"""Inverse hyperbolic tangent of a correlation that is 1 to ten digits."""


class Held(Protocol):
    """One parameter that is held at a value while the free ones move."""

    @property
    def lowest(self) -> float | None:
        """The least value, itself possible; None where there is none."""

    @property
    def highest(self) -> float | None:
        """The greatest."""

    def split(self, full: FloatArray) -> tuple[float, FloatArray]:
        """Value and free vector of a full one."""

    def place(self, value: float, free: FloatArray) -> FloatArray:
        """The full vector."""

    def jacobian(self, value: float, free: FloatArray) -> FloatArray:
        """(full, 1 + free): its derivatives in the value and in the free vector."""

    def shown(self, value: float) -> float:
        """The parameter in the units of a report."""


@dataclass(frozen=True)
class HeldEntry:
    """An entry of the vector times a unit: a fixed effect, or a deviation on the logit scale."""

    at: int
    unit: float = 1.0
    lowest: float | None = None
    highest: float | None = None

    def split(self, full: FloatArray) -> tuple[float, FloatArray]:
        return self.unit * float(full[self.at]), np.delete(full, self.at)

    def place(self, value: float, free: FloatArray) -> FloatArray:
        return np.insert(free, self.at, value / self.unit)

    def jacobian(self, value: float, free: FloatArray) -> FloatArray:
        found = np.zeros((len(free) + 1,) * 2)
        found[self.at, 0] = 1.0 / self.unit
        found[np.delete(np.arange(len(found)), self.at), 1 + np.arange(len(free))] = 1.0
        return found

    def shown(self, value: float) -> float:
        return value


@dataclass(frozen=True)
class HeldDeviation(HeldEntry):
    """An entry that is relative to the residual's deviation, whose logarithm stands last."""

    def split(self, full: FloatArray) -> tuple[float, FloatArray]:
        return self.unit * float(full[self.at] * np.exp(full[-1])), np.delete(full, self.at)

    def place(self, value: float, free: FloatArray) -> FloatArray:
        return np.insert(free, self.at, value / self.unit * np.exp(-free[-1]))

    def jacobian(self, value: float, free: FloatArray) -> FloatArray:
        found = super().jacobian(value, free)
        found[self.at, 0] *= np.exp(-free[-1])
        found[self.at, -1] = -value / self.unit * np.exp(-free[-1])
        return found


@dataclass(frozen=True)
class HeldResidual:
    """The residual's deviation, whose logarithm stands last."""

    unit: float
    lowest: float | None = None
    highest: float | None = None

    def split(self, full: FloatArray) -> tuple[float, FloatArray]:
        return float(full[-1]), full[:-1]

    def place(self, value: float, free: FloatArray) -> FloatArray:
        return np.append(free, value)

    def jacobian(self, value: float, free: FloatArray) -> FloatArray:
        return np.roll(np.eye(len(free) + 1), 1, axis=1)

    def shown(self, value: float) -> float:
        return self.unit * float(np.exp(value))


@dataclass(frozen=True)
class HeldCorrelation:
    """Of the first two effects of a term, whose factor begins ``a; s r, s sqrt(1 - r^2)`` with a above 0.

    The value is the inverse hyperbolic tangent of r, along which profiles are straighter; s is free in the place of
    the lower entry.
    """

    below: int
    """Place of s r."""
    diagonal: int
    """Place of s sqrt(1 - r^2), after it."""
    lowest: float | None = -_SURE
    highest: float | None = _SURE

    def split(self, full: FloatArray) -> tuple[float, FloatArray]:
        length = float(np.hypot(full[self.below], full[self.diagonal]))
        free = full.copy()
        free[self.below] = length
        share = np.clip(full[self.below] / length, -np.tanh(_SURE), np.tanh(_SURE))
        return float(np.arctanh(share)), np.delete(free, self.diagonal)

    def place(self, value: float, free: FloatArray) -> FloatArray:
        full = np.insert(free, self.diagonal, free[self.below] / np.cosh(value))
        full[self.below] *= np.tanh(value)
        return full

    def jacobian(self, value: float, free: FloatArray) -> FloatArray:
        rest = np.delete(np.arange(len(free) + 1), self.diagonal)
        found = np.zeros((len(free) + 1,) * 2)
        found[rest, 1 + np.arange(len(free))] = 1.0
        length, cosine = float(free[self.below]), 1.0 / float(np.cosh(value))
        found[self.below, 1 + self.below] = np.tanh(value)
        found[self.diagonal, 1 + self.below] = cosine
        found[self.below, 0] = length * cosine**2
        found[self.diagonal, 0] = -length * cosine * np.tanh(value)
        return found

    def shown(self, value: float) -> float:
        return float(np.sign(value) if abs(value) >= _SURE else np.tanh(value))
