"""The result tables of families of tests."""

import pandera.pandas as pa
from pandera.typing import Series

from bias_platform.schemas.result_parts import SCOPES, Result, Tested, difference_field


class DeclaredFamilies(Tested):
    """One row a family that the study declares x scope x comparison with the control; primary reading."""

    family: Series[str]
    title: Series[str]
    multiplicity: Series[str] = pa.Field(description="correction within family and scope")
    scope: Series[str] = pa.Field(isin=SCOPES)
    system: Series[str]
    persona_id: Series[str]
    label: Series[str]
    dimension: Series[str]
    difference: Series[float] = difference_field("of probabilities")
    lower: Series[float] = difference_field()
    upper: Series[float] = difference_field()
    significant_in_report: Series[bool] = pa.Field(description="among all comparisons of the report")


class TestFamilies(Result):
    """One row a family of tests: what the adjustment runs over."""

    __test__ = False
    family: Series[str] = pa.Field(unique=True)
    tests: Series[int] = pa.Field(ge=0)
    significant: Series[int] = pa.Field(ge=0)
    method: Series[str]
    headline: Series[bool]
