"""The left-hand side of a formula as numbers: answers counted, a measured outcome, or ordered categories."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Number
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import gammaln

from bias_platform.statistics.arrays import FloatArray, IntArray
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.formula import MixedFormula

BINOMIAL, GAUSSIAN, ORDINAL = "binomial", "gaussian", "ordinal"
FAMILIES = (BINOMIAL, GAUSSIAN, ORDINAL)
MOST_CATEGORIES = 20


@dataclass(frozen=True)
class Response:
    """What was observed in each row of the data."""

    totals: FloatArray
    """(rows,): successes, the outcome times how often it was seen, or of an ordinal one its place from 0 up."""
    trials: FloatArray
    """(rows,): answers, or how often the row was seen."""
    constant: float
    """What the binomial coefficients add to the log-likelihood."""
    categories: tuple[str, ...] = ()
    """Of an ordinal outcome, the observed ones from the lowest up."""
    category: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """(rows,): which of them."""


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
    if family == ORDINAL:
        return _ordered(parsed, data, repeats)
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


def _ordered(parsed: MixedFormula, data: pd.DataFrame, repeats: FloatArray) -> Response:
    if parsed.failures is not None:
        raise ModelError(
            f"The formula {parsed.text!r}: cbind(successes, failures) counts answers of two kinds, which needs "
            "family='binomial'; an ordinal model takes one column of ordered categories before '~'."
        )
    column = data[parsed.response]
    values = _in_order(column[repeats > 0], parsed.response)
    if not 3 <= len(values) <= MOST_CATEGORIES:
        advice = "with two, use family='binomial'" if len(values) < 3 else "with more, use family='gaussian'"
        kinds = "category" if len(values) == 1 else "categories"
        raise ModelError(
            f"The outcome {parsed.response!r} of an ordinal model has {len(values)} observed {kinds} "
            f"({_listed(values)}): 3 to {MOST_CATEGORIES} can be fitted; {advice}."
        )
    category = pd.Index(values).get_indexer(pd.Index(column)).astype(np.int64)
    category[repeats == 0] = 0
    return Response(category * repeats, repeats, 0.0, tuple(_name(value) for value in values), category)


def _in_order(column: pd.Series, name: str) -> list[Any]:
    """The observed categories, lowest first."""
    seen = set(column.unique())
    if isinstance(column.dtype, pd.CategoricalDtype) and column.cat.ordered:
        return [value for value in column.cat.categories if value in seen]
    numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_complex_dtype(column)
    if numeric and all(float(value).is_integer() for value in seen):
        return sorted(seen)
    raise ModelError(
        f"The outcome {name!r} of an ordinal model needs an order, but the column holds {column.dtype} values "
        f"({_listed(sorted(seen, key=str))}): make it an ordered categorical, as in "
        "pd.Categorical(answers, ['No', 'Maybe', 'Yes'], ordered=True), or whole numbers."
    )


def _name(value: Any) -> str:
    return f"{value:g}" if isinstance(value, Number) and not isinstance(value, bool) else str(value)


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(_name(value) for value in values[:5]) + (", …" if len(values) > 5 else "")


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
