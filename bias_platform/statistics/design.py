"""From a formula and a frame to counts over distinct rows: what the engine works on."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import gammaln

from bias_platform.statistics.arrays import FloatArray, IntArray, bin_sums, combine_codes, sorted_codes
from bias_platform.statistics.errors import ModelError, spell_check
from bias_platform.statistics.fixed_part import FixedPart, build_fixed_part, formula_variables
from bias_platform.statistics.formula import MixedFormula, parse_formula


@dataclass(frozen=True)
class RandomTerm:
    """One random intercept: the level of each distinct row and the names of the levels."""

    name: str
    columns: tuple[str, ...]
    code: IntArray
    labels: tuple[str, ...]

    @property
    def size(self) -> int:
        """Number of levels."""
        return len(self.labels)


@dataclass(frozen=True)
class Design:
    """A model's data, collapsed to the distinct rows of (X pattern, all random levels)."""

    formula: MixedFormula
    fixed: FixedPart
    terms: tuple[RandomTerm, ...]
    column_codes: dict[str, IntArray]
    """(distinct rows,) codes of each column that a random term is made of."""
    pattern: IntArray
    """(distinct rows,): pattern of X."""
    trials: FloatArray
    successes: FloatArray
    constant: float
    """What the binomial coefficients add to the log-likelihood; 0 for 0/1 outcomes."""
    n_rows: int
    n_observations: int

    @property
    def n_fixed(self) -> int:
        """Number of fixed effects."""
        return len(self.fixed.columns)


def build_design(formula: str, data: pd.DataFrame, weights: str | None = None) -> Design:
    """Check formula and data against each other and collapse the data.

    Args:
        formula: see `parse_formula`.
        data: one row an answer, or a row of counts where the response is ``cbind(…)``.
        weights: column of whole numbers saying how often each row was seen.

    Raises:
        ModelError: everything that makes the model impossible, in one sentence.
    """
    if not isinstance(data, pd.DataFrame) or data.empty:
        raise ModelError("The data must be a pandas DataFrame with at least one row.")
    parsed = parse_formula(formula)
    _check_columns(parsed, data, weights)
    successes, trials, constant = _response(parsed, data, weights)
    seen = trials > 0
    if not seen.all():
        data, successes, trials = data.loc[seen], successes[seen], trials[seen]
    fixed = build_fixed_part(parsed.fixed, parsed.text, data)
    coded = {name: sorted_codes(data[name]) for term in parsed.random for name in term}
    terms = [_random_term(columns, coded, parsed.text) for columns in parsed.random]
    code, first = combine_codes([fixed.pattern, *(term.code for term in terms)])
    count = len(first)
    return Design(
        formula=parsed,
        fixed=fixed,
        terms=tuple(RandomTerm(t.name, t.columns, t.code[first], t.labels) for t in terms),
        column_codes={name: codes[first] for name, (codes, _) in coded.items()},
        pattern=fixed.pattern[first],
        trials=bin_sums(code, trials, count),
        successes=bin_sums(code, successes, count),
        constant=constant,
        n_rows=len(data),
        n_observations=int(trials.sum()),
    )


def _random_term(columns: tuple[str, ...], coded: dict[str, tuple[IntArray, pd.Index]], text: str) -> RandomTerm:
    name = ":".join(columns)
    code, first = combine_codes([coded[column][0] for column in columns])
    if len(first) < 2:
        raise ModelError(
            f"The grouping {name!r} in the formula {text!r} has a single level: a variance cannot be estimated "
            "from it; remove the term."
        )
    parts = [levels[codes[first]].astype(str) for codes, levels in (coded[column] for column in columns)]
    labels = parts[0]
    for part in parts[1:]:
        labels = labels + ":" + part
    return RandomTerm(name, columns, code, tuple(labels))


def _check_columns(parsed: MixedFormula, data: pd.DataFrame, weights: str | None) -> None:
    groupings = [name for term in parsed.random for name in term]
    right = [*formula_variables(parsed.fixed, parsed.text, map(str, data.columns)), *groupings]
    used = list(dict.fromkeys([*_response_columns(parsed), *right, *([weights] if weights else [])]))
    unknown = [name for name in used if name not in data.columns]
    if unknown:
        hints = "; ".join(f"{name!r} ({spell_check(name, data.columns)})" for name in unknown)
        raise ModelError(f"The formula {parsed.text!r} uses columns that the data does not have: {hints}.")
    if parsed.failures is None and parsed.response in right:
        raise ModelError(f"The formula {parsed.text!r} has {parsed.response!r} on both sides of '~'.")
    if not parsed.random:
        raise ModelError(
            f"The formula {parsed.text!r} has no random intercept: add one for each unit that is judged "
            "repeatedly, such as '+ (1 | item)'."
        )
    _refuse_missing(data, used)


def _response_columns(parsed: MixedFormula) -> list[str]:
    if parsed.failures is None:
        return [parsed.response]
    return re.findall(r"[A-Za-z_]\w*", f"{parsed.response} {parsed.failures}")


def _refuse_missing(data: pd.DataFrame, used: Sequence[str]) -> None:
    problems = []
    for name in used:
        missing = np.flatnonzero(data[name].isna().to_numpy())
        if len(missing):
            rows = ", ".join(str(data.index[k]) for k in missing[:5]) + (", …" if len(missing) > 5 else "")
            problems.append(f"column {name!r} has {len(missing)} missing value(s) (rows {rows})")
    if problems:
        raise ModelError(
            f"Missing values cannot be modelled: {'; '.join(problems)}. Drop these rows, or give the missing "
            "answers their own outcome, before fitting."
        )


def _response(parsed: MixedFormula, data: pd.DataFrame, weights: str | None) -> tuple[FloatArray, FloatArray, float]:
    """Successes and trials of each row, and the log binomial coefficients."""
    repeats = _counts(data[weights], f"weights column {weights!r}") if weights else np.ones(len(data))
    if parsed.failures is None:
        outcome = _zero_one(data[parsed.response], parsed.response)
        successes, trials, constant = outcome * repeats, repeats, 0.0
    else:
        won = _counts(_expression(parsed.response, data, parsed), "successes")
        lost = _counts(_expression(parsed.failures, data, parsed), "failures")
        ways = gammaln(won + lost + 1) - gammaln(won + 1) - gammaln(lost + 1)
        successes, trials, constant = won * repeats, (won + lost) * repeats, float(ways @ repeats)
    total, positive = float(trials.sum()), float(successes.sum())
    if positive in (0.0, total):
        raise ModelError(
            f"The outcome {parsed.response!r} is constant (always {int(positive > 0)} in {int(total)} "
            "observations): there is nothing to model; report the rate with an interval for a single proportion."
        )
    return successes, trials, constant


def _expression(expression: str, data: pd.DataFrame, parsed: MixedFormula) -> pd.Series:
    try:
        values: Any = data.eval(expression)
    except (SyntaxError, ValueError, TypeError, NameError, AttributeError) as problem:
        raise ModelError(f"In {parsed.text!r} the expression {expression!r} fails: {problem}.") from problem
    return pd.Series(values, index=data.index)


def _zero_one(column: pd.Series, name: str) -> FloatArray:
    distinct = pd.unique(column)
    if not all(value in (0, 1) for value in distinct):
        shown = ", ".join(repr(value) for value in list(distinct)[:5])
        raise ModelError(
            f"The outcome {name!r} must be 0 or 1 (or True and False) but has values {shown}: "
            "code the answer of interest as 1 and every other answer as 0."
        )
    return column.to_numpy(dtype=np.float64)


def _counts(column: pd.Series, what: str) -> FloatArray:
    if not pd.api.types.is_numeric_dtype(column):
        raise ModelError(f"The {what} must be whole numbers, but the column holds {column.dtype} values.")
    values: FloatArray = column.to_numpy(dtype=np.float64)
    wrong = np.flatnonzero((values < 0) | (values != np.round(values)))
    if len(wrong):
        raise ModelError(
            f"The {what} must be whole numbers from 0 up, but row {column.index[wrong[0]]} has {values[wrong[0]]:g}."
        )
    return values
