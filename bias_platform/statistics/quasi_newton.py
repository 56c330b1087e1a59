"""Minimise a smooth function of a few dozen variables whose gradient comes with its value (BFGS)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bias_platform.statistics.arrays import FloatArray


@dataclass(frozen=True)
class Minimum:
    """Where the search ended."""

    at: FloatArray
    value: float
    gradient: FloatArray
    evaluations: int
    iterations: int
    converged: bool


def minimise(
    function: Callable[[FloatArray], tuple[float, FloatArray]],
    start: FloatArray,
    tolerance: float = 1e-8,
    most_iterations: int = 200,
    longest_step: float = 8.0,
    hopeless: Callable[[], bool] = lambda: False,
) -> Minimum:
    """BFGS from the identity: the variables should be scaled so that the Hessian is near it.

    Args:
        function: value and gradient at a point; the value may be ``inf``.
        start: (n,).
        tolerance: stop once the predicted decrease is below this.
        longest_step: longest first move of a line search, in scaled units per square root of n.
        hopeless: asked before each iteration whether to give up where the search stands.
    """
    at = start
    value, gradient = function(at)
    inverse = np.eye(len(at))
    evaluations, longest = 1, longest_step * np.sqrt(len(at))
    for iteration in range(most_iterations):
        direction = -inverse @ gradient
        slope = float(gradient @ direction)
        if -0.5 * slope < tolerance:
            return Minimum(at, value, gradient, evaluations, iteration, True)
        if hopeless():
            return Minimum(at, value, gradient, evaluations, iteration, False)
        first = min(1.0, longest / float(np.linalg.norm(direction)))
        found = _line_search(function, at, value=value, direction=direction, slope=slope, first=first)
        evaluations += found[3]
        if found[0] is None:
            if np.array_equal(inverse, np.eye(len(at))):
                break
            inverse = np.eye(len(at))
            continue
        step, value, ahead = found[0], found[1], found[2]
        inverse = _updated(inverse, step, ahead - gradient)
        at, gradient = at + step, ahead
    return Minimum(at, value, gradient, evaluations, iteration + 1, False)


def _line_search(
    function: Callable[[FloatArray], tuple[float, FloatArray]],
    at: FloatArray,
    *,
    value: float,
    direction: FloatArray,
    slope: float,
    first: float,
) -> tuple[FloatArray | None, float, FloatArray, int]:
    """Step of sufficient decrease: halved by interpolation, lengthened while the slope stays steep."""
    size, best = first, None
    for tries in range(1, 16):
        step = size * direction
        ahead, gradient = function(at + step)
        if not np.isfinite(ahead) or ahead > value + 1e-4 * size * slope:
            if best is not None:
                return *best, tries
            size *= _shrink(ahead - value, size * slope)
            continue
        if best is not None and ahead > best[1]:
            return *best, tries
        best = (step, ahead, gradient)
        if float(gradient @ direction) > 0.9 * slope or tries > 4:
            return *best, tries
        size *= 2.0
    return None, value, direction, tries


def _shrink(rise: float, slope: float) -> float:
    if not np.isfinite(rise):
        return 0.25
    return float(np.clip(-0.5 * slope / (rise - slope), 0.1, 0.5))


def _updated(inverse: FloatArray, step: FloatArray, change: FloatArray) -> FloatArray:
    along = float(step @ change)
    if along <= 1e-10 * float(np.linalg.norm(step) * np.linalg.norm(change)):
        return inverse
    moved = inverse @ change
    return (
        inverse
        + (1.0 + float(change @ moved) / along) * np.outer(step, step) / along
        - (np.outer(moved, step) + np.outer(step, moved)) / along
    )
