"""Model A: named personas as fixed effects, items (and wordings) as the sample.

It carries the log-odds, the variance components and the tests of terms of the answers. Differences of probabilities do
not need it: they are item-paired.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from bias_platform.analysis.answers import Answers
from bias_platform.analysis.fit_records import Records, component_rows, fit_row, impossible_fit_row
from bias_platform.analysis.model_rows import (
    informative_rows,
    item_formula,
    model_rows,
    wording_terms,
)
from bias_platform.analysis.omnibus import Degrees, carried_degrees
from bias_platform.analysis.scoped_means import ScopedMeans
from bias_platform.analysis.standing_out import standing_rows
from bias_platform.analysis.term_rows import present_terms, term_rows
from bias_platform.analysis.wording import WordingVariances, wording_variances
from bias_platform.errors import counted
from bias_platform.schemas.results import (
    BEYOND_WORDING,
    NAMED_PERSONAS,
    PRIMARY,
    THESE_WORDINGS,
    UNIT_ITEM,
    UNIT_WORDING,
)
from bias_platform.statistics import (
    Estimates,
    EstimateSet,
    MixedModelFit,
    ModelError,
    fit_mixed_model,
    marginal_means,
)
from bias_platform.statistics.estimates import LINK

MINIMUM_ITEMS = 20
"""With fewer items answered both ways by a system, its answers hold next to nothing about log-odds."""
LARGEST_SD = 5.0
"""A larger deviation of an item effect means that items separate the answers: log-odds run away with it."""


@dataclass(frozen=True)
class NamedPersonas:
    """The fitted model of one reading of the answers."""

    reading: str
    means: dict[str, ScopedMeans] = field(default_factory=dict)
    """By scope; a scope that could not be fitted is absent."""
    records: Records = field(default_factory=Records)
    """Tests of the primary reading only; messages only of a model that is used."""
    refused: dict[str, str] = field(default_factory=dict)
    """Scope -> why there is no model that may be used."""


@dataclass(frozen=True)
class _Data:
    """What is fitted, and how it is named."""

    rows: pd.DataFrame
    reading: str
    left_out: int
    """Cells."""
    likelihood_ratio: bool
    """Whether terms are tested by refitting too."""

    @property
    def items(self) -> int:
        return int(self.rows["item"].nunique())

    @property
    def only_system(self) -> str:
        return str(self.rows["system"].iloc[0])

    def name(self, scope: str) -> str:
        return f"{NAMED_PERSONAS}, {self.reading}, {scope}"


def fit_named_personas(
    answers: Answers,
    reading: str,
    degenerate: set[tuple[str, str]],
    minimum_items: int = MINIMUM_ITEMS,
    likelihood_ratio: bool = True,
) -> NamedPersonas:
    """Fits model A in both scopes; a fit that items separate is refused.

    Args:
        answers: prepared answers.
        reading: `primary` or `lenient`.
        degenerate: (system, persona_id) cells left out of the model.
        minimum_items: a cell needs as many items that its system answers both ways.
        likelihood_ratio: whether terms are tested by refitting too, which takes as long as the fits themselves.
    """
    rows, thin = informative_rows(model_rows(answers, reading, degenerate), minimum_items)
    data = _Data(rows, reading, len(degenerate | thin), likelihood_ratio)
    result = NamedPersonas(reading)
    formula = item_formula(rows)
    if formula is None:
        why = _too_few(thin, minimum_items)
        result.records.fits.append(impossible_fit_row(data.name(THESE_WORDINGS), why, data.left_out))
        result.refused[THESE_WORDINGS] = why
        return result
    fit = _fitted(formula, data, THESE_WORDINGS, result, "full")
    if fit is None:
        return result
    if thin:
        result.records.messages.append(_thin_message(reading, thin, minimum_items))
    result.records.components.extend(component_rows(data.name(THESE_WORDINGS), fit, {}))
    _add_standing(fit, data, THESE_WORDINGS, result)
    base = cell_means(fit, data.only_system)
    result.means[THESE_WORDINGS] = ScopedMeans.of_items(base, data.items - 1)
    _add_tests(fit, data, THESE_WORDINGS, result)
    if rows["template"].nunique() > 1:
        _beyond_wording(fit, base, formula, data, result)
    return result


def refusals(models: Sequence[NamedPersonas]) -> list[str]:
    """What a reader must know of models that may not be used, each reason once."""
    said: dict[tuple[str, str], None] = {}
    for scope in (THESE_WORDINGS, BEYOND_WORDING):
        for model in models:
            if scope in model.refused:
                said.setdefault((scope, model.refused[scope]))
    return [
        (
            f"No log-odds are claimed for answers: model A is not used, because {why}."
            if scope == THESE_WORDINGS
            else f"No log-odds are claimed beyond the wordings used: that model A is not used, because {why}."
        )
        + " Differences of probabilities do not need it."
        for scope, why in said
    ]


def _too_few(thin: set[tuple[str, str]], minimum_items: int) -> str:
    """Why nothing can be compared."""
    items = (
        f"; in {counted(len(thin), 'cell')} of system and persona fewer than {counted(minimum_items, 'item')} are "
        "answered both ways by the system"
    )
    return f"fewer than two personas are left that have both answers often enough{items if thin else ''}"


def _thin_message(reading: str, thin: set[tuple[str, str]], minimum_items: int) -> str:
    systems = ", ".join(sorted({system for system, _ in thin}))
    return (
        f"{counted(len(thin), 'persona cell')} of {systems} without log-odds ({reading} reading): fewer than "
        f"{counted(minimum_items, 'item')} with both answers in that system."
    )


def cell_means(fit: MixedModelFit, only_system: str) -> EstimateSet:
    """Log-odds of each system x persona cell, labelled by `system` and `persona`; NaN for cells without data.

    Args:
        fit: model A.
        only_system: the label where the model has no system term because the data have one system.
    """
    single = "system" not in fit.design.fixed.levels
    means = marginal_means(fit, ["persona"] if single else ["system", "persona"])
    labels = means.labels.assign(system=only_system) if single else means.labels
    labels = labels[["system", "persona"]].astype(str)
    return EstimateSet(labels, {LINK: means.on(LINK)})


def _fitted(formula: str, data: _Data, scope: str, result: NamedPersonas, standard_errors: str) -> MixedModelFit | None:
    try:
        fit = fit_mixed_model(formula, data.rows, standard_errors="full" if standard_errors == "full" else "joint")
    except ModelError as problem:
        result.records.fits.append(impossible_fit_row(data.name(scope), str(problem), data.left_out, formula))
        result.refused[scope] = str(problem).rstrip(".")
        return None
    why = refusal(fit)
    result.records.fits.append(fit_row(data.name(scope), fit, data.items, data.left_out, why))
    if why:
        result.refused[scope] = why
    return None if why else fit


def refusal(fit: MixedModelFit) -> str:
    """Why a fit must not be used; empty where it may be."""
    found, components = fit.diagnostics, fit.variance_components
    wide = components[components["term"].str.startswith("item") & (components["sd"] > LARGEST_SD)]
    if len(wide):
        row = wide.iloc[0]
        more = " or more" if row["term"] in found.runaway_terms else ""
        return (
            f"the deviation of {row['term']} is {row['sd']:.1f}{more} on the logit scale (at most {LARGEST_SD:g} is "
            "usable): most items are answered the one way or the other, whoever is asked"
        )
    if not fit.converged:
        return "it did not converge"
    if found.separated:
        return f"no finite estimate exists for {len(found.separated)} of its coefficients"
    return ""


def _add_tests(fit: MixedModelFit, data: _Data, scope: str, result: NamedPersonas) -> None:
    """Tests of persona, persona x system and, as a claim about these wordings, of the wording."""
    if result.reading != PRIMARY:
        return
    factors = [name for name in ("system", "persona", "template") if data.rows[name].nunique() > 1]
    terms = ["persona", "persona:system"] + (["template"] if scope == THESE_WORDINGS else [])
    degrees = {
        term: _degrees(data.rows, factors, term.split(":"), scope)
        for term in terms
        if set(term.split(":")) <= set(factors)
    }
    systems = "all systems" if "system" in factors else data.only_system
    labels = {"model": NAMED_PERSONAS, "reading": result.reading, "scope": scope, "systems": systems}
    labels["carrier"] = "items" if scope == THESE_WORDINGS else "wordings"
    found = present_terms(fit, degrees)
    restricted = scope == BEYOND_WORDING
    result.records.tests.extend(term_rows(fit, found, labels, data.likelihood_ratio, restricted))


def _add_standing(fit: MixedModelFit, data: _Data, scope: str, result: NamedPersonas) -> None:
    """Items of the model of these wordings, personas in a wording of the other."""
    if result.reading != PRIMARY:
        return
    unit = UNIT_ITEM if scope == THESE_WORDINGS else UNIT_WORDING
    systems = "all systems" if data.rows["system"].nunique() > 1 else data.only_system
    result.records.standing.extend(standing_rows(fit, unit, {"model": data.name(scope), "systems": systems}))


def _degrees(rows: pd.DataFrame, factors: list[str], tested: list[str], scope: str) -> Degrees:
    """Beyond wording, only the wordings' degrees: restricted variances on the logit scale are known no better."""
    found = carried_degrees(rows, "yes", factors, tested, scope == BEYOND_WORDING)
    if scope == THESE_WORDINGS:
        return found
    contrasts = np.prod([rows[name].nunique() - 1.0 for name in tested])
    return Degrees(found.numerator, float(contrasts) * (rows["template"].nunique() - 1.0))


def _beyond_wording(fit: MixedModelFit, base: EstimateSet, formula: str, data: _Data, result: NamedPersonas) -> None:
    terms = wording_terms(data.rows)
    wording = wording_variances(fit, terms)
    longer = " + ".join([formula, *(f"(1 | {':'.join(term)})" for term in terms)])
    wider = _fitted(longer, data, BEYOND_WORDING, result, "joint")
    if wider is None:
        return
    restricted = dict(zip(wording.terms, np.sqrt(wording.variances), strict=True))
    result.records.components.extend(component_rows(data.name(BEYOND_WORDING), wider, restricted))
    _add_standing(wider, data, BEYOND_WORDING, result)
    means = _with_wording(base, wider, fit, wording, data.only_system)
    result.means[BEYOND_WORDING] = ScopedMeans.with_wording(
        means, data.items - 1, wording.variances, wording.covariance
    )
    _add_tests(_restricted(wider, fit, wording), data, BEYOND_WORDING, result)


def _restricted(wider: MixedModelFit, fit: MixedModelFit, wording: WordingVariances) -> MixedModelFit:
    """The model with wording effects, its covariance that of items plus restricted wording variances.

    F and Wald rest on it; the likelihood ratio, which needs maximum likelihood, does not. Of 90 simulated studies with
    strong wordings and no difference between 28 personas, F rejected in 4, and in 29 with the model's own variances.
    """
    added = sum(v * unit for v, unit in zip(wording.variances, wording.unit, strict=True))
    return replace(wider, covariance=fit.covariance + added)


def _with_wording(
    base: EstimateSet, wider: MixedModelFit, fit: MixedModelFit, wording: WordingVariances, only_system: str
) -> EstimateSet:
    """Values of the model with wording effects; covariance of items, and apart from it that of each wording term."""
    values = cell_means(wider, only_system)
    scales = {LINK: Estimates(values.on(LINK).values, base.on(LINK).covariance)}
    columns = list(fit.covariance.columns)
    for k, unit in enumerate(wording.unit):
        moved = cell_means(replace(fit, covariance=pd.DataFrame(unit, columns, columns)), only_system)
        scales[ScopedMeans.part(LINK, k)] = moved.on(LINK)
    return EstimateSet(base.labels, scales)
