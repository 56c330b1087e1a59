"""The marginal models that stand beside a report: GLM with naive or clustered errors, and GEE, one a system."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from bias_platform.analysis.answers import Answers
from bias_platform.analysis.model_rows import model_rows, nuisance_terms, without_unused
from bias_platform.errors import counted
from bias_platform.schemas.results import BEYOND_WORDING, PRIMARY, THESE_WORDINGS
from bias_platform.schemas.results_of_alternatives import (
    GEE_BY_ITEM,
    GLM_BY_ITEM,
    GLM_BY_WORDING,
    GLM_TWO_WAY,
    NAIVE_GLM,
)
from bias_platform.statistics import EstimateSet, ModelError, versus_reference
from bias_platform.statistics.estimates import LINK, PROBABILITY
from bias_platform.statistics.marginal_data import MarginalData, collapse_answers
from bias_platform.statistics.marginal_models import MarginalModelFit, gee_of, glm_of
from bias_platform.statistics.marginal_probabilities import average_probabilities_of

_WORDING = "persona:template"


class Method(NamedTuple):
    """Another method, and the claims of the report that it is held against."""

    fit: Callable[[MarginalData], MarginalModelFit]
    scope: str


METHODS = {
    NAIVE_GLM: Method(lambda data: glm_of(data.clustered_by()), THESE_WORDINGS),
    GLM_BY_ITEM: Method(lambda data: glm_of(data.clustered_by("item")), THESE_WORDINGS),
    GEE_BY_ITEM: Method(lambda data: gee_of(data.clustered_by("item")), THESE_WORDINGS),
    GLM_BY_WORDING: Method(lambda data: glm_of(data.clustered_by(_WORDING)), BEYOND_WORDING),
    GLM_TWO_WAY: Method(lambda data: glm_of(data.clustered_by("item", _WORDING)), BEYOND_WORDING),
}


def fit_alternatives(answers: Answers, confidence: float) -> tuple[pd.DataFrame, dict[tuple[str, str], str]]:
    """Contrasts of all methods and systems, and notes by (method, system)."""
    rows = model_rows(answers, PRIMARY, set())
    parts: list[pd.DataFrame] = []
    notes: dict[tuple[str, str], str] = {}
    for system in answers.systems:
        own = without_unused(rows[(rows["system"] == system).to_numpy()].copy())
        own, left_out = _told_apart(own, answers.control)
        fits, failed = _fits(own, answers.control)
        notes |= {(name, system): _note(fits.get(name), failed.get(name, ""), left_out) for name in METHODS}
        means = average_probabilities_of(list(fits.values()), "persona") if fits else []
        for (name, fit), one in zip(fits.items(), means, strict=True):
            table = _contrasts(fit, versus_reference(one, "persona", answers.control), confidence)
            parts.append(table.assign(method=name, scope=METHODS[name].scope, system=system))
    return (pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()), notes


def _note(fit: MarginalModelFit | None, failed: str, left_out: str) -> str:
    """Why there is no fit, or what its reader must know."""
    if fit is None:
        return f"Not fitted: {failed}"
    return " ".join(filter(None, [left_out, *fit.messages])).replace(_WORDING, "persona × wording")


def _fits(rows: pd.DataFrame, control: str) -> tuple[dict[str, MarginalModelFit], dict[str, str]]:
    """The methods that can be fitted to the answers of a system, and why the others cannot."""
    fits: dict[str, MarginalModelFit] = {}
    failed: dict[str, str] = {}
    try:
        data = _collapsed(rows, control)
    except ModelError as problem:
        return fits, dict.fromkeys(METHODS, str(problem))
    for name, method in METHODS.items():
        if method.scope == BEYOND_WORDING and rows["template"].nunique() < 2:
            failed[name] = "there is one wording only."
            continue
        try:
            fits[name] = method.fit(data)
        except ModelError as problem:
            failed[name] = str(problem)
    return fits, failed


def _collapsed(rows: pd.DataFrame, control: str) -> MarginalData:
    """Answers counted, with the clusters of all methods.

    Raises:
        ModelError: there is nothing to compare.
    """
    if control not in set(rows["persona"]):
        raise ModelError("the answers to the generic person are all alike.")
    if rows["persona"].nunique() < 2:
        raise ModelError("only the generic person has both answers.")
    formula = " + ".join(["yes ~ persona", *nuisance_terms(rows)])
    return collapse_answers(formula, rows, ["item", _WORDING])


def _told_apart(rows: pd.DataFrame, control: str) -> tuple[pd.DataFrame, str]:
    """Rows of personas that these methods can compare, and what was left out, in words.

    Personas without both answers have no finite log-odds; those that answer every item just as the control does leave
    nothing that could vary over items.
    """
    yes = rows.groupby("persona", observed=True)["yes"].agg(["min", "max"])
    alike = set(yes.index[yes["min"] == yes["max"]])
    shares = rows.groupby(["item", "persona"], observed=True)["yes"].mean().unstack("persona")
    same = {p for p in set(shares) - {control} - alike if control in shares and _equal(shares[p], shares[control])}
    notes = [
        f"{counted(len(lost), 'persona')} left out, {why}."
        for lost, why in (
            (alike, "whose answers are all alike"),
            (same, "who answer every item just as the generic person does"),
        )
        if lost
    ]
    if not notes:
        return rows, ""
    return without_unused(rows[~rows["persona"].isin(alike | same).to_numpy()].copy()), " ".join(notes)


def _equal(one: pd.Series, other: pd.Series) -> bool:
    both = one.notna() & other.notna()
    return bool(both.any() and np.allclose(one[both], other[both]))


def _contrasts(fit: MarginalModelFit, gaps: EstimateSet, confidence: float) -> pd.DataFrame:
    """Each persona minus the control by one method."""
    df = fit.degrees_of_freedom
    table = gaps.frame(PROBABILITY, level=confidence, degrees_of_freedom=df)
    link = gaps.frame(LINK)
    return pd.DataFrame(
        {
            "persona_id": table["level"].astype(str),
            "difference": table["estimate"],
            "standard_error": table["standard_error"],
            "lower": table["lower"],
            "upper": table["upper"],
            "df": df if np.isfinite(df) else np.nan,
            "p_value": table["p"],
            "log_odds": link["estimate"],
            "log_odds_standard_error": link["standard_error"],
        }
    )
