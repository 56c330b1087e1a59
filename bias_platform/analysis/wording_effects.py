"""Wordings of the persona instruction as a factor: what each does to the answers of a system."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_platform.analysis.adjustment import adjust
from bias_platform.analysis.answers import Answers
from bias_platform.analysis.comparisons import FloatArray
from bias_platform.analysis.item_pairs import paired_differences
from bias_platform.analysis.paired_wording import PairedWording, cells_by_wording
from bias_platform.catalog.entries import AnalysisSettings
from bias_platform.schemas.results import ITEM_PAIRED, PRIMARY


def wording_effects(answers: Answers, wording: PairedWording, settings: AnalysisSettings) -> pd.DataFrame:
    """One row a system x wording: its Yes-rate less the mean over wordings; schema `WordingEffects`.

    Wordings are fixed here (these ones), items the sample: what an item's answers in a wording differ by from its mean
    over wordings is averaged over items. All systems and wordings are one family. Empty where there is one wording.

    Args:
        answers: prepared answers.
        wording: what wordings add to each system's cells.
        settings: confidence and multiplicity.
    """
    parts = []
    for place, system in enumerate(answers.systems):
        shares, names = _by_wording(answers, system)
        if shares.shape[1] > 1 and len(shares):
            sd = float(np.sqrt(wording.variance[place] * shares.shape[1]))
            parts.append(_of_system(shares, names, settings).assign(system=system, persona_wording_sd=min(1.0, sd)))
    if not parts:
        return pd.DataFrame()
    return adjust(pd.concat(parts, ignore_index=True), settings)


def _by_wording(answers: Answers, system: str) -> tuple[FloatArray, list[str]]:
    """(items, wordings): Yes share of an item in a wording over the personas judged in all its wordings."""
    cells = cells_by_wording(answers, PRIMARY, system)
    names = [str(name) for name in answers.frame["template_id"].cat.categories]
    used: NDArray[np.bool_] = np.asarray(np.isfinite(cells).any(axis=(0, 1)))
    cells = cells[:, :, used]
    whole = np.asarray(np.isfinite(cells).all(axis=2))
    count = whole.sum(axis=1)
    total = np.where(whole[:, :, None], cells, 0.0).sum(axis=1)
    shares: FloatArray = total[count > 0] / count[count > 0, None]
    return shares, [name for name, one in zip(names, used, strict=True) if one]


def _of_system(shares: FloatArray, names: list[str], settings: AnalysisSettings) -> pd.DataFrame:
    found = paired_differences(shares - shares.mean(axis=1, keepdims=True), settings.confidence)
    return pd.DataFrame(
        {
            "template_id": names,
            "yes_rate": shares.mean(axis=0),
            "items": found.items,
            "difference": found.difference,
            "standard_error": found.standard_error,
            "lower": found.lower,
            "upper": found.upper,
            "df": found.df,
            "p_value": found.p_value,
            "method": ITEM_PAIRED,
        }
    )
