"""Do the systems say what most people said? Agreement with the human majority, items as the sample."""

import numpy as np
import pandas as pd

from bias_platform.analysis.answers import Answers
from bias_platform.analysis.item_cube import FloatArray, ItemCube
from bias_platform.analysis.phrases import have
from bias_platform.analysis.rates import clustered_rate_interval
from bias_platform.catalog.entries import AnalysisSettings

DRAWS = 500
"""Bootstrap samples of items."""


def human_agreement(
    answers: Answers, cube: ItemCube, humans: pd.DataFrame | None, settings: AnalysisSettings
) -> tuple[pd.DataFrame, list[str]]:
    """Percent agreement and Cohen's kappa by system and by system x persona, and what a reader must know.

    Items without a majority (ties) are left out. The interval of the agreement is a Wilson interval clustered by item,
    which keeps a width where all agree; that of kappa has percentiles over 500 bootstrap samples of items.
    """
    if humans is None or humans.empty:
        return pd.DataFrame(), []
    majority, messages = human_majority(humans, cube.items)
    known = np.isfinite(majority)
    if known.sum() < 2:
        return pd.DataFrame(), [*messages, "Fewer than two items have a human majority: agreement is not computed."]
    said = majority[known][:, None, None]
    judged, yes = cube.known[known], cube.total[known]
    sums = np.stack([judged, np.where(said > 0, yes, judged - yes), yes, judged * said])
    keep = [k for k, name in enumerate(cube.personas) if name != answers.baseline]
    whole = sums[:, :, keep, :].sum(axis=2)
    columns = np.concatenate([whole, sums.transpose(0, 1, 3, 2).reshape(4, known.sum(), -1)], axis=2)
    labels = _labels(answers, cube)
    table = labels.join(_measured(columns, settings))
    return table[table["answers"] > 0].reset_index(drop=True), messages


def human_majority(humans: pd.DataFrame, items: tuple[str, ...]) -> tuple[FloatArray, list[str]]:
    """1 or 0 for each item; NaN where people tie or nobody was asked."""
    table = humans.set_index("item_id").reindex(list(items))
    share = (table["yes"] / table["annotators"]).to_numpy(float)
    majority = np.where(share > 0.5, 1.0, np.where(share < 0.5, 0.0, np.nan))
    tied, unknown = int((share == 0.5).sum()), int(np.isnan(share).sum())
    messages = [f"{have(tied, 'item')} no human majority (a tie): left out of the agreement."] if tied else []
    return majority, [*messages, f"{have(unknown, 'item')} no human label."] if unknown else messages


def _labels(answers: Answers, cube: ItemCube) -> pd.DataFrame:
    whole = [{"system": s, "persona_id": None, "label": "all personas"} for s in cube.systems]
    label = answers.personas["label"]
    each = [{"system": s, "persona_id": p, "label": label[p]} for s in cube.systems for p in cube.personas]
    return pd.DataFrame([*whole, *each])


def _measured(columns: FloatArray, settings: AnalysisSettings) -> pd.DataFrame:
    """From sums (4: answers, agreeing, yes, human yes; items; k) to a row for each of the k."""
    items = columns.shape[1]
    rng = np.random.default_rng(settings.seed)
    weights = rng.multinomial(items, np.full(items, 1 / items), size=DRAWS).astype(float)
    drawn = np.stack([weights @ part for part in columns])
    total = columns.sum(axis=1)
    agreement, kappa = _agreement(total)
    tail = (1 - settings.confidence) / 2
    with np.errstate(all="ignore"):
        lower, upper = clustered_rate_interval(columns[1], columns[0], settings.confidence)[1:]
        kappa_bounds = np.nanquantile(_agreement(drawn)[1], [tail, 1 - tail], axis=0)
        kappa_bounds = _widened(kappa_bounds, kappa, total, np.stack([lower, upper]))
        shares = {"human_yes": total[3] / total[0], "system_yes": total[2] / total[0]}
    return pd.DataFrame(
        {
            "items": (columns[0] > 0).sum(axis=0),
            "answers": total[0],
            "agreement": agreement,
            "agreement_lower": lower,
            "agreement_upper": upper,
            "kappa": kappa,
            "kappa_lower": kappa_bounds[0],
            "kappa_upper": kappa_bounds[1],
            **shares,
        }
    )


def _widened(bounds: FloatArray, kappa: FloatArray, total: FloatArray, limits: FloatArray) -> FloatArray:
    """Where resampling never moves kappa, its bounds follow those of the agreement, chance being as it is."""
    with np.errstate(invalid="ignore", divide="ignore"):
        agreement, chance = total[1] / total[0], _chance(total)
        moved = kappa + (limits - agreement) / (1 - chance)
    flat = bounds[1] - bounds[0] < 1e-9
    widened: FloatArray = np.where(flat, np.clip(moved, -1, 1), bounds)
    return widened


def _chance(sums: FloatArray) -> FloatArray:
    """Agreement that these two Yes-rates alone would give."""
    system, human = sums[2] / sums[0], sums[3] / sums[0]
    chance: FloatArray = system * human + (1 - system) * (1 - human)
    return chance


def _agreement(sums: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Percent agreement and kappa; kappa is NaN where one side always says the same as the other must."""
    with np.errstate(invalid="ignore", divide="ignore"):
        observed, chance = sums[1] / sums[0], _chance(sums)
        kappa = np.where(chance < 1, (observed - chance) / (1 - chance), np.nan)
    return observed, kappa
