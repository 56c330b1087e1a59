"""The golden models of ordered categories, with their data and fits."""

import json
from functools import cache
from typing import Any

import pandas as pd

from bias_platform.statistics import MixedModelFit, fit_mixed_model
from bias_platform_tests.statistics.golden_cases import GOLDEN

CASES = ("wine", "wine_two", "wine_weighted", "ratings", "graded", "opinions", "still_opinions")
ORDERS = {"answer": ["No", "Maybe", "Yes"], "grade": ["d", "c", "b", "a"]}


@cache
def golden(case: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GOLDEN / "ordinal.json").read_text())[case]
    return found


@cache
def data_named(name: str) -> pd.DataFrame:
    """A data set, its answers in order; numbers are in theirs."""
    frame = pd.read_csv(GOLDEN / (f"{name}.csv" if name in ("wine", "cbpp") else f"{name}.csv.gz"))
    known = {column: order for column, order in ORDERS.items() if column in frame}
    return frame.assign(**{name: pd.Categorical(frame[name], order, ordered=True) for name, order in known.items()})


@cache
def fit_of(case: str) -> MixedModelFit:
    """The model of a golden case, fitted to its data."""
    reference = golden(case)
    data, weights = data_named(reference["data"]), reference.get("weights")
    if weights is not None:
        data = data.assign(often=weights)
    return fit_mixed_model(reference["formula"], data, family="ordinal", weights="often" if weights else None)


def as_in_r(name: str) -> str:
    """A coefficient's name as R gives it."""
    return name.replace("[T.", "").replace("]", "")
