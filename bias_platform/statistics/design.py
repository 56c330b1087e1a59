"""From a formula and a frame to counts over distinct rows: what the engine works on."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from bias_platform.statistics.arrays import FloatArray, IntArray, bin_sums, combine_codes, sorted_codes
from bias_platform.statistics.errors import ModelError, spell_check
from bias_platform.statistics.fixed_part import FixedPart, build_fixed_part, formula_variables
from bias_platform.statistics.formula import MixedFormula, parse_formula
from bias_platform.statistics.missing_terms import missing_random_effects
from bias_platform.statistics.random_terms import (
    Component,
    FactorShape,
    RandomTerm,
    build_random_terms,
    components_of,
)
from bias_platform.statistics.response import BINOMIAL, GAUSSIAN, ORDINAL, Response, read_response
from bias_platform.statistics.threshold_gaps import ThresholdGaps


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
    """Observations of each distinct row."""
    successes: FloatArray
    """Sum of the outcome over them; of an ordinal one, of its place among the categories, from 0 up."""
    constant: float
    """What the binomial coefficients add to the log-likelihood; 0 for 0/1 and for Gaussian outcomes."""
    n_rows: int
    n_observations: int
    missing: pd.DataFrame = field(repr=False)
    """Random effects that the model lacks; see `missing_random_effects`."""
    family: str = BINOMIAL
    within: float = 0.0
    """Gaussian: sum of squares of the observations about the mean of their distinct row."""
    categories: tuple[str, ...] = ()
    """Ordinal: the observed ones, lowest first."""
    category_counts: FloatArray = field(default_factory=lambda: np.zeros((0, 0)), repr=False)
    """Ordinal: (distinct rows, categories) observations."""
    gaps: ThresholdGaps | None = field(default=None, repr=False)
    """Of a design at thresholds (see `ordinal_design`)."""
    origin: FloatArray | None = field(default=None, repr=False)
    """Of a design at thresholds: (patterns,) the predictor where nothing has an effect."""

    @property
    def n_fixed(self) -> int:
        """Number of fixed effects."""
        return len(self.fixed.columns)

    @cached_property
    def components(self) -> tuple[Component, ...]:
        """Every effect of every random term."""
        return components_of(self.terms)

    @cached_property
    def shape(self) -> FactorShape:
        """How the covariances of the random terms are parametrised."""
        return FactorShape([len(term.effects) for term in self.terms])


def build_design(formula: str, data: pd.DataFrame, weights: str | None = None, family: str = BINOMIAL) -> Design:
    """Check formula and data against each other and collapse the data.

    Args:
        formula: see `parse_formula`.
        data: one row an answer, or a row of counts where the response is ``cbind(…)``.
        weights: column of whole numbers saying how often each row was seen.
        family: ``binomial``, ``gaussian`` or ``ordinal``.

    Raises:
        ModelError: everything that makes the model impossible, in one sentence.
    """
    if not isinstance(data, pd.DataFrame) or data.empty:
        raise ModelError("The data must be a pandas DataFrame with at least one row.")
    parsed = parse_formula(formula)
    _check_columns(parsed, data, weights)
    response = read_response(parsed, data, weights, family)
    totals, trials, seen = response.totals, response.trials, response.trials > 0
    if not seen.all():
        data, totals, trials = data.loc[seen], totals[seen], trials[seen]
        response = replace(response, category=response.category[seen] if family == ORDINAL else response.category)
    fixed = build_fixed_part(parsed.fixed, parsed.text, data)
    coded = {name: sorted_codes(data[name]) for name in parsed.grouping_columns}
    terms = build_random_terms(parsed, data, coded, trials)
    slopes = [term.basis.pattern for term in terms if term.basis is not None]
    code, first = combine_codes([*(term.code for term in terms), fixed.pattern, *slopes])
    count = len(first)
    outcome = [*_response_columns(parsed), *([weights] if weights else [])]
    kept = tuple(term.at_rows(first) for term in terms)
    pattern = fixed.pattern[first]
    alone = {term.columns[0]: term.code for term in kept if len(term.columns) == 1}
    counts, sums = bin_sums(code, trials, count), bin_sums(code, totals, count)
    within = 0.0
    if family == GAUSSIAN:
        within = float(trials @ (totals / trials - (sums / counts)[code]) ** 2)
    return Design(
        formula=parsed,
        fixed=replace(fixed, pattern=pattern),
        terms=kept,
        column_codes=alone | {name: codes[first] for name, (codes, _) in coded.items() if name not in alone},
        pattern=pattern,
        trials=counts,
        successes=sums,
        constant=response.constant,
        n_rows=len(data),
        n_observations=int(trials.sum()),
        missing=missing_random_effects(data, fixed, terms, outcome, coded, trials),
        family=family,
        within=within,
        categories=response.categories,
        category_counts=_by_category(response, code, trials, count),
    )


def _by_category(response: Response, code: IntArray, trials: FloatArray, count: int) -> FloatArray:
    """(distinct rows, categories) observations; without categories if not ordinal."""
    kinds = len(response.categories)
    if not kinds:
        return np.zeros((count, 0))
    return bin_sums(code * kinds + response.category, trials, count * kinds).reshape(count, kinds)


def _check_columns(parsed: MixedFormula, data: pd.DataFrame, weights: str | None) -> None:
    known = list(map(str, data.columns))
    effects = [parsed.fixed, *(part.effects for part in parsed.random)]
    right = [name for one in effects for name in formula_variables(one, parsed.text, known)]
    right += parsed.grouping_columns
    used = list(dict.fromkeys([*_response_columns(parsed), *right, *([weights] if weights else [])]))
    unknown = [name for name in used if name not in data.columns]
    if unknown:
        hints = "; ".join(f"{name!r} ({spell_check(name, data.columns)})" for name in unknown)
        raise ModelError(f"The formula {parsed.text!r} uses columns that the data does not have: {hints}.")
    twice = [name for name in _response_columns(parsed) if name in right]
    if twice:
        raise ModelError(f"The formula {parsed.text!r} has {twice[0]!r} on both sides of '~'.")
    if not parsed.random:
        raise ModelError(
            f"The formula {parsed.text!r} has no random intercept: add one for each unit that is judged "
            "repeatedly, such as '+ (1 | item)'."
        )
    for name in used:
        if isinstance(data[name], pd.DataFrame):
            raise ModelError(f"The data has {data[name].shape[1]} columns named {name!r}: rename or drop all but one.")
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
