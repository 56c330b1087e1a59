"""Tests of fixed terms as rows of the result table, whatever the model."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from scipy.stats import f as fisher

from bias_platform.analysis.omnibus import Degrees
from bias_platform.statistics import MixedModelFit, term_tests

_UNITS = {
    "item": "items",
    "persona": "personas",
    "system": "systems",
    "template": "wordings",
    "residual": "single answers",
}


def term_rows(
    fit: MixedModelFit,
    degrees: Mapping[str, Degrees | None],
    labels: Mapping[str, str],
    likelihood_ratio: bool = True,
    restricted: bool = True,
) -> list[dict[str, object]]:
    """Rows of `TermTests`, one a term; the default is F.

    Args:
        fit: the model; sum coding, so that a term is averaged over the levels of what it interacts with.
        degrees: term, by its variables (`persona:system`) -> degrees of freedom of its F, which are reduced where what
            carries the term does not vary alike (`omnibus`); no F where the denominator is not positive. None: those of
            the unit that carries the term in the model.
        labels: model, reading, scope and systems of the rows, and the carrier of those whose degrees are given.
        likelihood_ratio: whether to refit without the term, which is what costs time.
        restricted: whether the covariance of the fit is free of the bias of plain likelihood. If not, F gives back what
            that takes off the variance of the unit that carries the term (`term_tests`), whatever its degrees.
    """
    usable = {term: one.denominator for term, one in degrees.items() if one is not None and one.denominator > 0}
    own = usable if restricted else {}
    found = term_tests(fit, list(degrees), denominator_df=own, likelihood_ratio=likelihood_ratio)
    return [
        {**labels, **_carrier(row, one), "term": " × ".join(term.split(":")), **_row(row, one)}
        for (term, one), row in zip(degrees.items(), found.to_dict("records"), strict=True)
    ]


def _carrier(row: Mapping[Hashable, Any], given: Degrees | None) -> dict[str, str]:
    """The model's own unit in words, where the degrees are its own."""
    if given is not None:
        return {}
    return {"carrier": " × ".join(_UNITS.get(name, name) for name in str(row["carrier"]).split(":"))}


def _row(row: Mapping[Hashable, Any], given: Degrees | None) -> dict[str, float]:
    degrees = given or Degrees(float(row["df"]), row["denominator_df"])
    known = degrees.denominator > 0
    return {
        "df": float(row["df"]),
        "f": row["f"] if known else np.nan,
        "f_df": degrees.numerator if known else np.nan,
        "f_denominator_df": degrees.denominator if known else np.nan,
        "f_p": float(fisher.sf(row["f"], degrees.numerator, degrees.denominator)) if known else np.nan,
        "lr": row["lr"],
        "lr_p": row["lr_p"],
        "wald": row["wald"],
        "wald_p": row["wald_p"],
    }


def present_terms(fit: MixedModelFit, terms: Mapping[str, Degrees]) -> dict[str, Degrees]:
    """Those of the terms that the model has with at least one column."""
    fixed = fit.design.fixed
    known = {frozenset(fixed.term_variables[name]) for name, columns in fixed.terms.items() if columns}
    return {term: one for term, one in terms.items() if frozenset(term.split(":")) in known}
