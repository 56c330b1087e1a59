"""Maxima of a likelihood with one parameter held at one value after the other, and where they fall off by so much."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.profile_held import Held
from bias_platform.statistics.profile_surface import Surface
from bias_platform.statistics.quasi_newton import minimise

_TOLERANCE = 1e-7
"""Predicted gain in log-likelihood at which a search ends: near 5e-8 of a standard error."""
_SETTLED = 2e-3
"""Gradient in units of standard errors at which a search that stopped early counts as ended."""
_HIGHER = 1e-4
"""Log-likelihood by which a profile may pass the fit's own."""
_NEAR = 1e-3
"""Of the root: one more Newton step from there is exact to about its square."""
_WEAKEST = 1e-3
"""Least information in a direction, in units of that of its variables."""
_MOST_POINTS = 30
_LONGEST = 3.0
"""Farthest step away from the maximum, in units of the distance from it."""
_FLAT = 1e-4
"""Slope of the log-likelihood, times the distance from the maximum, at which it will fall no further."""


class Point(NamedTuple):
    """The constrained maximum at one value."""

    value: float
    free: FloatArray
    loglik: float
    slope: float
    """Of the maximised log-likelihood in the value."""
    converged: bool


class Bound(NamedTuple):
    """An end of an interval."""

    value: float
    limited: bool
    """Whether the likelihood does not fall off far enough before the parameter's own limit, or ever."""


@dataclass
class ProfilePath:
    """The constrained maxima of one parameter."""

    surface: Surface
    held: Held
    loglik: float
    """At the unconstrained maximum."""
    top: Point
    root: FloatArray
    """(free, free): whitens the free variables where the value is held."""
    drift: FloatArray
    """(free,): their first move with the value."""
    error: float
    """About the standard error of the value."""
    points: list[Point] = field(default_factory=list)

    @classmethod
    def at(cls, surface: Surface, held: Held, full: FloatArray, nudged: FloatArray) -> "ProfilePath":
        """A path that starts at a maximum.

        Args:
            full: the maximum.
            nudged: the same with variances off zero, where a search could not find out that they should grow.
        """
        loglik, _ = surface(full)
        value, _ = held.split(full)
        inner, free = held.split(nudged)
        jacobian = held.jacobian(inner, free)
        information = _firm(jacobian.T @ surface.information(nudged) @ jacobian)
        root = np.linalg.inv(np.linalg.cholesky(information[1:, 1:])).T
        drift = -root @ (root.T @ information[1:, 0])
        error = 1.0 / float(np.sqrt(information[0, 0] + information[0, 1:] @ drift))
        return cls(surface, held, loglik, Point(value, free, loglik, 0.0, True), root, drift, error)

    @property
    def converged(self) -> bool:
        """Whether every maximum was found, and none above the one that the path started from."""
        return all(point.converged and point.loglik <= self.loglik + _HIGHER for point in self.points)

    def solve(self, value: float) -> Point:
        """The maximum with the parameter held at a value."""
        held_at = _Slice(self.surface, self.held, value, self._foreseen(value), self.root)
        found = minimise(held_at, np.zeros(len(self.root)), tolerance=_TOLERANCE)
        settled = found.converged or float(np.abs(found.gradient).max()) < _SETTLED
        point = Point(value, held_at.free(found.at), -found.value, held_at.slope, settled)
        self.points.append(point)
        return point

    def _foreseen(self, value: float) -> FloatArray:
        """About the free variables at a value: on the line through the nearest points of the same side."""
        move = value - self.top.value
        side = [one for one in self.points if np.isfinite(one.loglik) and (one.value - self.top.value) * move > 0]
        near = sorted([self.top, *side], key=lambda one: abs(one.value - value))[:2]
        if len(near) < 2 or near[0].value == near[1].value:
            return self.top.free + move * self.drift
        drift = (near[0].free - near[1].free) / (near[0].value - near[1].value)
        return near[0].free + (value - near[0].value) * drift

    def crossing(self, direction: int, depth: float) -> Bound:
        """Where the root of twice the fall of the log-likelihood is `depth`, below (-1) or above (1) the maximum.

        Newton steps on that root, which is nearly a straight line, inside the bracket found so far. NaN where that does
        not end.
        """
        limit = self.held.lowest if direction < 0 else self.held.highest
        if limit is not None and direction * (self.top.value - limit) >= 0:
            return Bound(limit, True)
        bracket = _Bracket(self.top.value, direction, limit)
        value = bracket.inward(self.top.value + direction * depth * self.error)
        for _ in range(_MOST_POINTS):
            point = self.solve(value)
            fallen = float(np.sqrt(2.0 * max(0.0, self.loglik - point.loglik)))
            steep = -direction * point.slope / fallen if 0.0 < fallen < np.inf else 0.0
            ahead = value + direction * (depth - fallen) / steep if steep > 0.0 else np.nan
            if abs(fallen - depth) < _NEAR and abs(ahead - value) < self.error:
                return Bound(ahead, False)
            if fallen < depth and (value == limit or self._is_flat(point)):
                return Bound(direction * np.inf if limit is None else limit, True)
            value = bracket.narrowed(value, fallen < depth, ahead)
        return Bound(np.nan, False)

    def _is_flat(self, point: Point) -> bool:
        """Whether the likelihood has stopped falling far from the maximum."""
        far = abs(point.value - self.top.value)
        return far > 3.0 * self.error and abs(point.slope) * far < _FLAT


class _Bracket:
    """Where a crossing can lie, going one way from a maximum."""

    def __init__(self, top: float, direction: int, limit: float | None) -> None:
        self.top, self.direction, self.limit = top, direction, limit
        self.inside, self.outside = top, np.nan

    def inward(self, value: float) -> float:
        """The value, or the parameter's limit if that comes first."""
        beyond = self.limit is not None and self.direction * (value - self.limit) > 0
        return self.limit if beyond and self.limit is not None else value

    def narrowed(self, value: float, inside: bool, ahead: float) -> float:
        """What to try next, after a value that lies inside or outside; ahead is where Newton would go, or NaN."""
        if inside:
            self.inside = value
        else:
            self.outside = value
        if np.isnan(self.outside):
            farthest = self.top + _LONGEST * (value - self.top)
            steps = self.direction * (np.array([value, ahead, farthest]) - value)
            return self.inward(ahead if steps[0] < steps[1] < steps[2] else farthest)
        between = min(self.inside, self.outside) < ahead < max(self.inside, self.outside)
        return ahead if between else 0.5 * (self.inside + self.outside)


class _Slice:
    """The negative log-likelihood along the whitened free variables, the parameter held."""

    def __init__(self, surface: Surface, held: Held, value: float, start: FloatArray, root: FloatArray) -> None:
        self.surface, self.held, self.value, self.start, self.root = surface, held, value, start, root
        self.best, self.slope = np.inf, 0.0

    def free(self, at: FloatArray) -> FloatArray:
        """The free variables themselves."""
        return self.start + self.root @ at

    def __call__(self, at: FloatArray) -> tuple[float, FloatArray]:
        free = self.free(at)
        loglik, gradient = self.surface(self.held.place(self.value, free))
        moved = gradient @ self.held.jacobian(self.value, free)
        if -loglik < self.best:
            self.best, self.slope = -loglik, float(moved[0])
        return -loglik, -(moved[1:] @ self.root)


def _firm(information: FloatArray) -> FloatArray:
    """A positive definite matrix near one that may not be."""
    scale = np.sqrt(np.maximum(np.abs(np.diag(information)), 1e-12))
    values, vectors = np.linalg.eigh(0.5 * (information + information.T) / np.outer(scale, scale))
    firm: FloatArray = (vectors * np.maximum(np.abs(values), _WEAKEST)) @ vectors.T * np.outer(scale, scale)
    return firm
