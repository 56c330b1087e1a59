"""Which row of a result table a sentence speaks of, and in which scope."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from bias_platform.analysis.adjustment import SINGLE_STEP, stepwise
from bias_platform.analysis.phrases import interval
from bias_platform.catalog.entries import AnalysisSettings
from bias_platform.schemas.results import BEYOND_WORDING, PRIMARY, THESE_WORDINGS

IN_WORDS = {THESE_WORDINGS: "for the wordings used", BEYOND_WORDING: "beyond the wordings used"}
"""How a sentence names a scope."""


def tested(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of the primary reading that could be tested at all."""
    if table.empty:
        return table
    if "reading" in table.columns:
        table = table[table["reading"] == PRIMARY]
    known: pd.DataFrame = table[np.isfinite(table["p_value"].to_numpy(float))]
    return known


def claimed(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(rows of one scope, those significant): the widest scope with a significant row, else these wordings and none."""
    for scope in (BEYOND_WORDING, THESE_WORDINGS):
        rows = table[table["scope"] == scope]
        if rows["significant"].any():
            return rows, rows[rows["significant"]]
    rows = table[table["scope"] == THESE_WORDINGS]
    return rows, rows.iloc[:0]


def largest(found: pd.DataFrame, size: str) -> dict[str, Any]:
    """The row of the largest absolute `size`, among those whose simultaneous interval leaves out 0 where there are any.

    A step-down adjustment finds more than simultaneous intervals show; the row that is shown should agree with both.
    """
    if "simultaneous_lower" in found.columns:
        clear = found[(found["simultaneous_lower"] > 0) | (found["simultaneous_upper"] < 0)]
        found = clear if len(clear) else found
    return top(found, found[size].abs())


def top(table: pd.DataFrame, by: pd.Series) -> dict[str, Any]:
    """The row with the largest value of `by`; the first of several, missing ones last."""
    at = int(np.argmax(np.nan_to_num(by.to_numpy(float), nan=-np.inf)))
    return dict(zip(table.columns, table.iloc[at], strict=True))


def simultaneous(
    row: dict[str, Any],
    settings: AnalysisSettings,
    signed: bool = True,
    write: Callable[[object, object, bool], str] = interval,
) -> str:
    """Its interval over the family; the single one, named so, where a table has no other.

    Args:
        row: of a result table.
        settings: whose confidence is named.
        signed: whether bounds above zero have a plus sign.
        write: how bounds are written; default: in percentage points.
    """
    if "simultaneous_lower" in row:
        reach = write(row["simultaneous_lower"], row["simultaneous_upper"], signed)
        return f"simultaneous {level(settings)} interval {reach}"
    return f"{level(settings)} interval of this one alone {write(row['lower'], row['upper'], signed)}"


def level(settings: AnalysisSettings) -> str:
    """The confidence in per cent."""
    return f"{np.round(100 * settings.confidence, 1):g} %"


def method(settings: AnalysisSettings) -> str:
    """The adjustment in words."""
    return _METHODS[settings.multiplicity]


def correction(name: str) -> str:
    """A correction in words."""
    return _METHODS[name]


def stepwise_method(settings: AnalysisSettings) -> str:
    """The same for tests that are no contrasts."""
    return _METHODS[stepwise(settings.multiplicity)]


_METHODS = {
    "holm": "Holm’s correction",
    "fdr_bh": "the Benjamini-Hochberg correction",
    "fdr_by": "the Benjamini-Yekutieli correction",
    SINGLE_STEP: "the single-step adjustment",
}
