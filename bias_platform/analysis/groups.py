"""Model B: groups of personas, personas being a sample of their group. Never the headline."""

import json
from typing import NamedTuple

import numpy as np
import pandas as pd

from bias_platform.analysis.answers import Answers
from bias_platform.analysis.fit_records import Records, component_rows, fit_row, impossible_fit_row
from bias_platform.analysis.model_rows import model_rows, nuisance_terms, without_unused
from bias_platform.analysis.term_rows import term_rows
from bias_platform.errors import counted
from bias_platform.schemas.results import GROUPS_OF_PERSONAS, PRIMARY, THESE_WORDINGS
from bias_platform.statistics import MixedModelFit, ModelError, carried_df, fit_mixed_model, marginal_means

_GROUP = "C(group, contr.sum)"


class GroupModel(NamedTuple):
    """Result rows of model B; all empty where the study does not ask for it."""

    probabilities: pd.DataFrame
    records: Records


def fit_groups(answers: Answers, attribute: str | None, confidence: float) -> GroupModel:
    """Fits model B for a persona attribute.

    Personas without the attribute and the control are left out. The persona is the unit that carries its group: F has
    personas - groups denominator degrees of freedom, and (systems - 1) times as many for group x system.
    """
    records = Records()
    if attribute is None:
        return GroupModel(pd.DataFrame(), records)
    group = _groups(answers, attribute)
    left_out = len(answers.named) - len(group)
    if left_out:
        records.messages.append(
            f"Model B leaves out {counted(left_out, 'persona')} without the attribute '{attribute}'."
        )
    data = _group_rows(answers, group)
    fit, why = None, _impossible(group, attribute)
    if not why:
        try:
            fit = fit_mixed_model(_formula(data), data)
        except ModelError as problem:
            why = str(problem)
    if fit is None:
        records.fits.append(impossible_fit_row(GROUPS_OF_PERSONAS, why, 0))
        records.messages.append(f"Model B was not fitted: {why}")
        return GroupModel(pd.DataFrame(), records)
    records.fits.append(fit_row(GROUPS_OF_PERSONAS, fit, data["item"].nunique(), 0))
    records.components.extend(component_rows(GROUPS_OF_PERSONAS, fit, {}))
    if not fit.converged or _separated(fit, data):
        why = "it did not converge" if not fit.converged else "a group in a system has answers of one kind only"
        records.messages.append(f"The tests of model B are withheld: {why}.")
        return GroupModel(pd.DataFrame(), records)
    present = group[group.index.isin(data["persona"].cat.categories)]
    records.tests.extend(_tests(fit, data))
    return GroupModel(_probabilities(fit, data, present, confidence), records)


def _group_rows(answers: Answers, group: pd.Series) -> pd.DataFrame:
    data = model_rows(answers, PRIMARY, set())
    data = without_unused(data[data["persona"].isin(list(group.index))])
    return data.assign(group=data["persona"].astype(str).map(group))


def _groups(answers: Answers, attribute: str) -> pd.Series:
    """Group of each named persona that has the attribute."""
    attributes = answers.personas.loc[answers.named, "attributes"].map(json.loads)
    return attributes.map(lambda values: values.get(attribute)).dropna().astype(str)


def _impossible(group: pd.Series, attribute: str) -> str:
    """Why there is nothing to fit; empty where there is."""
    if group.nunique() < 2:
        return f"the attribute '{attribute}' has fewer than two values among the personas"
    if len(group) <= group.nunique():
        return f"every value of '{attribute}' has one persona: nothing tells the group from the persona"
    return ""


def _formula(data: pd.DataFrame) -> str:
    several = data["system"].nunique() > 1
    fixed = [f"{_GROUP} * C(system, contr.sum)" if several else _GROUP]
    fixed += nuisance_terms(data, ("template",))
    random = ["item", "item:system", "persona", "persona:system"] if several else ["item", "persona"]
    return f"yes ~ {' + '.join([*fixed, *(f'(1 | {term})' for term in random)])}"


def _separated(fit: MixedModelFit, data: pd.DataFrame) -> bool:
    """Whether a group has no finite estimate in a system: what a test would say of it is not known."""
    rates = data.groupby(["group", "system"], observed=True)["yes"].mean()
    return bool(rates.isin([0.0, 1.0]).any()) or any("group" in name for name in fit.diagnostics.separated)


def _tests(fit: MixedModelFit, data: pd.DataFrame) -> list[dict[str, object]]:
    several = data["system"].nunique() > 1
    one = "all systems" if several else str(data["system"].iloc[0])
    labels = {"model": GROUPS_OF_PERSONAS, "reading": PRIMARY, "scope": THESE_WORDINGS, "systems": one}
    return term_rows(fit, dict.fromkeys(["group", "group:system"] if several else ["group"]), labels)


def _probabilities(fit: MixedModelFit, data: pd.DataFrame, group: pd.Series, confidence: float) -> pd.DataFrame:
    several = "system" in fit.design.fixed.levels
    means = marginal_means(fit, ["group", "system"] if several else ["group"])
    personas = carried_df(fit.design, [_GROUP])[_GROUP]
    frame = means.frame("probability", level=confidence, degrees_of_freedom=personas.df)
    table = pd.DataFrame(
        {
            "group": frame["group"].astype(str),
            "system": frame["system"].astype(str) if several else str(data["system"].iloc[0]),
            "probability": frame["estimate"],
            "lower": frame["lower"].clip(0, 1),
            "upper": frame["upper"].clip(0, 1),
        }
    )
    return table.assign(personas=table["group"].map(group.value_counts()).to_numpy(np.int64))
