"""Model A: named personas as fixed effects, items (and wordings) as the sample."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from bias_platform.analysis.answers import JUDGED, YES_COLUMN, Answers
from bias_platform.analysis.fit_records import component_rows, fit_row, impossible_fit_row
from bias_platform.analysis.scoped_means import ScopedMeans
from bias_platform.analysis.wording import WordingVariances, wording_variances
from bias_platform.schemas.results import BEYOND_WORDING, THESE_WORDINGS
from bias_platform.statistics import (
    Estimates,
    EstimateSet,
    MixedModelFit,
    ModelError,
    fit_mixed_model,
    marginal_means,
)
from bias_platform.statistics.estimates import LINK, PROBABILITY

MANY_ORDERS = 8
"""With more orders of the options than this their order is left to chance instead of being a fixed effect."""


@dataclass(frozen=True)
class NamedPersonas:
    """The fitted model of one reading of the answers."""

    reading: str
    means: dict[str, ScopedMeans]
    """By scope; a scope that could not be fitted is absent."""
    fits: list[dict[str, object]]
    components: list[dict[str, object]]
    messages: list[str]


def fit_named_personas(answers: Answers, reading: str, degenerate: set[tuple[str, str]]) -> NamedPersonas:
    """Fits model A in both scopes.

    Args:
        answers: prepared answers.
        reading: `primary` or `lenient`.
        degenerate: (system, persona_id) cells left out of the model.
    """
    data = model_rows(answers, reading, degenerate)
    result = NamedPersonas(reading, {}, [], [], [])
    formula = item_formula(data)
    name = f"A, {reading}, {THESE_WORDINGS}"
    if formula is None:
        why = "fewer than two personas are left that have both answers often enough"
        result.fits.append(impossible_fit_row(name, why, len(degenerate)))
        result.messages.append(f"Model A ({reading}) was not fitted: {why}. All differences are item-paired.")
        return result
    fit = _fitted(formula, data, name, degenerate, result, "full")
    if fit is None:
        return result
    result.components.extend(component_rows(name, fit, {}))
    base = cell_means(fit, str(data["system"].iloc[0]))
    items = data["item"].nunique()
    result.means[THESE_WORDINGS] = ScopedMeans.of_items(base, items - 1)
    if data["template"].nunique() > 1:
        _beyond_wording(fit, base, formula, data, degenerate, result)
    return result


def model_rows(answers: Answers, reading: str, degenerate: set[tuple[str, str]]) -> pd.DataFrame:
    """Judged answers with a persona, degenerate cells left out; columns as the formula names them."""
    rows = answers.with_persona
    rows = rows[(rows["state"] == JUDGED).to_numpy()]
    pairs = pd.MultiIndex.from_arrays([rows["system"].astype(str), rows["persona_id"].astype(str)])
    keep = ~pairs.isin(sorted(degenerate)) if degenerate else np.ones(len(rows), dtype=bool)
    rows = rows[keep]
    order = [answers.control, *answers.named]
    frame = pd.DataFrame(
        {
            "yes": rows[YES_COLUMN[reading]].to_numpy(),
            "item": rows["item_id"].array,
            "system": rows["system"].array,
            "persona": pd.Categorical(rows["persona_id"].astype(str), order),
            "template": rows["template_id"].array,
            "order": rows["option_order"].array,
        }
    )
    for column in ("item", "system", "persona", "template", "order"):
        frame[column] = frame[column].cat.remove_unused_categories()
    return frame


def item_formula(data: pd.DataFrame) -> str | None:
    """Model A without wording effects, reduced to what the data can tell; None where nothing can be compared."""
    systems, personas, templates = (data[name].nunique() for name in ("system", "persona", "template"))
    if personas < 2 or data["yes"].nunique() < 2:
        return None
    fixed = ["persona * system" if systems > 1 else "persona"]
    fixed += ["C(template, contr.sum)"] if templates > 1 else []
    fixed += ["C(order, contr.sum)"] if 1 < data["order"].nunique() <= MANY_ORDERS else []
    random = ["(1 | item)"]
    random += ["(1 | item:system)"] if systems > 1 else []
    random += ["(1 | item:persona)"] if len(data) > 1.5 * data["item"].nunique() * personas else []
    return f"yes ~ {' + '.join([*fixed, *random])}"


def wording_terms(data: pd.DataFrame) -> list[tuple[str, ...]]:
    """The random effects that carry a claim beyond these wordings."""
    terms: list[tuple[str, ...]] = [("persona", "template")]
    return [*terms, ("persona", "template", "system")] if data["system"].nunique() > 1 else terms


def cell_means(fit: MixedModelFit, only_system: str) -> EstimateSet:
    """Estimates of each system x persona cell, labelled by `system` and `persona`; NaN for cells without data.

    Args:
        fit: model A.
        only_system: the label where the model has no system term because the data have one system.
    """
    single = "system" not in fit.design.fixed.levels
    means = marginal_means(fit, ["persona"] if single else ["system", "persona"])
    labels = means.labels.assign(system=only_system) if single else means.labels
    labels = labels[["system", "persona"]].astype(str)
    return EstimateSet(labels, {LINK: means.on(LINK), PROBABILITY: means.on(PROBABILITY)})


def _fitted(
    formula: str,
    data: pd.DataFrame,
    name: str,
    degenerate: set[tuple[str, str]],
    result: NamedPersonas,
    standard_errors: str,
) -> MixedModelFit | None:
    try:
        fit = fit_mixed_model(formula, data, standard_errors="full" if standard_errors == "full" else "joint")
    except ModelError as problem:
        result.fits.append(impossible_fit_row(name, str(problem), len(degenerate), formula))
        result.messages.append(f"Model {name} could not be fitted: {problem}")
        return None
    result.fits.append(fit_row(name, fit, data["item"].nunique(), len(degenerate), standard_errors))
    if fit.converged:
        return fit
    result.messages.append(f"Model {name} did not converge and is not used; its differences are item-paired.")
    return None


def _beyond_wording(
    fit: MixedModelFit,
    base: EstimateSet,
    formula: str,
    data: pd.DataFrame,
    degenerate: set[tuple[str, str]],
    result: NamedPersonas,
) -> None:
    name = f"A, {result.reading}, {BEYOND_WORDING}"
    terms = wording_terms(data)
    wording = wording_variances(fit, terms)
    longer = " + ".join([formula, *(f"(1 | {':'.join(term)})" for term in terms)])
    wider = _fitted(longer, data, name, degenerate, result, "joint")
    restricted = dict(zip(wording.terms, np.sqrt(wording.variances), strict=True))
    if wider is None:
        return
    result.components.extend(component_rows(name, wider, restricted))
    means = _with_wording(base, wider, fit, wording, str(data["system"].iloc[0]))
    result.means[BEYOND_WORDING] = ScopedMeans.with_wording(
        means, data["item"].nunique() - 1, wording.variances, wording.covariance
    )


def _with_wording(
    base: EstimateSet, wider: MixedModelFit, fit: MixedModelFit, wording: WordingVariances, only_system: str
) -> EstimateSet:
    """Values of the model with wording effects; covariance of items, and apart from it that of each wording term."""
    values = cell_means(wider, only_system)
    scales: dict[str, Estimates] = {}
    for scale in (LINK, PROBABILITY):
        scales[scale] = Estimates(values.on(scale).values, base.on(scale).covariance)
    for k, unit in enumerate(wording.unit):
        columns = list(fit.covariance.columns)
        moved = cell_means(replace(fit, covariance=pd.DataFrame(unit, columns, columns)), only_system)
        for scale in (LINK, PROBABILITY):
            scales[ScopedMeans.part(scale, k)] = moved.on(scale)
    return EstimateSet(base.labels, scales)
