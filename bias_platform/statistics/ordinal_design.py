"""A cumulative-logit model as the binary one that the engine fits.

``logit P(y <= k) = alpha_k - (x beta + z u)``: of every row of answers there is one row a threshold, with the answers
just above it as successes and those just below as failures; answers farther away say nothing there (see
`threshold_gaps`). Thresholds stand in place of the intercept, so that ``beta = (alpha, slopes)``.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from scipy.special import logit

from bias_platform.statistics.arrays import FloatArray, IntArray, bin_sums
from bias_platform.statistics.design import Design
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.fixed_part import FixedPart
from bias_platform.statistics.random_terms import INTERCEPT
from bias_platform.statistics.response import ORDINAL
from bias_platform.statistics.threshold_gaps import ThresholdGaps

BARRIER = 3e-3
"""Answers that every gap between thresholds is taken to hold at least, where this is needed to keep them in order:
it costs a likelihood ratio less than 0.1 a gap."""


def engine_design(design: Design) -> Design:
    """The design that the engine fits: the same one, but of an ordinal outcome the rows at its thresholds."""
    return rows_at_thresholds(design) if design.family == ORDINAL else design


def rows_at_thresholds(design: Design, differing: Sequence[str] = (), least: float = 0.0) -> Design:
    """The binary design of an ordinal one.

    Args:
        differing: columns of X whose effects may differ from threshold to threshold (partial proportional odds). Each
            gets a further column a threshold from the second up, ``persona[T.b]:Maybe|Yes``: by how much its effect
            there differs from that at the first threshold.
        least: answers that every gap is taken to hold at least; with 0, gaps without answers may become negative.

    Raises:
        ModelError: a formula without an intercept.
    """
    counts = design.category_counts
    cuts = counts.shape[1] - 1
    fixed = _fixed_at_thresholds(design, differing)
    row = np.repeat(np.arange(len(counts)), cuts)
    cut = np.tile(np.arange(cuts), len(counts))
    successes, trials = counts[row, cut + 1], counts[row, cut + 1] + counts[row, cut]
    seen = trials > 0
    row, cut = row[seen], cut[seen]
    pattern = design.pattern[row] * cuts + cut
    return replace(
        design,
        fixed=replace(fixed, pattern=pattern),
        terms=tuple(term.at_rows(row) for term in design.terms),
        column_codes={name: code[row] for name, code in design.column_codes.items()},
        pattern=pattern,
        successes=successes[seen],
        trials=trials[seen],
        gaps=_gaps(design, fixed.patterns, least),
        origin=np.tile(_empirical_logits(counts), len(design.fixed.patterns)),
    )


def threshold_names(design: Design) -> tuple[str, ...]:
    """``No|Maybe``, ``Maybe|Yes``: the category below and the one above each threshold.

    >>> import pandas as pd
    >>> from bias_platform.statistics.design import build_design
    >>> data = pd.DataFrame({"item": [1, 1, 2, 2, 3, 3], "score": [1, 2, 3, 2, 3, 1]})
    >>> threshold_names(build_design("score ~ 1 + (1 | item)", data, family="ordinal"))
    ('1|2', '2|3')
    """
    names = design.categories
    return tuple(f"{below}|{above}" for below, above in pairwise(names))


def slope_columns(fixed: FixedPart) -> IntArray:
    """Places of the columns of X other than the intercept."""
    return np.flatnonzero([name != INTERCEPT for name in fixed.columns]).astype(np.int64)


def _fixed_at_thresholds(design: Design, differing: Sequence[str]) -> FixedPart:
    """X at every threshold of every pattern; -1 in the column of the row's own threshold."""
    fixed, names = design.fixed, threshold_names(design)
    if INTERCEPT not in fixed.columns:
        raise ModelError(
            f"The formula {design.formula.text!r} leaves out the intercept, but the thresholds of an ordinal model "
            "stand in its place: remove the '0 +' or '- 1'."
        )
    cuts, kept = len(names), slope_columns(fixed)
    slopes = np.repeat(fixed.patterns[:, kept], cuts, axis=0)
    at = np.tile(np.eye(cuts), (len(fixed.patterns), 1))
    further, further_names = [], []
    for column in differing:
        values = slopes[:, [fixed.columns[k] for k in kept].index(column)]
        further += [values * at[:, k] for k in range(1, cuts)]
        further_names += [f"{column}:{names[k]}" for k in range(1, cuts)]
    return replace(
        fixed,
        patterns=np.ascontiguousarray(np.column_stack([-at, slopes, *further])),
        columns=(*names, *(fixed.columns[k] for k in kept), *further_names),
        terms={**fixed.terms, "1": names},
    )


def _gaps(design: Design, patterns: FloatArray, least: float) -> ThresholdGaps:
    """One a distinct gap: a pattern's row at the threshold below a category less that at the one above it.

    Where effects differ by threshold, some patterns may have no answer in a category between two: nothing but
    ``least`` then keeps their thresholds in order.
    """
    counts, cuts = design.category_counts, design.category_counts.shape[1] - 1
    by_pattern = patterns.reshape(-1, cuts, patterns.shape[1])
    rows = (by_pattern[:, :-1] - by_pattern[:, 1:]).reshape(-1, patterns.shape[1])
    inner = [bin_sums(design.pattern, counts[:, k], len(by_pattern)) for k in range(1, cuts)]
    answers = np.column_stack(inner).ravel()
    asked = np.repeat(bin_sums(design.pattern, design.trials, len(by_pattern)) > 0, cuts - 1)
    distinct, place = np.unique(rows[asked], axis=0, return_inverse=True)
    within = np.maximum(bin_sums(place.ravel(), answers[asked], len(distinct)), least)
    return ThresholdGaps(distinct[within > 0], within[within > 0])


def _empirical_logits(counts: FloatArray) -> FloatArray:
    """logit P(y > k) over all answers, (thresholds,)."""
    share = counts.sum(axis=0) / counts.sum()
    return np.asarray(logit(1.0 - np.cumsum(share)[:-1]), dtype=np.float64)
