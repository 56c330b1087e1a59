"""What a marginal model sees: answers counted over the distinct rows of X and its clusters."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from bias_platform.statistics.arrays import FloatArray, bin_sums, combine_codes, sorted_codes
from bias_platform.statistics.errors import ModelError, spell_check
from bias_platform.statistics.fixed_part import FixedPart, build_fixed_part, formula_variables
from bias_platform.statistics.formula import MixedFormula, parse_formula
from bias_platform.statistics.groupings import Grouping
from bias_platform.statistics.response import BINOMIAL, read_response


@dataclass(frozen=True)
class MarginalData:
    """Counts over the distinct rows of (X pattern, every grouping)."""

    formula: MixedFormula
    fixed: FixedPart
    """Its `pattern` is (distinct rows,)."""
    trials: FloatArray
    """(distinct rows,) answers."""
    successes: FloatArray
    """(distinct rows,) of these."""
    groupings: tuple[Grouping, ...]
    """Clusters, in the order they were asked for; codes are (distinct rows,)."""

    @property
    def observations(self) -> int:
        """Answers."""
        return int(self.trials.sum())

    @property
    def pattern_trials(self) -> FloatArray:
        """(patterns,) answers."""
        return bin_sums(self.fixed.pattern, self.trials, len(self.fixed.patterns))

    @property
    def pattern_successes(self) -> FloatArray:
        """(patterns,) of these."""
        return bin_sums(self.fixed.pattern, self.successes, len(self.fixed.patterns))

    def clustered_by(self, *names: str) -> "MarginalData":
        """The same answers with some of their groupings, so that several models need one reading of the data."""
        known = {one.name: one for one in self.groupings}
        for name in names:
            if name not in known:
                raise ModelError(f"The answers were not grouped by {name!r} ({spell_check(name, known)}).")
        return replace(self, groupings=tuple(known[name] for name in names))


def collapse_answers(
    formula: str, data: pd.DataFrame, groupings: Sequence[str] = (), weights: str | None = None
) -> MarginalData:
    """Check formula, groupings and data against each other and count the answers.

    Args:
        formula: ``yes ~ persona + template``, or ``cbind(yes, no) ~ …``; no random effects.
        data: one row an answer, or a row of counts.
        groupings: columns whose levels are clusters; ``persona:template`` is their combination.
        weights: column of whole numbers saying how often each row was seen.

    Raises:
        ModelError: everything that makes the model impossible, in one sentence.

    >>> frame = pd.DataFrame({"yes": [1, 0, 1, 1], "persona": list("aabb"), "item": [1, 1, 2, 2]})
    >>> collapse_answers("yes ~ persona", frame, ["item"]).trials.tolist()
    [2.0, 2.0]
    """
    if not isinstance(data, pd.DataFrame) or data.empty:
        raise ModelError("The data must be a pandas DataFrame with at least one row.")
    parsed = parse_formula(formula)
    if parsed.random:
        raise ModelError(
            f"The formula {formula!r} has random effects, which a marginal model has not: take out "
            f"'(… | {':'.join(parsed.random[0].grouping)})' and name the unit as a cluster, or use fit_mixed_model."
        )
    columns = [tuple(part.strip() for part in name.split(":")) for name in groupings]
    _check_columns(parsed, data, columns, weights)
    response = read_response(parsed, data, weights, BINOMIAL)
    seen = response.trials > 0
    data, trials, totals = data.loc[seen], response.trials[seen], response.totals[seen]
    fixed = build_fixed_part(parsed.fixed, parsed.text, data)
    grouped = [_grouping(name, own, data) for name, own in zip(groupings, columns, strict=True)]
    code, first = combine_codes([*(one.code for one in grouped), fixed.pattern])
    return MarginalData(
        formula=parsed,
        fixed=replace(fixed, pattern=fixed.pattern[first]),
        trials=bin_sums(code, trials, len(first)),
        successes=bin_sums(code, totals, len(first)),
        groupings=tuple(one.at_rows(first) for one in grouped),
    )


def crossed(one: Grouping, other: Grouping) -> Grouping:
    """Clusters of rows that are together in both."""
    code, first = combine_codes([one.code, other.code])
    return Grouping(f"{one.name} × {other.name}", code, len(first))


def _grouping(name: str, columns: tuple[str, ...], data: pd.DataFrame) -> Grouping:
    code, first = combine_codes([sorted_codes(data[column])[0] for column in columns])
    if len(first) < 2:
        raise ModelError(
            f"All {len(data)} rows are in one cluster of {name!r}: nothing varies between clusters, so there is no "
            "robust covariance; cluster by a unit with several levels, such as the item."
        )
    return Grouping(name, code, len(first))


def _check_columns(
    parsed: MixedFormula, data: pd.DataFrame, groupings: Sequence[tuple[str, ...]], weights: str | None
) -> None:
    known = list(map(str, data.columns))
    right = formula_variables(parsed.fixed, parsed.text, known)
    left = formula_variables(" + ".join(filter(None, [parsed.response, parsed.failures])), parsed.text, known)
    grouping = [name for names in groupings for name in names]
    used = list(dict.fromkeys([*left, *right, *grouping, *([weights] if weights else [])]))
    unknown = [name for name in used if name not in data.columns]
    if unknown:
        hints = "; ".join(f"{name!r} ({spell_check(name, known)})" for name in unknown)
        raise ModelError(f"The model {parsed.text!r} uses columns that the data does not have: {hints}.")
    twice = [name for name in left if name in right]
    if twice:
        raise ModelError(f"The formula {parsed.text!r} has {twice[0]!r} on both sides of '~'.")
    for name in used:
        if isinstance(data[name], pd.DataFrame):
            raise ModelError(f"The data has {data[name].shape[1]} columns named {name!r}: rename or drop all but one.")
    missing = {name: int(count) for name in used if (count := data[name].isna().sum())}
    if missing:
        shown = ", ".join(f"{name!r} ({count})" for name, count in missing.items())
        raise ModelError(f"Missing values cannot be modelled: columns {shown}. Drop these rows before fitting.")
