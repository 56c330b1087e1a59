"""How large the reported patterns are when no persona differs from any other.

Personas are permuted within each item, the same way in every system, all wordings of a persona moving together. That
keeps what a persona does to an item (the same over wordings and systems) whole; permuting within item and wording
would break it and make the null too narrow. Patterns are raw: Yes shares averaged over items in the wordings used.
Items that nobody judged for a persona stay empty for it.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

from bias_platform.analysis.answers import Answers
from bias_platform.analysis.item_cube import FloatArray, ItemCube
from bias_platform.catalog.entries import AnalysisSettings

DRAWS = 500
_CHUNK_NUMBERS = 4_000_000
LARGEST, SPREAD, PAIRS = "largest difference from the control", "spread of a dimension", "share of pairs that differ"
ALL = "all"


class _Patterns(NamedTuple):
    """What is looked at: positions of the control and of each dimension's personas."""

    control: int
    dimensions: dict[str, list[int]]


def pattern_null(answers: Answers, cube: ItemCube, settings: AnalysisSettings, draws: int = DRAWS) -> pd.DataFrame:
    """One row a pattern (x system x dimension): observed, and its distribution under no difference.

    `share of pairs that differ` is the share of a dimension's persona pairs whose paired t test over items has
    p < 1 - confidence.
    """
    keep = [k for k, name in enumerate(cube.personas) if name != answers.baseline]
    shares = cube.mean[:, keep, :]
    names = [cube.personas[k] for k in keep]
    named = answers.personas.loc[answers.named]
    groups = {str(d): [names.index(p) for p in members.index] for d, members in named.groupby("dimension", sort=False)}
    patterns = _Patterns(names.index(answers.control), {d: at for d, at in groups.items() if len(at) > 1})
    observed = _measured(shares[None], patterns, settings.confidence)[0]
    null = _null(shares, patterns, settings, draws)
    table = _labels(answers, patterns)
    table["observed"] = observed
    table["expected"] = null.mean(axis=0)
    table["quantile_95"] = np.quantile(null, 0.95, axis=0)
    frequency = (1 + (null >= observed - 1e-12).sum(axis=0)) / (draws + 1)
    table["frequency"] = np.where(np.isfinite(observed), frequency, np.nan)
    return table.assign(draws=draws)


def _null(shares: FloatArray, patterns: _Patterns, settings: AnalysisSettings, draws: int) -> FloatArray:
    rng = np.random.default_rng(settings.seed)
    items, personas = shares.shape[:2]
    step = max(1, _CHUNK_NUMBERS // shares.size)
    parts = []
    for start in range(0, draws, step):
        keys = rng.random((min(step, draws - start), items, personas))
        parts.append(_measured(_permuted(shares, keys), patterns, settings.confidence))
    return np.concatenate(parts)


def _permuted(shares: FloatArray, keys: FloatArray) -> FloatArray:
    """Shares (draws, items, personas, systems) moved between personas in the order of `keys`, within item.

    Only what was judged moves, and only to where something was judged: a persona keeps the items it has. The keys
    are those of the item, so that what is complete moves alike in all systems.
    """
    known = np.isfinite(shares)
    moved = []
    for system in range(shares.shape[2]):
        seen = known[:, :, system]
        order = np.argsort(np.where(seen, keys, np.inf), axis=2)
        values = np.take_along_axis(np.broadcast_to(shares[:, :, system], keys.shape), order, axis=2)
        if not seen.all():
            place = np.argsort(np.argsort(~seen, axis=1, kind="stable"), axis=1)
            values = np.take_along_axis(values, np.broadcast_to(place, keys.shape), axis=2)
        moved.append(values)
    return np.stack(moved, axis=3)


def _measured(shares: FloatArray, patterns: _Patterns, confidence: float) -> FloatArray:
    """(draws, items, personas, systems) -> (draws, patterns), in the order of `_labels`; NaN where nothing is known."""
    known = np.isfinite(shares[0])
    filled = np.where(known, shares, 0.0)
    with np.errstate(invalid="ignore"):
        means = filled.sum(axis=1) / known.sum(axis=0)
    against = np.abs(means - means[:, [patterns.control], :])
    by_system = np.fmax.reduce(against, axis=1)
    columns = [np.fmax.reduce(by_system, axis=1)[:, None], by_system]
    for members in patterns.dimensions.values():
        inside = means[:, members, :]
        columns.append(np.fmax.reduce(inside, axis=1) - np.fmin.reduce(inside, axis=1))
    members_of = patterns.dimensions.values()
    columns += [_pairs_apart(filled[:, :, at, :], known[:, at, :], confidence) for at in members_of]
    return np.concatenate(columns, axis=1)


def _pairs_apart(filled: FloatArray, known: NDArray[np.bool_], confidence: float) -> FloatArray:
    """Share of persona pairs whose paired t test over the items of both rejects, (draws, systems)."""
    both = known.astype(float).transpose(2, 0, 1)
    count = both.transpose(0, 2, 1) @ both
    values = filled.transpose(0, 3, 2, 1)
    total, squares = values @ both, values**2 @ both
    products = values @ values.swapaxes(2, 3)
    first, second = np.triu_indices(known.shape[1], 1)
    n = count[:, first, second]
    gap = total[..., first, second] - total[..., second, first]
    square = squares[..., first, second] + squares[..., second, first] - 2.0 * products[..., first, second]
    usable = n > 1
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.sqrt(np.maximum(square - gap**2 / n, 0.0) / (n * (n - 1.0)))
        rejected = np.abs(gap / n) > student.ppf(0.5 + confidence / 2, n - 1.0) * error + 1e-12
        share: FloatArray = (rejected & usable).sum(axis=2) / usable.sum(axis=1)
    return share


def _labels(answers: Answers, patterns: _Patterns) -> pd.DataFrame:
    rows = [(LARGEST, ALL, ALL), *((LARGEST, system, ALL) for system in answers.systems)]
    for pattern in (SPREAD, PAIRS):
        rows += [(pattern, system, d) for d in patterns.dimensions for system in answers.systems]
    return pd.DataFrame(rows, columns=["pattern", "system", "dimension"])
