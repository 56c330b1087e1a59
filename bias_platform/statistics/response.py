"""The left-hand side of a formula as numbers: answers counted, or a measured outcome."""

from dataclasses import dataclass
from numbers import Number
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import gammaln

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.formula import MixedFormula

BINOMIAL, GAUSSIAN = "binomial", "gaussian"
FAMILIES = (BINOMIAL, GAUSSIAN)


@dataclass(frozen=True)
class Response:
    """What was observed in each row of the data."""

    totals: FloatArray
    """(rows,): successes, or the outcome times how often it was seen."""
    trials: FloatArray
    """(rows,): answers, or how often the row was seen."""
    constant: float
    """What the binomial coefficients add to the log-likelihood."""


def read_response(parsed: MixedFormula, data: pd.DataFrame, weights: str | None, family: str) -> Response:
    """The outcome of each row.

    Raises:
        ModelError: an unknown family, an outcome that does not suit it, or one that is constant.
    """
    if family not in FAMILIES:
        raise ModelError(f"The family {family!r} cannot be fitted: choose one of {', '.join(FAMILIES)}.")
    repeats = _counts(data[weights], f"weights column {weights!r}") if weights else np.ones(len(data))
    if not (repeats > 0).any():
        raise ModelError(f"No row has a positive weight in column {weights!r}: there is nothing to model.")
    return _measured(parsed, data, repeats) if family == GAUSSIAN else _counted(parsed, data, repeats)


def _measured(parsed: MixedFormula, data: pd.DataFrame, repeats: FloatArray) -> Response:
    if parsed.failures is not None:
        raise ModelError(
            f"The formula {parsed.text!r}: cbind(successes, failures) counts answers, which needs family='binomial'; "
            "a Gaussian model takes one numeric column before '~'."
        )
    outcome = _numbers(data[parsed.response], parsed.response)
    seen = outcome[repeats > 0]
    if len(seen) == 0 or float(np.ptp(seen)) == 0.0:
        value = f"always {seen[0]:g}" if len(seen) else "never seen"
        raise ModelError(
            f"The outcome {parsed.response!r} is constant ({value} in {len(seen)} rows): there is nothing to model."
        )
    return Response(outcome * repeats, repeats, 0.0)


def _numbers(column: pd.Series, name: str) -> FloatArray:
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_complex_dtype(column):
        raise ModelError(
            f"The outcome {name!r} of a Gaussian model must be numeric but the column holds {column.dtype} values: "
            "convert it to numbers, or model answers as 0/1 with family='binomial'."
        )
    values: FloatArray = column.to_numpy(dtype=np.float64)
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        raise ModelError(
            f"The outcome {name!r} has {len(wrong)} value(s) that are not finite (row {column.index[wrong[0]]} has "
            f"{values[wrong[0]]:g}): drop or replace these rows before fitting."
        )
    return values


def _counted(parsed: MixedFormula, data: pd.DataFrame, repeats: FloatArray) -> Response:
    if parsed.failures is None:
        response = Response(_zero_one(data[parsed.response], parsed.response) * repeats, repeats, 0.0)
    else:
        won = _counts(_expression(parsed.response, data, parsed), "successes")
        lost = _counts(_expression(parsed.failures, data, parsed), "failures")
        ways = gammaln(won + lost + 1) - gammaln(won + 1) - gammaln(lost + 1)
        response = Response(won * repeats, (won + lost) * repeats, float(ways @ repeats))
    total, positive = float(response.trials.sum()), float(response.totals.sum())
    if positive in (0.0, total):
        raise ModelError(
            f"The outcome {parsed.response!r} is constant (always {int(positive > 0)} in {int(total)} "
            "observations): there is nothing to model; report the rate with an interval for a single proportion."
        )
    return response


def _expression(expression: str, data: pd.DataFrame, parsed: MixedFormula) -> pd.Series:
    try:
        values: Any = data.eval(expression)
    except (SyntaxError, ValueError, TypeError, NameError, AttributeError) as problem:
        raise ModelError(f"In {parsed.text!r} the expression {expression!r} fails: {problem}.") from problem
    return pd.Series(values, index=data.index)


def _zero_one(column: pd.Series, name: str) -> FloatArray:
    plain = column.astype(column.cat.categories.dtype) if isinstance(column.dtype, pd.CategoricalDtype) else column
    stored = plain.dtype == object and all(isinstance(value, Number) for value in plain)
    numbers = plain.astype(float) if stored else plain
    if not pd.api.types.is_numeric_dtype(numbers) or not numbers.isin([0, 1]).all():
        distinct = dict.fromkeys(_shown(value) for value in plain.head(1000))
        shown = ", ".join(sorted(distinct)[:5])
        raise ModelError(
            f"The outcome {name!r} must be 0 or 1 (or True and False) but has values {shown}: "
            "code the answer of interest as 1 and every other answer as 0."
        )
    return np.asarray(numbers, dtype=np.float64)


def _shown(value: Any) -> str:
    """A value as it would be typed."""
    return repr(value.item() if isinstance(value, np.generic) else value)


def _counts(column: pd.Series, what: str) -> FloatArray:
    if not pd.api.types.is_numeric_dtype(column):
        raise ModelError(f"The {what} must be whole numbers, but the column holds {column.dtype} values.")
    values: FloatArray = column.to_numpy(dtype=np.float64)
    wrong = np.flatnonzero(~np.isfinite(values) | (values < 0) | (values != np.round(values)))
    if len(wrong):
        raise ModelError(
            f"The {what} must be whole numbers from 0 up, but row {column.index[wrong[0]]} has {values[wrong[0]]:g}."
        )
    return values
