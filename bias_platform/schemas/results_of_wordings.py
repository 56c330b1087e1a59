"""The result table of wordings of the persona instruction, and that of how spreads change between systems."""

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from bias_platform.schemas.result_parts import SCOPES, Differences, Result, share_field

_TOLERANCE = 1e-9


class WordingEffects(Differences):
    """One row a system x wording: how much more often it gets a Yes than the mean of the system's wordings."""

    system: Series[str]
    template_id: Series[str]
    yes_rate: Series[float] = share_field("each item counting alike, mean over personas and the generic person")
    items: Series[int] = pa.Field(ge=0, description="judged in every wording")
    persona_wording_sd: Series[float] = share_field(
        "of a persona in one wording, over and above persona and wording, item noise taken off; one number a system"
    )


class SpreadChanges(Result):
    """One row a scope x declared change x dimension: whether its personas lie farther apart in the second system."""

    scope: Series[str] = pa.Field(isin=SCOPES)
    from_system: Series[str]
    to_system: Series[str]
    dimension: Series[str]
    personas: Series[int] = pa.Field(ge=2)
    items: Series[int] = pa.Field(ge=2, description="judged for all personas in both systems")
    spread_from: Series[float] = share_field("largest minus smallest, raw")
    spread_to: Series[float] = share_field()
    deviation_from: Series[float] = share_field("sd between personas, noise removed")
    deviation_to: Series[float] = share_field()
    change: Series[float] = pa.Field(
        ge=-1, le=1, description="signed root of the change of the variance between personas, noise removed"
    )
    change_lower: Series[float] = pa.Field(ge=-1, le=1)
    change_upper: Series[float] = pa.Field(ge=-1, le=1)
    df: Series[float] = pa.Field(gt=0)
    p_value: Series[float] = share_field("of equal variances between personas, paired by item")
    p_adjusted: Series[float] = share_field("over the changes and dimensions of the scope")
    significant: Series[bool] = pa.Field(description="p_adjusted below 1 - confidence")
    exchange_p: Series[float] = share_field(
        "permutation: systems exchanged within item; exact where it does not matter which system answered"
    )

    @pa.dataframe_check(error="every interval holds its estimate: change_lower <= change <= change_upper")
    @classmethod
    def intervals_hold_changes(cls, table: pd.DataFrame) -> pd.Series:
        """The signed root keeps order."""
        low = table["change_lower"] <= table["change"] + _TOLERANCE
        return low & (table["change"] <= table["change_upper"] + _TOLERANCE)
