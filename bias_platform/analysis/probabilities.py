"""The estimated probability of Yes of every system x persona cell."""

import numpy as np
import pandas as pd

from bias_platform.analysis.contrasts import Material
from bias_platform.analysis.item_cube import label_of
from bias_platform.analysis.rates import clustered_rate_interval
from bias_platform.schemas.results import ITEM_PAIRED, MIXED_MODEL
from bias_platform.statistics.estimates import LINK, PROBABILITY


def persona_probabilities(material: Material) -> pd.DataFrame:
    """One row a scope x system x persona (the control included); schema `PersonaProbabilities`.

    Cells without a model have their raw rate with an interval over items, in both scopes alike.
    """
    return pd.concat([_scope(material, scope) for scope in material.scopes], ignore_index=True)


def _scope(material: Material, scope: str) -> pd.DataFrame:
    answers, cube, confidence = material.answers, material.cube, material.settings.confidence
    table = _raw(material)
    means = material.model.means.get(scope)
    if means is not None:
        labels = means.means.labels
        position = {key: k for k, key in enumerate(zip(labels["system"], labels["persona"], strict=True))}
        keys = zip(table["system"], table["persona_id"], strict=True)
        at = np.array([position.get(key, -1) for key in keys], dtype=int)
        probability, link = means.frame(PROBABILITY, confidence), means.frame(LINK, confidence)
        usable = (at >= 0) & np.isfinite(np.append(probability["estimate"].to_numpy(), np.nan)[at])
        source = at[usable]
        table.loc[usable, "probability"] = probability["estimate"].to_numpy()[source]
        for column in ("lower", "upper"):
            table.loc[usable, column] = probability[column].clip(0, 1).to_numpy()[source]
        for column, name in (("log_odds", "estimate"), ("log_odds_lower", "lower"), ("log_odds_upper", "upper")):
            table.loc[usable, column] = link[name].to_numpy()[source]
        table.loc[usable, "method"] = MIXED_MODEL
    table = table.join(label_of(answers.personas, table["persona_id"]))
    judged = cube.judged.sum(axis=0)
    known = [
        judged[cube.persona(p), cube.system(s)] > 0 for s, p in zip(table["system"], table["persona_id"], strict=True)
    ]
    return table[known].assign(scope=scope, reading=material.model.reading)


def _raw(material: Material) -> pd.DataFrame:
    answers, cube = material.answers, material.cube
    personas = [answers.control, *answers.named]
    at = cube.positions(personas)
    flat = [counts[:, at, :].transpose(0, 2, 1).reshape(len(cube.items), -1) for counts in (cube.yes, cube.judged)]
    rate, lower, upper = clustered_rate_interval(flat[0], flat[1], material.settings.confidence)
    grid = pd.MultiIndex.from_product([cube.systems, personas], names=["system", "persona_id"])
    table = grid.to_frame(index=False).assign(probability=rate, lower=lower, upper=upper, method=ITEM_PAIRED)
    return table.assign(log_odds=np.nan, log_odds_lower=np.nan, log_odds_upper=np.nan)
