"""Model A: named personas as fixed effects, items (and wordings) as the sample.

It carries the log-odds, the variance components and the wording variance. Differences of probabilities do not need
it: they are item-paired.
"""

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
from bias_platform.statistics.estimates import LINK

MANY_ORDERS = 8
"""With more orders of the options than this their order is left to chance instead of being a fixed effect."""
MINIMUM_ITEMS = 20
"""With fewer items answered both ways by a system, its answers hold next to nothing about log-odds."""
LARGEST_SD = 5.0
"""A larger deviation of an item effect means that items separate the answers: log-odds run away with it."""
NO_LOG_ODDS = "Nothing is claimed on the log-odds scale; differences of probabilities are item-paired as always."


@dataclass(frozen=True)
class NamedPersonas:
    """The fitted model of one reading of the answers."""

    reading: str
    means: dict[str, ScopedMeans]
    """By scope; a scope that could not be fitted is absent."""
    fits: list[dict[str, object]]
    components: list[dict[str, object]]
    messages: list[str]


def fit_named_personas(
    answers: Answers, reading: str, degenerate: set[tuple[str, str]], minimum_items: int = MINIMUM_ITEMS
) -> NamedPersonas:
    """Fits model A in both scopes; a fit that items separate is refused.

    Args:
        answers: prepared answers.
        reading: `primary` or `lenient`.
        degenerate: (system, persona_id) cells left out of the model.
        minimum_items: a cell needs as many items that its system answers both ways.
    """
    data, thin = informative_rows(model_rows(answers, reading, degenerate), minimum_items)
    result = NamedPersonas(reading, {}, [], [], [])
    if thin:
        result.messages.append(_thin_message(reading, thin, minimum_items))
    formula = item_formula(data)
    name = f"A, {reading}, {THESE_WORDINGS}"
    left_out = degenerate | thin
    if formula is None:
        why = "fewer than two personas are left that have both answers often enough"
        result.fits.append(impossible_fit_row(name, why, len(left_out)))
        result.messages.append(f"Model A ({reading}) was not fitted: {why}. {NO_LOG_ODDS}")
        return result
    fit = _fitted(formula, data, name, left_out, result, "full")
    if fit is None:
        return result
    result.components.extend(component_rows(name, fit, {}))
    base = cell_means(fit, str(data["system"].iloc[0]))
    items = data["item"].nunique()
    result.means[THESE_WORDINGS] = ScopedMeans.of_items(base, items - 1)
    if data["template"].nunique() > 1:
        _beyond_wording(fit, base, formula, data, left_out, result)
    return result


def informative_rows(data: pd.DataFrame, minimum_items: int) -> tuple[pd.DataFrame, set[tuple[str, str]]]:
    """Rows of cells with enough items that their system answers both ways, and the (system, persona) left out."""
    both = data.groupby(["system", "item"], observed=True)["yes"].transform("nunique") > 1
    cells = data.assign(told=data["item"].where(both)).groupby(["system", "persona"], observed=True)["told"].nunique()
    thin = {(str(system), str(persona)) for system, persona in cells.index[cells < minimum_items]}
    if not thin:
        return data, thin
    pairs = pd.MultiIndex.from_arrays([data["system"].astype(str), data["persona"].astype(str)])
    return _without_unused(data[~pairs.isin(sorted(thin))].copy()), thin


def _thin_message(reading: str, thin: set[tuple[str, str]], minimum_items: int) -> str:
    systems = ", ".join(sorted({system for system, _ in thin}))
    return (
        f"{len(thin)} persona cells of {systems} were left out of model A ({reading}): fewer than {minimum_items} of "
        f"their items have both answers in that system. {NO_LOG_ODDS}"
    )


def _without_unused(frame: pd.DataFrame) -> pd.DataFrame:
    for column in ("item", "system", "persona", "template", "order"):
        frame[column] = frame[column].cat.remove_unused_categories()
    return frame


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
    return _without_unused(frame)


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
    cells = data["item"].nunique() * personas
    random += ["(1 | item:persona)"] if len(data) > 1.5 * cells else []
    random += ["(1 | item:persona:system)"] if systems > 1 and len(data) > 1.5 * cells * systems else []
    return f"yes ~ {' + '.join([*fixed, *random])}"


def wording_terms(data: pd.DataFrame) -> list[tuple[str, ...]]:
    """The random effects that carry a claim beyond these wordings."""
    terms: list[tuple[str, ...]] = [("persona", "template")]
    return [*terms, ("persona", "template", "system")] if data["system"].nunique() > 1 else terms


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
        result.messages.append(f"Model {name} could not be fitted: {problem} {NO_LOG_ODDS}")
        return None
    why = refusal(fit)
    result.fits.append(fit_row(name, fit, data["item"].nunique(), len(degenerate), standard_errors, why))
    if not why:
        return fit
    result.messages.append(f"Model {name} is not used: {why}. {NO_LOG_ODDS}")
    return None


def refusal(fit: MixedModelFit) -> str:
    """Why a fit must not be used; empty where it may be."""
    if not fit.converged:
        return "it did not converge"
    if fit.diagnostics.separated:
        return f"no finite estimate exists for {len(fit.diagnostics.separated)} of its coefficients"
    components = fit.variance_components
    wide = components[components["term"].str.startswith("item") & (components["sd"] > LARGEST_SD)]
    if len(wide):
        row = wide.iloc[0]
        return (
            f"the deviation of {row['term']} is {row['sd']:.1f} on the logit scale (at most {LARGEST_SD:g} is usable): "
            "most items are answered the one way or the other, whoever is asked"
        )
    return ""


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
    scales = {LINK: Estimates(values.on(LINK).values, base.on(LINK).covariance)}
    columns = list(fit.covariance.columns)
    for k, unit in enumerate(wording.unit):
        moved = cell_means(replace(fit, covariance=pd.DataFrame(unit, columns, columns)), only_system)
        scales[ScopedMeans.part(LINK, k)] = moved.on(LINK)
    return EstimateSet(base.labels, scales)
