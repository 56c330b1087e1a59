"""What the result tables have in common: scopes, readings, counts, differences with their intervals."""

from typing import Any, Final

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

THESE_WORDINGS: Final = "these wordings"
BEYOND_WORDING: Final = "beyond wording"
SCOPES = (THESE_WORDINGS, BEYOND_WORDING)
PRIMARY: Final = "primary"
LENIENT: Final = "lenient"
READINGS = (PRIMARY, LENIENT)
ITEM_PAIRED: Final = "item-paired"
WITH_LOG_ODDS: Final = "item-paired, log-odds by model"
METHODS = (ITEM_PAIRED, WITH_LOG_ODDS)
"""How a row was made. Probabilities and their differences are item-paired; the model adds log-odds where it may."""

_TOLERANCE = 1e-9


def share_field(description: str | None = None) -> Any:
    """A column of shares or probabilities, 0..1, missing where unknown."""
    return pa.Field(ge=0.0, le=1.0, nullable=True, description=description)


def difference_field(description: str | None = None) -> Any:
    """A column of differences of shares, or of differences of those, -2..2."""
    return pa.Field(ge=-2.0, le=2.0, nullable=True, description=description)


def conform(rows: pd.DataFrame, schema: type[pa.DataFrameModel]) -> pd.DataFrame:
    """`rows` with the schema's column order and dtypes; an empty frame stays empty but typed.

    Columns the schema does not know are kept, so that validation names them.
    """
    columns = schema.to_schema().columns
    table = rows if len(rows.columns) else pd.DataFrame({name: pd.Series(dtype=object) for name in columns})
    known = [name for name in columns if name in table.columns]
    rest = [name for name in table.columns if name not in columns]
    table = table[known + rest].reset_index(drop=True)
    return table.astype({name: _dtype(columns[name]) for name in known})


def _dtype(column: pa.Column) -> str:
    text = str(column.dtype)
    return text if text in ("int64", "float64", "bool") else "object"


class Result(pa.DataFrameModel):
    """What every result table keeps to: known columns only, intervals that hold their estimates."""

    class Config:
        strict = True
        coerce = False

    @pa.dataframe_check(error="every interval holds its estimate: lower <= estimate <= upper")
    @classmethod
    def intervals_hold_estimates(cls, table: pd.DataFrame) -> pd.Series:
        """`lower` <= `upper`, and the `difference` or `probability` between them, wherever both are known."""
        good = pd.Series(True, index=table.index)
        if not {"lower", "upper"} <= set(table.columns):
            return good
        good &= ~(table["lower"] > table["upper"] + _TOLERANCE)
        for middle in ("difference", "probability"):
            if middle in table.columns:
                good &= ~(table[middle] < table["lower"] - _TOLERANCE)
                good &= ~(table[middle] > table["upper"] + _TOLERANCE)
        return good


class Counts(Result):
    """Questions by what came of them, and the Yes-rate."""

    questions: Series[int] = pa.Field(ge=0, description="questions put, repeats collapsed")
    answered: Series[int] = pa.Field(ge=0, description="with an allowed answer, options set aside included")
    refused: Series[int] = pa.Field(ge=0)
    invalid: Series[int] = pa.Field(ge=0)
    truncated: Series[int] = pa.Field(ge=0)
    failed: Series[int] = pa.Field(ge=0)
    set_aside: Series[int] = pa.Field(ge=0, description="answered with an option that is no judgement")
    judged: Series[int] = pa.Field(ge=0, description="answered and not set aside: what Yes-rates rest on")
    yes: Series[int] = pa.Field(ge=0, description="judged and positive in the primary reading")
    coverage: Series[float] = share_field("judged / questions")
    yes_rate: Series[float] = share_field("yes / judged")
    lower: Series[float] = share_field("interval of yes_rate, clustered by item")
    upper: Series[float] = share_field()
    bound_low: Series[float] = share_field("all that is not judged counted as No")
    bound_high: Series[float] = share_field("all that is not judged counted as Yes")
    lenient_rate: Series[float] = share_field("Yes-rate of the lenient reading")


class Differences(Result):
    """A difference of probabilities with its interval and test."""

    difference: Series[float] = difference_field("of probabilities")
    standard_error: Series[float] = pa.Field(ge=0, nullable=True)
    lower: Series[float] = difference_field()
    upper: Series[float] = difference_field()
    df: Series[float] = pa.Field(gt=0, nullable=True, description="degrees of freedom of the t quantile")
    p_value: Series[float] = share_field()
    p_adjusted: Series[float] = share_field("over the family of the table")
    significant: Series[bool] = pa.Field(description="p_adjusted below 1 - confidence")
    method: Series[str] = pa.Field(isin=METHODS)


class LogOdds(Differences):
    """The same difference on the log-odds scale beside it."""

    log_odds: Series[float] = pa.Field(nullable=True, description="difference of log-odds; missing: no claim")
    log_odds_lower: Series[float] = pa.Field(nullable=True)
    log_odds_upper: Series[float] = pa.Field(nullable=True)
    log_odds_standard_error: Series[float] = pa.Field(ge=0, nullable=True, description="of the mixed model")
    log_odds_p: Series[float] = share_field("test of the log-odds by the mixed model")
    log_odds_p_adjusted: Series[float] = share_field("the same, over the family of the table")
