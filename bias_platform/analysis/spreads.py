"""How far apart the personas of a dimension are, by system, on the probability scale."""

import numpy as np
import pandas as pd
from scipy.stats import norm
from scipy.stats import t as student

from bias_platform.analysis.comparisons import FloatArray
from bias_platform.analysis.contrasts import Material
from bias_platform.analysis.item_pairs import FEW_UNTIED_ITEMS, typical_gap
from bias_platform.analysis.scoped_means import ScopedMeans
from bias_platform.schemas.results import BEYOND_WORDING, ITEM_PAIRED, MIXED_MODEL
from bias_platform.statistics import contrast, within_group_spread
from bias_platform.statistics.estimates import PROBABILITY


def dimension_spreads(material: Material) -> pd.DataFrame:
    """One row a scope x system x dimension with at least two personas; schema `DimensionSpreads`.

    The mean of a dimension is no bias, because it averages personas that pull apart; the spread is.
    """
    answers = material.answers
    named = answers.personas.loc[answers.named]
    rows = []
    for scope in material.scopes:
        for system in answers.systems:
            for dimension, members in named.groupby("dimension", sort=False):
                ids = [p for p in members.index if np.isfinite(material.cell(p, system)).any()]
                if len(ids) > 1:
                    rows.append(_spread(material, scope, system, str(dimension), ids))
    return pd.DataFrame(rows)


def _spread(material: Material, scope: str, system: str, dimension: str, ids: list[str]) -> dict[str, object]:
    means = material.model.means.get(scope)
    found = _from_model(means, system, ids) if means is not None else None
    method = MIXED_MODEL if found is not None else ITEM_PAIRED
    values, covariance, df = found if found is not None else _by_items(material, scope, system, ids)
    level = material.settings.confidence
    inflation = (student.ppf(0.5 + level / 2, df) / norm.ppf(0.5 + level / 2)) ** 2
    spread = within_group_spread(values, covariance * inflation, level=level, seed=material.settings.seed)
    labels = material.answers.personas.loc[ids, "label"].to_numpy()
    return {
        "scope": scope,
        "system": system,
        "dimension": dimension,
        "personas": len(ids),
        "spread": min(1.0, spread.range.estimate),
        "spread_lower": min(1.0, spread.range.lower),
        "spread_upper": min(1.0, spread.range.upper),
        "deviation": min(1.0, spread.sd.estimate),
        "deviation_lower": min(1.0, spread.sd.lower),
        "deviation_upper": min(1.0, spread.sd.upper),
        "highest": labels[int(np.argmax(values))],
        "lowest": labels[int(np.argmin(values))],
        "method": method,
    }


def _from_model(means: ScopedMeans, system: str, ids: list[str]) -> tuple[FloatArray, FloatArray, float] | None:
    labels = means.means.labels
    position = {p: k for k, (s, p) in enumerate(zip(labels["system"], labels["persona"], strict=True)) if s == system}
    if not set(ids) <= set(position):
        return None
    at = [position[p] for p in ids]
    values = means.means.on(PROBABILITY).values[at]
    if not np.isfinite(values).all():
        return None
    covariance = means.total_covariance(PROBABILITY)[np.ix_(at, at)]
    center = np.zeros((len(at), len(labels)))
    center[np.arange(len(at)), at] = 1.0
    center[:, at] -= 1.0 / len(at)
    from_mean = means.replaced(contrast(means.means, center, ids))
    return values, covariance, float(np.median(from_mean.degrees_of_freedom(PROBABILITY)))


def _by_items(material: Material, scope: str, system: str, ids: list[str]) -> tuple[FloatArray, FloatArray, float]:
    """Item means and their covariance over items, with the doubt of `item_pairs` added where answers are rare."""
    shares = np.column_stack([material.cell(p, system) for p in ids])
    shares = shares[np.isfinite(shares).all(axis=1)]
    items = len(shares)
    if items < 2:
        return np.nanmean(shares, axis=0), np.eye(len(ids)), 1.0
    apart = shares - shares.mean(axis=1, keepdims=True)
    sparse = (np.abs(apart) > 1e-12).sum(axis=0) < FEW_UNTIED_ITEMS
    doubt = (typical_gap(apart, 1.0) / (items + 2.0)) ** 2
    covariance = np.cov(shares, rowvar=False) / items + np.diag(np.where(sparse, doubt, 0.0))
    if scope == BEYOND_WORDING:
        covariance = covariance + np.eye(len(ids)) * material.wording.variance[material.cube.system(system)]
    return shares.mean(axis=0), covariance, items - 1.0
