"""The golden files, and the formulas of R put into the spelling of this package."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from bias_platform.statistics import MixedModelFit, fit_mixed_model

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = ("cbpp", "verbagg", "model_a", "model_b", "nested", "rare")
LINEAR_CASES = ("sleepstudy", "sleepstudy_ml", "penicillin", "pastes", "scores", "scores_wide", "scores_wide_ml")
SCORES = (
    "margin ~ C(persona, contr.sum) + C(template, contr.sum) + C(persona, contr.sum):C(template, contr.sum)"
    " + (1 | item) + (1 | item:persona) + (1 | item:template)"
)
SCORES_WIDE = (
    "margin ~ C(persona, contr.sum) + C(template, contr.sum)"
    " + (1 | item) + (1 | item:persona) + (1 | item:template) + (1 | persona:template)"
)


@cache
def golden(case: str) -> dict[str, Any]:
    return json.loads((GOLDEN / "mixed_models.json").read_text())[case]


@cache
def data_of(case: str) -> pd.DataFrame:
    return pd.read_csv(GOLDEN / (f"{case}.csv" if case == "cbpp" else f"{case}.csv.gz"))


def formula_of(case: str) -> str:
    text = golden(case)["formula"]
    return text.replace("~ period", "~ C(period)").replace("+ template +", "+ C(template, contr.sum) +")


@cache
def linear_fit_of(case: str) -> MixedModelFit:
    formulas = {"scores": SCORES, "scores_wide": SCORES_WIDE, "scores_wide_ml": SCORES_WIDE}
    data, formula = data_of(case.split("_", maxsplit=1)[0]), formulas.get(case, golden(case)["formula"])
    return fit_mixed_model(formula, data, family="gaussian", method=golden(case)["method"])


@cache
def fit_of(case: str) -> MixedModelFit:
    return fit_mixed_model(formula_of(case), data_of(case))
