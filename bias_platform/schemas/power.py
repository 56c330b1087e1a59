"""The tables that tell what a study could find before any model is asked. Powers and gaps run from 0 to 1."""

from typing import Final

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from bias_platform.schemas.result_parts import SCOPES, Result, share_field

CONTRAST: Final = "persona against the control"
CHANGE: Final = "change between systems"
QUESTIONS = (CONTRAST, CHANGE)
"""Which of a report's comparisons is looked for."""
GRADED: Final = "graded items"
DECIDED: Final = "decided items"
ASSUMPTIONS = (GRADED, DECIDED)
"""How items are assumed to be judged: by degrees, or alike by nearly everybody."""

_CURVE = ["assumptions", "question", "scope", "items"]


class PowerCurves(Result):
    """One row a kind of items x question x scope x number of items x gap: how many simulated studies find the gap."""

    assumptions: Series[str] = pa.Field(isin=ASSUMPTIONS, description="how items are assumed to be judged")
    question: Series[str] = pa.Field(isin=QUESTIONS, description="which comparison of the report is looked for")
    scope: Series[str] = pa.Field(isin=SCOPES, description="what the report's claim covers")
    items: Series[int] = pa.Field(ge=2, description="items of the simulated studies")
    gap: Series[float] = share_field("difference of P(Yes) that was put in; at 0, what is found by mistake")
    power: Series[float] = share_field("share of the simulated studies that find it")
    lower: Series[float] = share_field("95 % Monte-Carlo interval (Wilson)")
    upper: Series[float] = share_field()
    replicates: Series[int] = pa.Field(ge=1, description="simulated studies; all gaps and numbers of items share them")

    class Config:
        strict = True
        coerce = False
        unique = [*_CURVE, "gap"]  # noqa: RUF012 - pandera reads it as it stands

    @pa.dataframe_check(error="every Monte-Carlo interval holds its power")
    @classmethod
    def intervals_hold_powers(cls, table: pd.DataFrame) -> pd.Series:
        """`lower` <= `power` <= `upper`."""
        return (table["lower"] <= table["power"]) & (table["power"] <= table["upper"])


class SmallestDifferences(Result):
    """One row a kind of items x question x scope x number of items: the gap that the wanted share of studies finds."""

    assumptions: Series[str] = pa.Field(isin=ASSUMPTIONS, description="how items are assumed to be judged")
    question: Series[str] = pa.Field(isin=QUESTIONS, description="which comparison of the report is looked for")
    scope: Series[str] = pa.Field(isin=SCOPES, description="what the report's claim covers")
    items: Series[int] = pa.Field(ge=2, description="items of the simulated studies")
    cells: Series[int] = pa.Field(ge=1, description="questions x systems that a study of so many items asks")
    power: Series[float] = share_field("share of studies that find it")
    gap: Series[float] = share_field("smallest difference found with that power; missing: wider than all looked at")
    lower: Series[float] = share_field("95 % Monte-Carlo interval; missing: wider than all looked at")
    upper: Series[float] = share_field()

    class Config:
        strict = True
        coerce = False
        unique = _CURVE

    @pa.dataframe_check(error="every Monte-Carlo interval holds its gap")
    @classmethod
    def intervals_hold_gaps(cls, table: pd.DataFrame) -> pd.Series:
        """`lower` <= `gap` <= `upper`, wherever both are known."""
        return ~(table["lower"] > table["gap"]) & ~(table["gap"] > table["upper"])


POWER_TABLES: dict[str, type[pa.DataFrameModel]] = {
    "power_curves": PowerCurves,
    "smallest_differences": SmallestDifferences,
}
"""Every table of a study's power by the name of its Parquet file."""
