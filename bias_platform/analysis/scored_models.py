"""Gaussian mixed models of margins: variance components and tests of terms, a model a system and a declared change.

A model a system, because systems differ in the spread of their margins by an order of magnitude (a tuned model reacts
to personas several times as much as its base): one variance for all would be wrong for each. A change between two
systems is the same model of the difference of margins, question by question; its persona term is the persona x system
interaction, and what both systems make of an item or of a wording cancels.

The claim about these wordings has them fixed, persona x wording included; the claim beyond wording has persona x
wording as a sample. Item x wording is random in both: without it a wording's own test would take every persona of an
item for a witness of its own.
"""

from collections.abc import Iterator, Sequence

import pandas as pd

from bias_platform.analysis.answers import Answers
from bias_platform.analysis.fit_records import Records, component_rows, fit_row, impossible_fit_row
from bias_platform.analysis.model_rows import model_rows, nuisance_terms, without_unused
from bias_platform.analysis.omnibus import Degrees, carried_degrees
from bias_platform.analysis.readings import READING
from bias_platform.analysis.standing_out import standing_rows
from bias_platform.analysis.term_rows import present_terms, term_rows
from bias_platform.catalog.entries import ChangeContrast
from bias_platform.schemas.results import BEYOND_WORDING, MARGINS, SCORED, THESE_WORDINGS, UNITS
from bias_platform.statistics import MixedModelFit, ModelError, fit_mixed_model

_KEYS = ["item", "persona", "template", "order"]


def fit_scores(answers: Answers, changes: Sequence[ChangeContrast]) -> Records:
    """Fits both scopes for every system and every declared change."""
    rows = model_rows(answers, SCORED, set())
    result = Records()
    for subject, data in _subjects(rows, answers.systems, changes):
        why = _impossible(data)
        if why:
            result.fits.append(impossible_fit_row(f"{MARGINS}, {subject}", why, 0))
            result.messages.append(f"The scores of {subject} have no model: {why}.")
            continue
        _fit_subject(subject, data, answers.systems, result)
    return result


def _subjects(
    rows: pd.DataFrame, systems: Sequence[str], changes: Sequence[ChangeContrast]
) -> Iterator[tuple[str, pd.DataFrame]]:
    """What is modelled, by name: the margins of each system, the differences of margins of each change."""
    own = {system: rows[(rows["system"] == system).to_numpy()] for system in systems}
    for system, data in own.items():
        yield system, without_unused(data)
    for change in changes:
        before, after = own[change.from_].drop(columns="system"), own[change.to]
        both = after.merge(before, on=_KEYS, suffixes=("", "_before"))
        yield (
            f"{change.from_} → {change.to}",
            without_unused(both.assign(margin=both["margin"] - both["margin_before"])),
        )


def _impossible(data: pd.DataFrame) -> str:
    """Why there is nothing to model; empty where there is."""
    if data["persona"].nunique() < 2 or data["item"].nunique() < 2:
        return "fewer than two personas or items have scores"
    asked = data.groupby(["item", "template", "order"], observed=True)["margin"]
    if float((asked.max() - asked.min()).max()) < READING[SCORED].rounding:
        return "every item has the same margin for all personas"
    return ""


def _fit_subject(subject: str, data: pd.DataFrame, systems: Sequence[str], result: Records) -> None:
    several = data["template"].nunique() > 1
    fixed = ["C(persona, contr.sum)", *nuisance_terms(data)]
    random = _random_terms(data)
    narrow = [*fixed, "C(persona, contr.sum):C(template, contr.sum)"] if several else fixed
    scopes = {THESE_WORDINGS: [*narrow, *random]}
    if several:
        scopes[BEYOND_WORDING] = [*fixed, *random, "(1 | persona:template)"]
    for scope, terms in scopes.items():
        name = f"{MARGINS}, {subject}, {scope}"
        formula = f"margin ~ {' + '.join(terms)}"
        fit = _fitted(formula, data, name, result)
        if fit is None:
            continue
        if scope == list(scopes)[-1]:
            result.components.extend(component_rows(name, fit, {}))
            if subject in systems:
                for unit in UNITS:
                    result.standing.extend(standing_rows(fit, unit, {"model": name, "systems": subject}))
        carrier = "items" if scope == THESE_WORDINGS else "items + wordings"
        labels = {"model": MARGINS, "reading": SCORED, "scope": scope, "systems": subject, "carrier": carrier}
        result.tests.extend(term_rows(fit, present_terms(fit, _degrees(data, scope)), labels))


def _random_terms(data: pd.DataFrame) -> list[str]:
    """Combinations of items with what is asked more than once of them."""
    items = data["item"].nunique()
    terms = ["(1 | item)"]
    terms += ["(1 | item:persona)"] if len(data) > 1.5 * items * data["persona"].nunique() else []
    return [*terms, "(1 | item:template)"] if data["template"].nunique() > 1 else terms


def _degrees(data: pd.DataFrame, scope: str) -> dict[str, Degrees]:
    factors = ["persona", "template"] if data["template"].nunique() > 1 else ["persona"]
    terms = ["persona", "template", "persona:template"] if scope == THESE_WORDINGS else ["persona"]
    sampled = scope == BEYOND_WORDING
    return {
        term: carried_degrees(data, "margin", factors, term.split(":"), sampled)
        for term in terms
        if set(term.split(":")) <= set(factors)
    }


def _fitted(formula: str, data: pd.DataFrame, name: str, result: Records) -> MixedModelFit | None:
    try:
        fit = fit_mixed_model(formula, data, family="gaussian")
    except ModelError as problem:
        result.fits.append(impossible_fit_row(name, str(problem), 0, formula))
        result.messages.append(f"The model {name} could not be fitted: {problem}")
        return None
    refused = "" if fit.converged else "it did not converge"
    result.fits.append(fit_row(name, fit, data["item"].nunique(), 0, refused=refused))
    if refused:
        result.messages.append(f"The model {name} is not used: {refused}.")
    return None if refused else fit
