"""How far apart the personas of a dimension are, by system, on the probability scale."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from bias_platform.analysis.adjustment import adjust
from bias_platform.analysis.comparisons import RULE_OF_THREE, FloatArray
from bias_platform.analysis.item_pairs import few_whole_items, skewness_shift
from bias_platform.analysis.material import Material
from bias_platform.schemas.results import BEYOND_WORDING, ITEM_PAIRED
from bias_platform.statistics import within_group_spread

_TIE = 1e-9
"""Shares closer than this are equal: what is left is rounding."""
TIED = "tie"
"""In place of the highest and the lowest persona where all are equal."""


class _Cells(NamedTuple):
    """The personas of a dimension in a system: means over the items that all of them have."""

    scope: str
    system: str
    dimension: str
    labels: list[str]
    values: FloatArray
    covariance: FloatArray
    df: float
    """The smallest over pairs of personas."""
    widest: FloatArray
    """(items,): the highest persona minus the lowest."""


def dimension_spreads(material: Material) -> pd.DataFrame:
    """One row a scope x system x dimension with at least two personas; schema `DimensionSpreads`.

    The mean of a dimension is no bias, because it averages personas that pull apart; the spread is. Estimates are Yes
    shares averaged over items, like the differences between two personas. A scope is one family of tests, which
    are no contrasts: Holm adjusts them where the study asks for a single step.

    `within_margin` is the claim that the personas of a dimension are alike but for the study's margin: the simultaneous
    upper bound of their spread lies below it, from at least 3 / margin items (the rule of three) and with what that
    bound overlooks where items are skewed, both as for differences.
    """
    parts = []
    for scope in material.scopes:
        cells = [found for system in material.answers.systems for found in _of_system(material, scope, system)]
        if cells:
            tests = len(cells)
            table = pd.DataFrame([_row(material, one, tests) for one in cells])
            parts.append(adjust(table, material.settings))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _of_system(material: Material, scope: str, system: str) -> list[_Cells]:
    answers = material.answers
    found = []
    for dimension, members in answers.personas.loc[answers.named].groupby("dimension", sort=False):
        ids = [p for p in members.index if np.isfinite(material.cell(p, system)).any()]
        cells = _by_items(material, scope, system, str(dimension), ids) if len(ids) > 1 else None
        found += [cells] if cells is not None else []
    return found


def _by_items(material: Material, scope: str, system: str, dimension: str, ids: list[str]) -> _Cells | None:
    """None where fewer than two items are judged for all of them, or where nothing is known about other wordings."""
    shares = np.column_stack([material.cell(p, system) for p in ids])
    shares = shares[np.isfinite(shares).all(axis=1)]
    items, at = len(shares), material.cube.system(system)
    wording = float(material.wording.variance[at]) if scope == BEYOND_WORDING else 0.0
    if items < 2 or not np.isfinite(wording):
        return None
    over_items = covariance_of_means(shares)
    df = _smallest_df(over_items, items - 1.0, wording, float(material.wording.df[at]))
    labels = material.answers.personas.loc[ids, "label"].tolist()
    covariance = over_items + np.eye(len(ids)) * wording
    means = shares.mean(axis=0)
    widest = shares[:, np.argmax(means)] - shares[:, np.argmin(means)]
    return _Cells(scope, system, dimension, labels, means, covariance, df, widest)


def covariance_of_means(shares: FloatArray) -> FloatArray:
    """(k, k) covariance over items of the mean shares of k personas.

    Where too few items turn wholly to tell how uncertain the distance of a persona from the others is, its variance has
    the doubt of `item_pairs.paired_differences` added, half of what a pair has.

    Args:
        shares: (items, k), all known.
    """
    items = len(shares)
    apart = shares - shares.mean(axis=1, keepdims=True)
    sparse = few_whole_items(np.where(np.abs(apart) < _TIE, 0.0, apart), np.ones(shares.shape[1]))
    doubt = np.where(sparse, 1.0 / (items + 2.0), 0.0) ** 2
    covariance: FloatArray = np.cov(shares, rowvar=False) / items + np.diag(doubt)
    return covariance


def within_margin(upper: float, widest: FloatArray, margin: float, confidence: float) -> bool:
    """Whether a spread is shown to be smaller than a margin.

    Args:
        upper: its upper bound.
        widest: (items,) gaps between the two personas farthest apart.
        margin: on the probability scale; at least 3 / margin items are needed.
        confidence: of the bound; what it overlooks where gaps are skewed is added to it.
    """
    overlooked = abs(float(skewness_shift(widest[:, None], confidence)[0]))
    return len(widest) * margin >= RULE_OF_THREE and upper + overlooked < margin


def _smallest_df(over_items: FloatArray, item_df: float, wording: float, wording_df: float) -> float:
    """Satterthwaite for every pair; the smallest, because one denominator serves them all."""
    if wording <= 0:
        return item_df
    first, second = np.triu_indices(len(over_items), 1)
    own = np.diag(over_items)
    items = np.maximum(own[first] + own[second] - 2.0 * over_items[first, second], 0.0)
    df = (items + 2.0 * wording) ** 2 / (items**2 / item_df + (2.0 * wording) ** 2 / wording_df)
    return float(max(1.0, df.min()))


def _extremes(cells: _Cells) -> tuple[str, str]:
    """Labels of the lowest and the highest persona."""
    if np.ptp(cells.values) < _TIE:
        return TIED, TIED
    return cells.labels[int(np.argmin(cells.values))], cells.labels[int(np.argmax(cells.values))]


def _row(material: Material, cells: _Cells, tests: int) -> dict[str, object]:
    level, seed = material.settings.confidence, material.settings.seed
    alone, all_at_once = (
        within_group_spread(cells.values, cells.covariance, level=one, degrees_of_freedom=cells.df, seed=seed)
        for one in (level, 1.0 - (1.0 - level) / tests)
    )
    upper = min(1.0, max(all_at_once.range.upper, alone.range.upper))
    within = within_margin(upper, cells.widest, material.settings.equivalence_margin, 1.0 - (1.0 - level) / tests)
    lowest, highest = _extremes(cells)
    return {
        "scope": cells.scope,
        "system": cells.system,
        "dimension": cells.dimension,
        "personas": len(cells.labels),
        "spread": min(1.0, alone.range.estimate),
        "spread_lower": min(1.0, alone.range.lower),
        "spread_upper": min(1.0, alone.range.upper),
        "simultaneous_lower": min(1.0, all_at_once.range.lower, alone.range.lower),
        "simultaneous_upper": upper,
        "within_margin": within,
        "deviation": min(1.0, alone.sd.estimate),
        "deviation_lower": min(1.0, alone.sd.lower),
        "deviation_upper": min(1.0, alone.sd.upper),
        "p_value": alone.p,
        "highest": highest,
        "lowest": lowest,
        "method": ITEM_PAIRED,
    }
