"""What the result tables have in common: scopes, readings, scales, counts, differences with their intervals."""

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
"""How answers are read as Yes or not."""
SCORED: Final = "scored"
"""The reading of scores: how far they favour Yes, whatever the answer."""
SCORE_SCALES: Final = {"sum": "log-odds", "mean": "score per token", "first-token": "log-odds of the first token"}
"""What a margin of scores is, by how options are scored: only whole summed options have log-odds of whole answers."""
ITEM_PAIRED: Final = "item-paired"
WITH_LOG_ODDS: Final = "item-paired, log-odds by model"
METHODS = (ITEM_PAIRED, WITH_LOG_ODDS)
"""How a row was made. Probabilities and their differences are item-paired; the model adds log-odds where it may."""
NAMED_PERSONAS: Final = "A, named personas"
GROUPS_OF_PERSONAS: Final = "B, groups of personas"
MARGINS: Final = "scores"
GRADED: Final = "A, ordinal"
OTHER_OUTCOMES: Final = "A, no judgement"
ERROR_MODELS: Final = {"false alarm": "B, false alarms by target", "miss": "B, misses by target"}
"""By kind of error: groups of personas by the group that an item is about."""
AGAINST_PEOPLE: Final = "C, against people"
MODELS = (NAMED_PERSONAS, GROUPS_OF_PERSONAS, MARGINS, *ERROR_MODELS.values())
UNIT_ITEM: Final = "item"
UNIT_WORDING: Final = "persona × wording"
UNITS = (UNIT_ITEM, UNIT_WORDING)
"""What may stand out in a model."""

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


class Tested(Result):
    """An estimate with its error and test; the estimate and its interval are the heirs' columns."""

    standard_error: Series[float] = pa.Field(ge=0, nullable=True)
    df: Series[float] = pa.Field(gt=0, nullable=True, description="degrees of freedom of the t quantile")
    p_value: Series[float] = share_field()
    p_adjusted: Series[float] = share_field("over the family of the table")
    significant: Series[bool] = pa.Field(description="p_adjusted below 1 - confidence")


class Differences(Tested):
    """A difference of probabilities with its interval and test."""

    difference: Series[float] = difference_field("of probabilities")
    lower: Series[float] = difference_field()
    upper: Series[float] = difference_field()
    method: Series[str] = pa.Field(isin=METHODS)


class LogOdds(Differences):
    """The same difference on the log-odds scale beside it."""

    log_odds: Series[float] = pa.Field(nullable=True, description="difference of log-odds; missing: no claim")
    log_odds_lower: Series[float] = pa.Field(nullable=True)
    log_odds_upper: Series[float] = pa.Field(nullable=True)
    log_odds_standard_error: Series[float] = pa.Field(ge=0, nullable=True, description="of the mixed model")
    log_odds_p: Series[float] = share_field("test of the log-odds by the mixed model")
    log_odds_p_adjusted: Series[float] = share_field("the same, over the family of the table")


class Claims(LogOdds):
    """Differences as one family a reading and scope: with simultaneous intervals, power and tests of equivalence."""

    reading: Series[str] = pa.Field(isin=READINGS)
    scope: Series[str] = pa.Field(isin=SCOPES)
    simultaneous_lower: Series[float] = difference_field("over the family: Bonferroni, or single-step")
    simultaneous_upper: Series[float] = difference_field()
    detectable: Series[float] = pa.Field(ge=0, nullable=True, description="difference found in 80 % of repetitions")
    equivalence_p: Series[float] = share_field("two one-sided tests, adjusted; missing: too few items")
    equivalent: Series[bool] = pa.Field(description="shown to be within the margin set in the study")


class ScoredClaims(Tested):
    """Differences of margins (how far scores favour Yes), item-paired, as one family a scope."""

    scope: Series[str] = pa.Field(isin=SCOPES)
    scale: Series[str] = pa.Field(isin=list(SCORE_SCALES.values()))
    difference: Series[float] = pa.Field(nullable=True, description="of margins, natural logarithms")
    lower: Series[float] = pa.Field(nullable=True, description="missing: too few items differ to tell a spread")
    upper: Series[float] = pa.Field(nullable=True)
    simultaneous_lower: Series[float] = pa.Field(
        nullable=True, description="over the family: Bonferroni, or single-step"
    )
    simultaneous_upper: Series[float] = pa.Field(nullable=True)
    detectable: Series[float] = pa.Field(ge=0, nullable=True, description="difference found in 80 % of repetitions")
