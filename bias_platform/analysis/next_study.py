"""The smallest difference from the control that a study of another size would find, told by this one's own answers.

A difference is found with 80 % power where it is t + z standard errors large: t at the level at which the study's
adjustment tests one comparison of its family, z that of the power. Standard errors are predicted by `gap_variance`. At
this study's own size the result is the report's own `detectable`, cut at 1 (no difference is larger), and beyond
wording at least what a claim for these wordings needs.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import chi2, norm
from scipy.stats import t as student

from bias_platform.analysis.answers import Answers
from bias_platform.analysis.comparisons import POWER
from bias_platform.analysis.gap_variance import FloatArray, GapVariance, Prediction, WordingPart
from bias_platform.analysis.log_odds_variance import LogOddsVariance, StudySizes, log_odds_variance
from bias_platform.analysis.material import Material
from bias_platform.analysis.paired_wording import cells_by_wording
from bias_platform.schemas.results import BEYOND_WORDING, THESE_WORDINGS

FACTORS = (0.5, 1.0, 2.0, 4.0)
"""Numbers of items looked at, in those of this study."""
WORDINGS = (3, 5, 10)
"""Looked at beside this study's own number."""
_SMALLEST = ("detectable", "lower", "upper", "turning", "largest", "log_odds")
_SHARES = ("item_share", "answer_share", "wording_share")
_COLUMNS = ["scope", "system", "items", "wordings", "cells", "this_study", *_SMALLEST, *_SHARES]
_STEPS = 60
"""Of a fixed point, each of which takes off a third of the rest or more."""


class StudyCells(NamedTuple):
    """How many cells a study asks, in all systems together."""

    per_wording: float
    """Of one item in one wording."""
    bare: float
    """Of one item without a persona."""

    def of(self, items: int, wordings: int) -> int:
        """All of them.

        >>> StudyCells(per_wording=56.0, bare=2.0).of(items=100, wordings=3)
        17000
        """
        return round(items * (self.per_wording * wordings + self.bare))


def next_study(
    material: Material, contrasts: pd.DataFrame, components: Sequence[dict[str, object]] = ()
) -> pd.DataFrame:
    """Schema `NextStudies`: all systems together, then each; empty where nothing could be compared.

    Args:
        material: of the primary reading.
        contrasts: its table `ControlContrasts`, whose families give the level.
        components: rows of `VarianceComponents` of model A, for log-odds; none where it may not be used.
    """
    found = {system: gap_variance(material, system) for system in material.answers.systems}
    found = {system: one for system, one in found.items() if one.gaps.size}
    errors = {str(scope): error_of_one(part) for scope, part in contrasts.groupby("scope")} if len(contrasts) else {}
    tables: list[pd.DataFrame] = []
    for scope in material.scopes:
        known = {s: one for s, one in found.items() if scope != BEYOND_WORDING or np.isfinite(one.wording.variance)}
        if not known or not np.isfinite(errors.get(scope, np.nan)):
            continue
        for name, some in _by_system(known).items():
            own = contrasts if name is None else contrasts[contrasts["system"] == name]
            model = log_odds_variance(own, components, _paired(known), _own(material.answers, some))
            rows = _rows(material, some, model, _claims(scope, errors))
            tables.append(_never_larger(pd.DataFrame(rows)).assign(scope=scope, system=name))
    return pd.concat(tables, ignore_index=True)[_COLUMNS] if tables else pd.DataFrame()


def _claims(scope: str, errors: Mapping[str, float]) -> dict[str, float]:
    """Scopes with the level of one comparison; a claim beyond wording stands on that for these wordings."""
    return {one: errors[one] for one in dict.fromkeys((THESE_WORDINGS, scope)) if one in errors}


def _rows(
    material: Material, found: Sequence[GapVariance], model: LogOddsVariance | None, claims: Mapping[str, float]
) -> list[dict[str, object]]:
    """A row a size, by rising numbers of items and, among these, of wordings."""
    rows: list[dict[str, object]] = []
    for size in _sizes(material.answers, study_cells(material.answers)):
        told = []
        for scope, error in claims.items():
            each = [one.predicted(size.items, size.wordings, scope == BEYOND_WORDING) for one in found]
            told.append((_together(each), error))
        row = _row(told, material.settings.confidence)
        rows.append({**size._asdict(), **row, "log_odds": _log_odds(model, size, claims)})
    return rows


def _paired(found: Mapping[str, GapVariance]) -> "pd.Series[float]":
    """Share of the items that have both of a pair, by system and persona_id."""
    shares = {(s, p): share for s, one in found.items() for p, share in zip(one.personas, one.paired, strict=True)}
    return pd.Series(shares, dtype=float)


def _own(answers: Answers, found: Sequence[GapVariance]) -> StudySizes:
    items = answers.frame["item_id"].nunique()
    return StudySizes(int(items), found[0].wordings, max(one.wording.df for one in found))


def _log_odds(model: LogOddsVariance | None, size: "_Size", claims: Mapping[str, float]) -> float:
    """Median over comparisons; NaN where there is none."""
    if model is None:
        return np.nan
    each = [model.smallest(size.items, size.wordings, s == BEYOND_WORDING, error) for s, error in claims.items()]
    return _median(np.maximum.reduce(each))


def _by_system(found: Mapping[str, GapVariance]) -> dict[str | None, list[GapVariance]]:
    """All systems, then each where there are several."""
    together: dict[str | None, list[GapVariance]] = {None: list(found.values())}
    return together | ({system: [one] for system, one in found.items()} if len(found) > 1 else {})


def error_of_one(family: pd.DataFrame) -> float:
    """Level at which one comparison of a family is tested such that all hold, read off its `detectable` differences.

    Args:
        family: rows of `ControlContrasts` of one reading and scope.
    """
    known = family[family["standard_error"] > 0]
    if known.empty:
        return np.nan
    quantile = known["detectable"] / known["standard_error"] - norm.ppf(POWER)
    return float(np.median(2.0 * student.sf(quantile.to_numpy(float), known["df"].to_numpy(float))))


def gap_variance(material: Material, system: str) -> GapVariance:
    """What the answers of a system say of the differences of its personas from the control."""
    answers, cube, at = material.answers, material.cube, material.cube.system(system)
    cells = cells_by_wording(answers, material.reading.name, system)
    place = {str(name): k for k, name in enumerate(answers.frame["persona_id"].cat.categories)}
    asked = cells.shape[2] > 0 and [p for p in answers.named if np.isfinite(material.cell(p, system)).any()]
    named = asked or []
    shares = cube.mean[:, :, at]
    gaps = shares[:, cube.positions(named)] - shares[:, [cube.persona(answers.control)]]
    by_wording = cells[:, [place[name] for name in named]] - cells[:, [place[answers.control]]]
    # a difference has the wordings of two personas
    wording = WordingPart(2.0 * float(material.wording.variance[at]), float(material.wording.df[at]))
    # the report has no standard error from fewer than two items
    kept = np.isfinite(gaps).sum(axis=0) > 1
    personas = tuple(name for name, keep in zip(named, kept, strict=True) if keep)
    return GapVariance(gaps[:, kept], by_wording[:, kept], wording, personas)


def study_cells(answers: Answers) -> StudyCells:
    """Of the study that was asked; repeats of a question are not counted."""
    asked, items = len(answers.with_persona), answers.frame["item_id"].nunique()
    wordings = len(answers.frame["template_id"].cat.categories)
    return StudyCells(asked / items / wordings, (len(answers.frame) - asked) / items)


class _Size(NamedTuple):
    items: int
    wordings: int
    cells: int
    this_study: bool


def _sizes(answers: Answers, cells: StudyCells) -> list[_Size]:
    """Sizes looked at; with one wording nothing tells what single answers add, so that others cannot be looked at."""
    frame = answers.frame
    items, own = int(frame["item_id"].nunique()), len(frame["template_id"].cat.categories)
    numbers = sorted({own, *WORDINGS}) if own > 1 else [own]
    counts = sorted({max(2, round(items * factor)) for factor in FACTORS})
    return [_Size(n, w, cells.of(n, w), n == items and w == own) for n in counts for w in numbers]


def _together(found: Sequence[Prediction]) -> Prediction:
    """Comparisons of all systems."""
    return Prediction(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _row(told: Sequence[tuple[Prediction, float]], confidence: float) -> dict[str, object]:
    """Medians over comparisons; the interval says how well this study's items and wordings tell the variance.

    Args:
        told: of the same comparisons, with the level of one: for these wordings, and for claims beyond them.
        confidence: of the interval.
    """
    # beyond wording a test may have more degrees of freedom, but a claim that reaches further never needs less
    parts = [_differences(whole, error, confidence) for whole, error in told]
    each = {name: np.fmax.reduce([part[name] for part in parts]) for name in parts[0]}
    found = {name: float(np.minimum(1.0, _median(values))) for name, values in each.items()}
    whole = told[-1][0]
    shares = [float((part / whole.total).mean()) for part in (whole.of_items, whole.of_answers, whole.of_wordings)]
    return {
        **found,
        "largest": min(1.0, float(each["detectable"].max())),
        **dict(zip(_SHARES, shares, strict=True)),
    }


def _differences(whole: Prediction, error: float, confidence: float) -> dict[str, FloatArray]:
    """Smallest differences found, each (k,), not cut at 1."""
    quantile = student.ppf(1.0 - error / 2, whole.df)
    detectable = (quantile + norm.ppf(POWER)) * np.sqrt(whole.total)
    known, tail = np.where(np.isfinite(whole.known_df), whole.known_df, np.nan), (1.0 - confidence) / 2
    lower, upper = (detectable * np.sqrt(known / chi2.ppf(level, known)) for level in (1.0 - tail, tail))
    return {"detectable": detectable, "lower": lower, "upper": upper, "turning": _turning(whole, quantile)}


def _never_larger(table: pd.DataFrame) -> pd.DataFrame:
    """Sizes of which none with more items or wordings needs a larger difference; this study's own stays as it is.

    Args:
        table: of one scope and system, by rising numbers of items and, among these, of wordings.
    """
    own = table[table["this_study"]].iloc[0]
    # a larger study could leave out what a smaller one lacks; predictions rise only where less variance makes the mean
    # too skewed, so that the doubt of `item_pairs.paired_differences` sets in
    more = (table["items"] >= own["items"]) & (table["wordings"] >= own["wordings"])
    less = (table["items"] <= own["items"]) & (table["wordings"] <= own["wordings"])
    shape = table["items"].nunique(), table["wordings"].nunique()
    for name in _SMALLEST:
        values = table[name].to_numpy(float)
        values = np.where(more, np.fmin(values, own[name]), np.where(less, np.fmax(values, own[name]), values))
        running = np.fmin.accumulate(np.fmin.accumulate(values.reshape(shape), axis=0), axis=1)
        table[name] = running.ravel()
    return table


def _turning(found: Prediction, quantile: FloatArray) -> FloatArray:
    """The same where the difference comes from items that turn wholly, which makes the gaps more unequal: by d (1 - d).

    Found in so many studies is what the test finds in one that comes out so many standard errors below the truth, and
    such a study has a smaller standard error than others.
    """
    least = _larger(np.zeros_like(quantile), quantile, found)
    return _larger(least, np.full_like(quantile, norm.ppf(POWER)), found)


def _larger(start: FloatArray, errors: FloatArray, found: Prediction) -> FloatArray:
    """The difference (at most 1) that is its own number of standard errors above `start`."""
    difference = np.ones_like(start)
    for _ in range(_STEPS):
        variance = found.total + difference * (1.0 - difference) / found.items
        difference = np.minimum(1.0, start + errors * np.sqrt(variance))
    return difference


def _median(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else np.nan
