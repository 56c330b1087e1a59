"""The tables of a study's power refuse what cannot be."""

import numpy as np
import pandas as pd
import pytest

from bias_platform.errors import TableError
from bias_platform.schemas import validate_table
from bias_platform.schemas.power import CONTRAST, GRADED, PowerCurves, SmallestDifferences
from bias_platform.schemas.results import THESE_WORDINGS, conform

KEYS = {"assumptions": [GRADED], "question": [CONTRAST], "scope": [THESE_WORDINGS], "items": [30]}


def _curve(**changes: object) -> pd.DataFrame:
    columns = {**KEYS, "gap": [0.1], "power": [0.5], "lower": [0.4], "upper": [0.6], "replicates": [400]}
    return conform(pd.DataFrame({**columns, **changes}), PowerCurves)


def _smallest(**changes: object) -> pd.DataFrame:
    columns = {**KEYS, "cells": [90], "power": [0.8], "gap": [0.1], "lower": [0.09], "upper": [0.11]}
    return conform(pd.DataFrame({**columns, **changes}), SmallestDifferences)


def test_right_tables_pass_and_what_is_beyond_reach_may_be_missing() -> None:
    validate_table(_curve(), PowerCurves, "curves")
    validate_table(_smallest(), SmallestDifferences, "smallest")
    validate_table(_smallest(gap=[np.nan], upper=[np.nan]), SmallestDifferences, "smallest")
    validate_table(_smallest(upper=[np.nan]), SmallestDifferences, "smallest")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"power": [0.7]}, "every Monte-Carlo interval holds its power"),
        ({"power": [1.2], "upper": [1.3]}, "less_than_or_equal_to"),
        ({"assumptions": ["easy items"]}, "column 'assumptions'"),
        ({"scope": ["all wordings"]}, "column 'scope'"),
        ({"items": [1]}, "column 'items'"),
    ],
)
def test_wrong_curves_are_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(TableError, match=said):
        validate_table(_curve(**changes), PowerCurves, "curves")


def test_a_point_twice_is_refused() -> None:
    with pytest.raises(TableError, match="uniq"):
        validate_table(pd.concat([_curve(), _curve()], ignore_index=True), PowerCurves, "curves")


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"gap": [0.2]}, "every Monte-Carlo interval holds its gap"), ({"cells": [0]}, "column 'cells'")],
)
def test_wrong_differences_are_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(TableError, match=said):
        validate_table(_smallest(**changes), SmallestDifferences, "smallest")
