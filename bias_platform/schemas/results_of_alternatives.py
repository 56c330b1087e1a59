"""The result tables of what other methods would have concluded, beside the report's own."""

from typing import Final

import pandera.pandas as pa
from pandera.typing import Series

from bias_platform.schemas.result_parts import SCOPES, Result, Tested, difference_field

NAIVE_GLM: Final = "GLM, iid errors (naive)"
GLM_BY_ITEM: Final = "GLM, clustered by item"
GLM_BY_WORDING: Final = "GLM, clustered by persona × wording"
GLM_TWO_WAY: Final = "GLM, two-way: item and persona × wording"
GEE_BY_ITEM: Final = "GEE, exchangeable within item"
ALTERNATIVES = (NAIVE_GLM, GLM_BY_ITEM, GEE_BY_ITEM, GLM_BY_WORDING, GLM_TWO_WAY)
OWN_PAIRED: Final = "Item-paired (this report)"
OWN_MODEL: Final = "Mixed model A, log-odds (this report)"
ALL_SYSTEMS: Final = "all systems"
SAME: Final = "same"
ONLY_METHOD: Final = "only this method"
ONLY_REPORT: Final = "only the report"
VERDICTS = (SAME, ONLY_METHOD, ONLY_REPORT)
"""Who finds a difference significant, after adjustment."""
NOT_COMPARED: Final = "not compared"
"""One of the two has no test."""


class AlternativeMethods(Result):
    """One row a method x system (and all systems): what it would have concluded of personas against the control."""

    method: Series[str] = pa.Field(isin=[OWN_PAIRED, OWN_MODEL, *ALTERNATIVES])
    scope: Series[str] = pa.Field(isin=SCOPES, description="of the report's verdicts it is held against")
    system: Series[str]
    contrasts: Series[int] = pa.Field(ge=0, description="that it can test and the report tests too")
    significant: Series[int] = pa.Field(ge=0, description="adjusted over all systems x personas")
    reported: Series[int] = pa.Field(ge=0, description="of the same contrasts, significant in the report")
    agreeing: Series[int] = pa.Field(ge=0, description="contrasts with the report's verdict")
    only_method: Series[int] = pa.Field(ge=0)
    only_report: Series[int] = pa.Field(ge=0)
    error_ratio: Series[float] = pa.Field(
        ge=0, nullable=True, description="median of its standard error over the report's, probability scale"
    )
    note: Series[str] = pa.Field(description="what could not be fitted, and why")


class AlternativeContrasts(Tested):
    """One row another method x system x persona: the persona minus the control, population-averaged."""

    method: Series[str] = pa.Field(isin=ALTERNATIVES)
    scope: Series[str] = pa.Field(isin=SCOPES, description="of the report's verdict it is held against")
    system: Series[str]
    persona_id: Series[str]
    label: Series[str]
    dimension: Series[str]
    difference: Series[float] = difference_field("of average probabilities")
    reported_difference: Series[float] = difference_field("of the report: the same items for both personas")
    lower: Series[float] = pa.Field(nullable=True)
    upper: Series[float] = pa.Field(nullable=True)
    log_odds: Series[float] = pa.Field(nullable=True, description="population-averaged: smaller than those of model A")
    log_odds_standard_error: Series[float] = pa.Field(ge=0, nullable=True)
    verdict: Series[str] = pa.Field(isin=[*VERDICTS, NOT_COMPARED])
