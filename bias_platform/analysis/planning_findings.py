"""What a larger study could find, in a sentence; empty where nothing could be compared."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bias_platform.analysis.phrases import interval, points
from bias_platform.analysis.picked import IN_WORDS, level
from bias_platform.catalog.entries import AnalysisSettings
from bias_platform.schemas.results import BEYOND_WORDING, THESE_WORDINGS

_TOO_LARGE = "more than 100 points"


def next_study_finding(tables: Mapping[str, pd.DataFrame], settings: AnalysisSettings) -> str:
    """The smallest difference found by a study of this size, and by one with twice the items or more wordings."""
    table = tables["next_studies"]
    table = table[table["system"].isna()] if len(table) else table
    for scope in (BEYOND_WORDING, THESE_WORDINGS):
        rows = table[table["scope"] == scope] if len(table) else table
        own = rows[rows["this_study"]] if len(rows) else rows
        if len(own):
            return _sentence(own.iloc[0], rows, settings)
    return ""


def _sentence(own: Any, rows: pd.DataFrame, settings: AnalysisSettings) -> str:
    told = "no item differs, so that these answers hardly tell"
    if np.isfinite(own["upper"]):
        told = f"{level(settings)} interval {_span(own['lower'], own['upper'])}, as far as these answers tell"
    return " ".join(
        [
            f"80 % of studies of this size find a persona’s difference from the generic person of "
            f"{_reach(own['detectable'])}, {IN_WORDS[own['scope']]} (typical comparison; {told}; "
            f"{_reach(own['turning'])} where it comes from whole items that turn).",
            *(f"{said} {_brings(row, own)}." for said, row in _larger(own, rows)),
        ]
    )


def _reach(difference: float) -> str:
    return f"{points(difference)} points" if difference < 1 else _TOO_LARGE


def _span(lower: float, upper: float) -> str:
    if lower >= 1:
        return _TOO_LARGE
    return interval(lower, upper) if upper < 1 else f"{points(lower)} to {_TOO_LARGE}"


def _brings(row: Any, own: Any) -> str:
    """What a larger study would find, and for how many cells."""
    found = _reach(row["detectable"])
    if found == _TOO_LARGE:
        return f"would leave it at {found}"
    if found == _reach(own["detectable"]):
        return "would not change it"
    return f"would make it {found} for {row['cells'] / own['cells']:.2g} times the cells"


def _larger(own: Any, rows: pd.DataFrame) -> list[tuple[str, Any]]:
    twice = rows[(rows["items"] == 2 * own["items"]) & (rows["wordings"] == own["wordings"])]
    wider = rows[(rows["items"] == own["items"]) & (rows["wordings"] > own["wordings"])].tail(1)
    found = [("Twice the items", row) for _, row in twice.iterrows()]
    return found + [(f"{row['wordings']} wordings instead of {own['wordings']}", row) for _, row in wider.iterrows()]
