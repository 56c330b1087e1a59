"""The golden degrees of freedom, the fits they belong to, and the same products from matrices over all rows."""

import json
import re
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bias_platform.statistics import MixedModelFit, fit_mixed_model
from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.degrees_of_freedom import small_sample_tests
from bias_platform.statistics.small_sample import SmallSampleTests
from bias_platform_tests.statistics.golden_cases import GOLDEN, data_of

CASES = (
    "pastes",
    "penicillin",
    "sleepstudy",
    "sleepstudy_slopes",
    "scores",
    "scores_wide",
    "groups",
    "groups_singular",
    "tied_slopes",
)
WITH_TERMS = CASES[2:]
WITH_MEANS = {"scores": "persona", "scores_wide": "persona", "groups": "group", "groups_singular": "group"}
FACTORS = ("persona", "template", "group", "system")


@cache
def golden_df(case: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GOLDEN / "degrees_of_freedom.json").read_text())[case]
    return found


@cache
def df_fit(case: str) -> MixedModelFit:
    own = golden_df(case)
    fixed, bar, random = own["formula"].partition(" + (1")
    for factor in FACTORS:
        fixed = re.sub(rf"\b{factor}\b", f"C({factor}, contr.sum)", fixed)
    data = pd.DataFrame(own["data"]) if "data" in own else data_of(case.split("_", maxsplit=1)[0])
    return fit_mixed_model(fixed + bar + random, data, family="gaussian")


@cache
def small_sample_of(case: str, method: str) -> SmallSampleTests:
    return small_sample_tests(df_fit(case), method)


def term_rows(fit: MixedModelFit, term: str) -> FloatArray:
    """One row a coefficient of a term, which is named by its variables."""
    wanted = tuple(sorted(term.split(":")))
    [columns] = [fit.design.fixed.terms[name] for name, own in fit.design.fixed.term_variables.items() if own == wanted]
    return np.eye(len(fit.fixed_effects))[[fit.design.fixed.columns.index(name) for name in columns]]


class Dense(NamedTuple):
    """The products of `variance_directions` in the coefficients of X, by matrices over all rows; V itself left out."""

    covariance: FloatArray
    information: FloatArray
    traces: FloatArray
    squares: FloatArray
    slopes: FloatArray
    sandwiches: FloatArray


def dense_products(fit: MixedModelFit) -> Dense:
    design = fit.design
    fixed = design.fixed.patterns[design.pattern]
    pieces = _pieces(fit)
    covariance = np.diag(1.0 / design.trials) + sum(
        gamma * piece for gamma, piece in zip(_gammas(fit), pieces, strict=True)
    )
    inverse = np.linalg.inv(covariance)
    of_fixed = np.linalg.inv(fixed.T @ inverse @ fixed)
    projected = inverse - inverse @ fixed @ of_fixed @ fixed.T @ inverse
    left = projected @ (design.successes / design.trials) / fit.residual_sd
    pulled = [inverse @ piece for piece in pieces]
    return Dense(
        covariance=of_fixed,
        information=np.array([fixed.T @ one @ inverse @ fixed for one in pulled]),
        traces=np.array([[np.trace(projected @ a @ projected @ b) for b in pieces] for a in pieces]),
        squares=np.array([[left @ a @ projected @ b @ left for b in pieces] for a in pieces]),
        slopes=np.array([np.trace(projected @ one) - left @ one @ left for one in pieces]),
        sandwiches=np.array([[fixed.T @ a @ projected @ b.T @ fixed for b in pulled] for a in pulled]),
    )


def _pieces(fit: MixedModelFit) -> list[FloatArray]:
    """G_i, (rows, rows)."""
    columns = []
    for one in fit.design.components:
        values = np.ones(len(one.code)) if one.values is None else one.values
        columns.append(np.where(one.code[:, None] == np.arange(one.size), values[:, None], 0.0))
    shape = fit.design.shape
    products = [columns[row] @ columns[column].T for row, column in zip(shape.row, shape.column, strict=True)]
    return [
        one if row == column else one + one.T
        for one, row, column in zip(products, shape.row, shape.column, strict=True)
    ]


def _gammas(fit: MixedModelFit) -> list[float]:
    shape = fit.design.shape
    found = []
    for k in range(len(fit.design.terms)):
        factor = shape.matrix(fit.theta, k)
        found += shape.entries(factor @ factor.T, k).tolist()
    return found
