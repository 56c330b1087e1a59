"""Which values a variable is set to in the observed rows, and which of the predictions there are compared."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bias_platform.statistics.arrays import FloatArray, bin_sums, combine_codes, sorted_codes
from bias_platform.statistics.design import Design
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.families import LEVEL, REFERENCE

PAIRS, SLOPE, SD = "pairs", "slope", "sd"
_STENCIL = ((-2.0, 1.0), (-1.0, -8.0), (1.0, 8.0), (2.0, -1.0))
"""Steps and twelve times their weights of a derivative, exact to the fourth order."""
_STEP = 1e-3
"""Of a derivative, in standard deviations of the variable: errs by about 1e-13 of the effect of one of them."""


class Comparison(NamedTuple):
    """Values that a variable is set to, and which of these are compared."""

    base: pd.DataFrame
    """The distinct rows that are averaged over."""
    observations: FloatArray
    """Of each."""
    values: list[Any]
    """Each one for all rows of the base, or (rows,)."""
    matrix: FloatArray
    """(comparisons, values)."""
    labels: list[dict[str, Any]]
    """One a comparison."""


def comparison_of(design: Design, variable: str, compare: str | float | None, reference: Any) -> Comparison:
    """What `average_effects` compares.

    Raises:
        ModelError: an unknown level, or a comparison that is not one of this kind of variable.
    """
    fixed = design.fixed
    observations = bin_sums(design.pattern, design.trials, len(fixed.patterns))
    if variable in fixed.levels:
        base, observations = _distinct(fixed.variables.drop(columns=variable), observations)
        return _levels_compared(base, observations, variable, fixed.levels[variable], compare, reference)
    if reference is not None:
        raise ModelError(f"{variable!r} is a number and has no reference level: leave 'reference' out.")
    base, observations = _distinct(fixed.variables, observations)
    return _numbers_compared(base, observations, variable, compare)


def _distinct(frame: pd.DataFrame, observations: FloatArray) -> tuple[pd.DataFrame, FloatArray]:
    """Distinct rows with all their observations; of a frame without columns, one row."""
    if not len(frame.columns):
        return pd.DataFrame(index=range(1)), np.array([observations.sum()])
    code, first = combine_codes([sorted_codes(frame[name])[0] for name in frame])
    return frame.iloc[first].reset_index(drop=True), bin_sums(code, observations, len(first))


def _levels_compared(
    base: pd.DataFrame, observations: FloatArray, variable: str, levels: Sequence[Any], compare: Any, reference: Any
) -> Comparison:
    first = levels[0] if reference is None else reference
    if first not in levels:
        raise ModelError(f"{variable!r} has no level {first!r}; its levels are {list(levels)[:20]}.")
    if compare not in (None, PAIRS):
        raise ModelError(
            f"Levels of the factor {variable!r} cannot be compared by {compare!r}: give 'pairs', or leave it out for "
            "each level against the reference."
        )
    pairs = [(level, first) for level in levels if level != first]
    if compare == PAIRS:
        pairs = [(later, earlier) for earlier, later in combinations(levels, 2)]
    matrix = np.zeros((len(pairs), len(levels)))
    for row, (level, other) in enumerate(pairs):
        matrix[row, levels.index(level)], matrix[row, levels.index(other)] = 1.0, -1.0
    labels = [{LEVEL: level, REFERENCE: other, "contrast": f"{level} - {other}"} for level, other in pairs]
    return Comparison(base, observations, list(levels), matrix, labels)


def _numbers_compared(base: pd.DataFrame, observations: FloatArray, variable: str, compare: Any) -> Comparison:
    x = base[variable].to_numpy(dtype=np.float64)
    mean = float(observations @ x / observations.sum())
    sd = float(np.sqrt(observations @ (x - mean) ** 2 / observations.sum()))
    if compare in (None, SLOPE):
        step = _STEP * sd
        values = [x + move * step for move, _ in _STENCIL]
        matrix = np.array([[weight / (12.0 * step) for _, weight in _STENCIL]])
        return Comparison(base, observations, values, matrix, [{"contrast": f"slope of {variable}"}])
    step, name = (sd, f"{variable} + sd") if compare == SD else (_number(variable, compare), f"{variable} + {compare}")
    return Comparison(base, observations, [x, x + step], np.array([[-1.0, 1.0]]), [{"contrast": name}])


def _number(variable: str, compare: Any) -> float:
    wrong = isinstance(compare, bool | str) or not np.isscalar(compare) or not np.isfinite(compare) or compare == 0
    if wrong:
        raise ModelError(
            f"The effect of the number {variable!r} cannot be {compare!r}: give 'slope', 'sd', or an increase other "
            "than zero."
        )
    return float(compare)
