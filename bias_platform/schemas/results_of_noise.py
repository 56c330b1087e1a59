"""Result tables of the noise floor: what asking the same questions of the same systems again moves."""

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from bias_platform.schemas.result_parts import Result, difference_field, share_field

FLOORS = ("both systems", "the system before", "the system after")
"""Whose askings-again a change between systems is held against; of both: the mean of the two."""


class NoiseFloors(Result):
    """One row a system x repeat: the study's answers held against those to the same questions asked again."""

    system: Series[str]
    repeat: Series[str] = pa.Field(description="name of the asking-again")
    changed: Series[str] = pa.Field(description="what was not as in the study; empty: nothing")
    items: Series[int] = pa.Field(ge=0, description="items asked again")
    questions: Series[int] = pa.Field(ge=0, description="questions asked again")
    answered_twice: Series[int] = pa.Field(ge=0, description="with an answer both times: what flips are counted among")
    coverage: Series[float] = share_field("answered_twice / questions")
    flipped: Series[int] = pa.Field(ge=0, description="of these, with another answer")
    flipped_share: Series[float] = share_field("flipped / answered_twice")
    lower: Series[float] = share_field("interval of flipped_share; items are the sample")
    upper: Series[float] = share_field()
    yes_flipped: Series[int] = pa.Field(ge=0, description="of the flips, from Yes to another judgement or back")
    outcome_changed: Series[int] = pa.Field(ge=0, description="questions with another outcome, e.g. refused")
    scored_twice: Series[int] = pa.Field(ge=0, description="questions with a margin both times")
    margin_mean: Series[float] = pa.Field(ge=0, nullable=True, description="mean |difference| of margins")
    margin_95: Series[float] = pa.Field(ge=0, nullable=True, description="exceeded by one question in twenty")
    margin_largest: Series[float] = pa.Field(ge=0, nullable=True)
    contrast_sd: Series[float] = share_field(
        "root mean square over personas by which persona minus control moved; missing: no persona could be compared"
    )
    contrast_largest: Series[float] = difference_field("the move largest in size, with its sign")
    contrast_label: Series[str] = pa.Field(nullable=True, description="whose that is; missing: none moved")

    class Config:
        strict = True
        coerce = False
        unique = ["system", "repeat"]  # noqa: RUF012 - pandera reads it as it stands

    @pa.dataframe_check(error="every interval holds its share of flips")
    @classmethod
    def intervals_hold_shares(cls, table: pd.DataFrame) -> pd.Series:
        """`lower` <= `flipped_share` <= `upper`, wherever they are known."""
        return ~(table["lower"] > table["flipped_share"]) & ~(table["flipped_share"] > table["upper"])


class RepeatedContrasts(Result):
    """One row a system x repeat x named persona: how its difference to the control moved, asked again."""

    system: Series[str]
    repeat: Series[str]
    persona_id: Series[str]
    label: Series[str]
    dimension: Series[str]
    items: Series[int] = pa.Field(ge=0, description="items judged both times, for the persona and for the control")
    first: Series[float] = difference_field("persona minus control on these items, in the study")
    again: Series[float] = difference_field("the same, asked again")
    difference: Series[float] = difference_field("again minus first, paired by item")
    lower: Series[float] = difference_field()
    upper: Series[float] = difference_field()
    standard_error: Series[float] = pa.Field(ge=0, nullable=True)


class SystemFlips(Result):
    """One row a declared change x repeat: answers that flip between two systems beside those that flip anyway."""

    from_system: Series[str]
    to_system: Series[str]
    repeat: Series[str]
    floor_of: Series[str] = pa.Field(isin=FLOORS, description="whose askings-again are the floor")
    items: Series[int] = pa.Field(ge=0)
    questions: Series[int] = pa.Field(ge=0, description="answered by both systems, and again")
    coverage: Series[float] = share_field("questions / all that were asked again")
    flipped_share: Series[float] = share_field("mean over items of the share answered otherwise by the other system")
    floor_share: Series[float] = share_field("mean over items of the share answered otherwise by the system itself")
    difference: Series[float] = difference_field("flipped_share minus floor_share, paired by item: what is left")
    lower: Series[float] = difference_field()
    upper: Series[float] = difference_field()
    standard_error: Series[float] = pa.Field(ge=0, nullable=True)
