"""What the report says of each fitted model: one row a fit, one a random term, one a tested term."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from bias_platform.analysis.model_rows import NUISANCES
from bias_platform.errors import counted
from bias_platform.statistics import MixedModelFit


@dataclass(frozen=True)
class Records:
    """Result rows of one or several models, collected while they are fitted."""

    fits: list[dict[str, object]] = field(default_factory=list)
    """Of `ModelFits`."""
    components: list[dict[str, object]] = field(default_factory=list)
    """Of `VarianceComponents`."""
    tests: list[dict[str, object]] = field(default_factory=list)
    """Of `TermTests`."""
    standing: list[dict[str, object]] = field(default_factory=list)
    """Of `StandingOut`."""
    messages: list[str] = field(default_factory=list)
    """What a reader must know."""


def fit_row(model: str, fit: MixedModelFit, items: int, excluded: int, refused: str = "") -> dict[str, object]:
    """A row of `ModelFits`; `refused` says why it is not used."""
    return {
        "model": model,
        "formula": fit.formula,
        "rows": fit.n_observations,
        "items": items,
        "parameters": fit.df_model,
        "log_likelihood": fit.loglik,
        "converged": fit.converged,
        "gradient_norm": fit.diagnostics.gradient_norm,
        "evaluations": fit.diagnostics.evaluations,
        "standard_errors": fit.standard_errors,
        "excluded_cells": excluded,
        "notes": " ".join([*([f"Not used: {refused}."] if refused else []), *_notes(fit, excluded)]),
    }


def _notes(fit: MixedModelFit, excluded: int) -> list[str]:
    """What a reader must know; cells left out on purpose are counted, not listed.

    Terms without a random effect of their own come first: their tests are the report's.
    """
    found = fit.diagnostics
    notes = _missing(found.missing_random_effects)
    notes += [f"Variance estimated as zero: {', '.join(found.singular_terms)}."] if found.singular_terms else []
    if found.unidentified_terms:
        notes.append(f"Variance that cannot be told from other terms: {', '.join(found.unidentified_terms)}.")
    notes += [f"No finite estimate for {', '.join(found.separated)}."] if found.separated else []
    notes += [f"Fewer than 6 levels: {', '.join(found.few_levels)}."] if found.few_levels else []
    if len(found.dropped_columns) > excluded:
        dropped = counted(len(found.dropped_columns), "column")
        notes.append(f"Not told from others and left out: {dropped}.")
    if found.runaway_terms:
        notes.append(f"The search was ended: the deviation of {', '.join(found.runaway_terms)} grows without end.")
    elif not found.converged:
        notes.append("The optimiser did not converge.")
    return notes if found.runaway_terms else [*notes, *found.fallbacks]


def _missing(found: pd.DataFrame) -> list[str]:
    """Random effects that the tests of persona, group and system lack; nuisances are tested as they are."""
    return [
        str(row["sentence"])
        for row in found.to_dict("records")
        if {name for term in str(row["terms"]).split(", ") for name in term.split(":")} - set(NUISANCES)
    ]


def impossible_fit_row(model: str, why: str, excluded: int, formula: str = "") -> dict[str, object]:
    """A row of `ModelFits` for a model that could not be fitted."""
    return {
        "model": model,
        "formula": formula,
        "rows": 0,
        "items": 0,
        "parameters": 0,
        "log_likelihood": np.nan,
        "converged": False,
        "gradient_norm": np.nan,
        "evaluations": 0,
        "standard_errors": "none",
        "excluded_cells": excluded,
        "notes": why,
    }


def component_rows(model: str, fit: MixedModelFit, restricted: dict[str, float]) -> list[dict[str, object]]:
    """Rows of `VarianceComponents`.

    Args:
        model: its name.
        fit: by maximum or by restricted likelihood.
        restricted: restricted deviations of some terms of a model that was fitted by maximum likelihood.
    """
    reml = fit.method == "REML"
    return [
        {
            "model": model,
            "term": row["term"],
            "levels": int(row["levels"]),
            "sd": np.nan if reml else float(row["sd"]),
            "standard_error": float(row["sd_standard_error"]),
            "restricted_sd": float(row["sd"] if reml else restricted.get(row["term"], np.nan)),
            "at_zero": bool(row["singular"]),
        }
        for row in fit.variance_components.to_dict("records")
    ]
