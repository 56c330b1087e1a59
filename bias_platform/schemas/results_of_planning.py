"""The result table that says what a study of another size could find."""

import pandera.pandas as pa
from pandera.typing import Series

from bias_platform.schemas.result_parts import SCOPES, Result, share_field


class NextStudies(Result):
    """One row a scope x system x size: the smallest difference from the control that such a study would find."""

    scope: Series[str] = pa.Field(isin=SCOPES)
    system: Series[str] = pa.Field(nullable=True, description="missing: all systems together")
    items: Series[int] = pa.Field(ge=2)
    wordings: Series[int] = pa.Field(ge=1)
    cells: Series[int] = pa.Field(ge=0, description="asked of all systems together, repeats not counted")
    this_study: Series[bool] = pa.Field(description="the size of the study that was asked")
    detectable: Series[float] = pa.Field(
        ge=0, le=1, description="median over comparisons; found in 80 % of repetitions; cut at 1, as all differences"
    )
    lower: Series[float] = pa.Field(
        ge=0, le=1, nullable=True, description="how well this study tells; missing: not at all"
    )
    upper: Series[float] = pa.Field(ge=0, le=1, nullable=True, description="of the same interval")
    turning: Series[float] = pa.Field(ge=0, le=1, description="the same, if it comes from whole items that turn")
    largest: Series[float] = pa.Field(ge=0, le=1, description="of the comparison that is hardest to find")
    log_odds: Series[float] = pa.Field(ge=0, nullable=True, description="smallest difference of log-odds, by model A")
    item_share: Series[float] = share_field("of the squared standard error: what a persona does to single items, doubt")
    answer_share: Series[float] = share_field("of it: single answers")
    wording_share: Series[float] = share_field("of it: what wordings do to a persona in all items")
