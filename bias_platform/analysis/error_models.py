"""Model B of errors: groups of personas by target group, personas and items being samples."""

from collections.abc import Mapping

import pandas as pd

from bias_platform.analysis.answers import Answers
from bias_platform.analysis.error_surface import ErrorSurface, persona_groups
from bias_platform.analysis.fit_records import Records, component_rows, fit_row, impossible_fit_row
from bias_platform.analysis.model_rows import model_rows, nuisance_terms, without_unused
from bias_platform.analysis.named_personas import refusal
from bias_platform.analysis.term_rows import term_rows
from bias_platform.catalog.entries import AnalysisSettings
from bias_platform.errors import counted
from bias_platform.schemas.results import ERROR_MODELS, PRIMARY, THESE_WORDINGS
from bias_platform.schemas.results_of_people import ERROR_KINDS, ERRORS_IN_WORDS, FALSE_ALARM
from bias_platform.statistics import MixedModelFit, ModelError, fit_mixed_model

_GROUP, _TARGET, _SYSTEM = "C(group, contr.sum)", "C(target, contr.sum)", "C(system, contr.sum)"
_TESTED = ("group", "group:target")


def fit_errors(answers: Answers, surface: ErrorSurface, settings: AnalysisSettings) -> Records:
    """Fits one model a kind of error; empty where the study names no attribute of personas or there is no surface.

    `error ~ group * target + system + template + (1|item) + (1|item:group) + (1|persona) + (1|persona:target)`, with
    what systems add to each, and `(1|item:persona)` where an item was asked in several wordings. The interaction is
    carried by personas x targets, with (personas - groups)(targets - 1) denominator degrees of freedom: without
    `(1|persona:target)` every persona with a liking of its own would pass for its group's.
    """
    records = Records()
    if settings.groups is None or surface.rates.empty:
        return records
    group = {one: value for value, members in persona_groups(answers, settings.groups).items() for one in members}
    for kind in ERROR_KINDS:
        _add(records, kind, _rows(answers, surface.targets[kind], kind, group), settings)
    return records


def _rows(answers: Answers, targets: "pd.Series[str]", kind: str, group: Mapping[str, str]) -> pd.DataFrame:
    data = model_rows(answers, PRIMARY, set())
    data = data[data["item"].isin(targets.index) & data["persona"].isin(list(group))]
    wrong = data["yes"] if kind == FALSE_ALARM else 1 - data["yes"]
    named = data.assign(error=wrong, group=data["persona"].astype(str).map(dict(group)))
    return named.assign(target=named["item"].astype(str).map(targets))


def _add(records: Records, kind: str, data: pd.DataFrame, settings: AnalysisSettings) -> None:
    model, errors = ERROR_MODELS[kind], ERRORS_IN_WORDS[kind]
    data, dropped = _enough(data, settings.minimum_minority)
    why = _impossible(data)
    if dropped:
        names = ", ".join(sorted(dropped))
        records.messages.append(
            f"The model of {errors} by target leaves out the targets {names}: in a group and system there are fewer "
            f"than {counted(settings.minimum_minority, 'answer')} of the rarer kind."
        )
    fit = None
    if not why:
        data = without_unused(data)
        try:
            fit = fit_mixed_model(error_formula(data), data)
        except ModelError as problem:
            why = str(problem).rstrip(".")
    if fit is None:
        records.fits.append(impossible_fit_row(model, f"{why}.", 0))
        records.messages.append(f"The interaction of persona group and target is not tested for {errors}: {why}.")
        return
    why = refusal(fit)
    records.fits.append(fit_row(model, fit, data["item"].nunique(), 0, why))
    if why:
        records.messages.append(f"The interaction of persona group and target is not tested for {errors}: {why}.")
        return
    records.components.extend(component_rows(model, fit, {}))
    records.tests.extend(_tests(fit, data, model))


def _enough(data: pd.DataFrame, minimum: int) -> tuple[pd.DataFrame, set[str]]:
    """Targets on which every group has enough answers of both kinds in every system, and the others."""
    if data.empty:
        return data, set()
    cells = data.groupby(["target", "group", "system"], observed=True)["error"].agg(["sum", "size"])
    rarer = cells["sum"].where(2 * cells["sum"] <= cells["size"], cells["size"] - cells["sum"])
    least = rarer.groupby("target").min()
    dropped = {str(name) for name in least.index[least < minimum]}
    return data[~data["target"].isin(dropped)], dropped


def _impossible(data: pd.DataFrame) -> str:
    if data.empty or data["target"].nunique() < 2:
        return "fewer than two target groups have enough answers of both kinds in every group of personas"
    members = data.drop_duplicates("persona")
    if members["group"].nunique() < 2:
        return "the personas have fewer than two values of the attribute"
    if len(members) <= members["group"].nunique():
        return "every group has one persona: nothing tells the group from the persona"
    return ""


def error_formula(data: pd.DataFrame) -> str:
    """The model, reduced to what the data can tell.

    Args:
        data: columns error, group, target, system, template, item, persona.
    """
    several = data["system"].nunique() > 1
    fixed = [f"{_GROUP} * {_TARGET}"]
    fixed += [_SYSTEM] if several else []
    fixed += nuisance_terms(data, ("template",))
    random = ["item", "item:group", "persona", "persona:target"]
    random += ["item:system", "persona:system"] if several else []
    asked = len(data.drop_duplicates(["item", "persona"]))
    random += ["item:persona"] if len(data) > 1.5 * asked else []
    return f"error ~ {' + '.join([*fixed, *(f'(1 | {term})' for term in random)])}"


def _tests(fit: MixedModelFit, data: pd.DataFrame, model: str) -> list[dict[str, object]]:
    one = "all systems" if data["system"].nunique() > 1 else str(data["system"].iloc[0])
    labels = {"model": model, "reading": PRIMARY, "scope": THESE_WORDINGS, "systems": one}
    return term_rows(fit, dict.fromkeys(_TESTED), labels, likelihood_ratio=False)
