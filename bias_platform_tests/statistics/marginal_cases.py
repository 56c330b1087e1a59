"""The data of the golden marginal models, as their R script makes them."""

import json
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bias_platform_tests.statistics.golden_cases import GOLDEN, data_of


class Case(NamedTuple):
    """A model, its data and the one or two groupings of its clusters."""

    formula: str
    data: pd.DataFrame
    groupings: tuple[str, ...]


@cache
def marginal_golden() -> dict[str, Any]:
    numbers: dict[str, Any] = json.loads((GOLDEN / "marginal_models.json").read_text())
    return numbers


@cache
def case(name: str) -> Case:
    if name == "verbagg":
        return Case("r2 ~ Anger + Gender + btype + situ", data_of("verbagg"), ("id", "item"))
    if name == "cbpp":
        return Case("cbind(incidence, size - incidence) ~ C(period)", data_of("cbpp"), ("herd",))
    data = data_of("model_a").query("system == 'base'").sort_values("item", kind="stable", ignore_index=True)
    data = data[(np.arange(len(data)) + 1) % 11 != 3]
    if name == "few":
        few = data[data["item"].isin(sorted(data["item"].unique())[:12])]
        return Case("yes ~ persona + template", few, ("item", "template"))
    return Case("yes ~ persona + template", data, ("item", "persona:template"))
