"""The probability of Yes of every system x persona cell, as a mean over items; log-odds of the model beside it."""

import numpy as np
import pandas as pd
from scipy.stats import t as student

from bias_platform.analysis.comparisons import FloatArray
from bias_platform.analysis.item_cube import label_of
from bias_platform.analysis.material import Material
from bias_platform.analysis.rates import clustered_rate_interval
from bias_platform.schemas.results import BEYOND_WORDING, ITEM_PAIRED, WITH_LOG_ODDS
from bias_platform.statistics.estimates import LINK


def persona_probabilities(material: Material) -> pd.DataFrame:
    """One row a scope x system x persona (the control included); schema `PersonaProbabilities`.

    Every item counts alike, however many of its questions were judged, so that differences of these probabilities
    are the item-paired ones. Beyond wording the interval is wider by what other wordings would add; a system in
    which they are unknown has no such row.
    """
    return pd.concat([_scope(material, scope) for scope in material.scopes], ignore_index=True)


def _scope(material: Material, scope: str) -> pd.DataFrame:
    table = _item_means(material)
    if scope == BEYOND_WORDING:
        _widen(table, material)
    _add_log_odds(table, material, scope)
    table = table.join(label_of(material.answers.personas, table["persona_id"]))
    known = (table["probability"].notna() & table["lower"].notna()).to_numpy()
    kept: pd.DataFrame = table[known]
    return kept.assign(scope=scope, reading=material.reading.name)


def _item_means(material: Material) -> pd.DataFrame:
    """Means over items of each item's Yes share, with intervals over items."""
    answers, cube = material.answers, material.cube
    personas = [answers.control, *answers.named]
    share = cube.mean[:, cube.positions(personas), :].transpose(0, 2, 1).reshape(len(cube.items), -1)
    known = np.isfinite(share)
    rate, lower, upper = clustered_rate_interval(
        np.where(known, share, 0.0), known.astype(float), material.settings.confidence
    )
    grid = pd.MultiIndex.from_product([cube.systems, personas], names=["system", "persona_id"])
    table: pd.DataFrame = grid.to_frame(index=False)
    table = table.assign(probability=rate, lower=lower, upper=upper, method=ITEM_PAIRED)
    return table.assign(log_odds=np.nan, log_odds_lower=np.nan, log_odds_upper=np.nan)


def _widen(table: pd.DataFrame, material: Material) -> None:
    """Adds the doubt about other wordings to each half of the interval, as independent variances add."""
    at = [material.cube.system(name) for name in table["system"]]
    quantile = student.ppf(0.5 + material.settings.confidence / 2, material.wording.df[at])
    doubt: FloatArray = quantile * np.sqrt(material.wording.variance[at])
    middle = table["probability"].to_numpy(float)
    for column, sign in (("lower", -1.0), ("upper", 1.0)):
        reach = np.hypot(table[column].to_numpy(float) - middle, doubt)
        table[column] = np.clip(middle + sign * reach, 0.0, 1.0)


def _add_log_odds(table: pd.DataFrame, material: Material, scope: str) -> None:
    means = material.means.get(scope)
    if means is None:
        return
    labels = means.means.labels
    position = {key: k for k, key in enumerate(zip(labels["system"], labels["persona"], strict=True))}
    keys = zip(table["system"], table["persona_id"], strict=True)
    at = np.array([position.get(key, -1) for key in keys], dtype=int)
    link = means.frame(LINK, material.settings.confidence)
    usable = (at >= 0) & np.isfinite(np.append(link["estimate"].to_numpy(), np.nan)[at])
    for column, name in (("log_odds", "estimate"), ("log_odds_lower", "lower"), ("log_odds_upper", "upper")):
        table.loc[usable, column] = link[name].to_numpy()[at[usable]]
    table.loc[usable, "method"] = WITH_LOG_ODDS
