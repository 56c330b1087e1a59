"""How large the reported patterns are when no persona differs from any other.

Personas are permuted within each item, the same way in every system, all wordings of a persona moving together. That
keeps what a persona does to an item (the same over wordings and systems) whole; permuting within item and wording
would break it and make the null too narrow.
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
    shares = _filled(cube.share[:, keep, :])
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
    table["frequency"] = (1 + (null >= observed - 1e-12).sum(axis=0)) / (draws + 1)
    return table.assign(draws=draws)


def _filled(shares: FloatArray) -> FloatArray:
    """Cells that nobody judged get their item's mean: no difference."""
    known = np.isfinite(shares)
    count = known.sum(axis=1, keepdims=True)
    mean = np.where(known, shares, 0.0).sum(axis=1, keepdims=True) / np.maximum(count, 1)
    return np.where(known, shares, mean)


def _null(shares: FloatArray, patterns: _Patterns, settings: AnalysisSettings, draws: int) -> FloatArray:
    rng = np.random.default_rng(settings.seed)
    items, personas = shares.shape[:2]
    step = max(1, _CHUNK_NUMBERS // shares.size)
    parts = []
    for start in range(0, draws, step):
        count = min(step, draws - start)
        order = np.argsort(rng.random((count, items, personas)), axis=2)
        moved = np.take_along_axis(np.broadcast_to(shares, (count, *shares.shape)), order[..., None], axis=2)
        parts.append(_measured(moved, patterns, settings.confidence))
    return np.concatenate(parts)


def _measured(shares: FloatArray, patterns: _Patterns, confidence: float) -> FloatArray:
    """(draws, items, personas, systems) -> (draws, patterns), in the order of `_labels`."""
    means = shares.mean(axis=1)
    against = np.abs(means - means[:, [patterns.control], :])
    columns = [against.max(axis=(1, 2))[:, None], against.max(axis=1)]
    for members in patterns.dimensions.values():
        inside = means[:, members, :]
        columns.append(inside.max(axis=1) - inside.min(axis=1))
    columns += [_pairs_apart(shares[:, :, members, :], confidence) for members in patterns.dimensions.values()]
    return np.concatenate(columns, axis=1)


def _pairs_apart(shares: FloatArray, confidence: float) -> FloatArray:
    """Share of persona pairs whose paired t test rejects, (draws, systems)."""
    items, personas = shares.shape[1:3]
    first, second = np.triu_indices(personas, 1)
    centered = shares - shares.mean(axis=1, keepdims=True)
    gram = np.einsum("dips,diqs->dpqs", centered, centered, optimize=True)
    own = np.einsum("dpps->dps", gram)
    squares = own[:, first] + own[:, second] - 2.0 * gram[:, first, second]
    error = np.sqrt(np.maximum(squares, 0.0) / (items * (items - 1.0)))
    means = shares.mean(axis=1)
    gap = np.abs(means[:, first] - means[:, second])
    rejected: NDArray[np.bool_] = gap > student.ppf(0.5 + confidence / 2, items - 1) * error + 1e-12
    share: FloatArray = rejected.mean(axis=1)
    return share


def _labels(answers: Answers, patterns: _Patterns) -> pd.DataFrame:
    rows = [(LARGEST, ALL, ALL), *((LARGEST, system, ALL) for system in answers.systems)]
    for pattern in (SPREAD, PAIRS):
        rows += [(pattern, system, d) for d in patterns.dimensions for system in answers.systems]
    return pd.DataFrame(rows, columns=["pattern", "system", "dimension"])
