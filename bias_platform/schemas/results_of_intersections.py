"""The result tables of intersectional personas."""

from typing import Final

import pandera.pandas as pa
from pandera.typing import Series

from bias_platform.schemas.result_parts import SCOPES, Claims, Result, share_field

BEYOND_THE_SUM: Final = "beyond the sum"
FOUR_CELLS: Final = "four cells"
CROSSED_KINDS = (BEYOND_THE_SUM, FOUR_CELLS)
"""(both - control) - [(one - control) + (other - control)]; or a difference of differences of four crossed personas."""


class CrossedContrasts(Claims):
    """One row a kind x scope x system x interaction of personas that combine two dimensions."""

    kind: Series[str] = pa.Field(isin=CROSSED_KINDS)
    system: Series[str]
    dimension: Series[str]
    label: Series[str]
    combination: Series[str] = pa.Field(description="persona ids with their signs")


class CrossedTests(Result):
    """One row a kind x scope x system x crossed dimension: all its interactions at once."""

    __test__ = False
    kind: Series[str] = pa.Field(isin=CROSSED_KINDS)
    scope: Series[str] = pa.Field(isin=SCOPES)
    system: Series[str]
    dimension: Series[str]
    interactions: Series[int] = pa.Field(ge=2)
    items: Series[int] = pa.Field(ge=2)
    df: Series[float] = pa.Field(ge=2, description="independent interactions")
    f: Series[float] = pa.Field(ge=0, nullable=True)
    f_df: Series[float] = pa.Field(gt=0, nullable=True, description="fewer than df where interactions vary unequally")
    f_denominator_df: Series[float] = pa.Field(gt=0, nullable=True)
    p_value: Series[float] = share_field()
    p_adjusted: Series[float] = share_field("over the systems and dimensions of the kind and scope")
    significant: Series[bool] = pa.Field(description="p_adjusted below 1 - confidence")
