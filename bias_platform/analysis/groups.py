"""Model B: groups of personas, personas being a sample of their group. Never the headline."""

import json
from typing import NamedTuple

import numpy as np
import pandas as pd

from bias_platform.analysis.answers import Answers
from bias_platform.analysis.fit_records import component_rows, fit_row, impossible_fit_row
from bias_platform.analysis.named_personas import model_rows
from bias_platform.schemas.results import PRIMARY
from bias_platform.statistics import MixedModelFit, ModelError, fit_mixed_model, marginal_means, term_tests

MODEL = "B, groups of personas"


class GroupModel(NamedTuple):
    """Result rows of model B; all empty where the study does not ask for it."""

    tests: pd.DataFrame
    probabilities: pd.DataFrame
    fits: list[dict[str, object]]
    components: list[dict[str, object]]
    messages: list[str]


def fit_groups(answers: Answers, attribute: str | None, confidence: float) -> GroupModel:
    """Fits model B for a persona attribute.

    Personas without the attribute and the control are left out. F has personas - groups denominator degrees of
    freedom, because the persona is the unit that carries its group.
    """
    if attribute is None:
        return GroupModel(pd.DataFrame(), pd.DataFrame(), [], [], [])
    group = _groups(answers, attribute)
    left_out = len(answers.named) - len(group)
    messages = [f"Model B leaves out {left_out} personas without the attribute '{attribute}'."] if left_out else []
    why = _impossible(group, attribute)
    data = model_rows(answers, PRIMARY, set())
    data = data[data["persona"].isin(list(group.index))]
    data = data.assign(group=data["persona"].astype(str).map(group))
    for column in ("persona", "system", "item", "template"):
        data[column] = data[column].cat.remove_unused_categories()
    if why is None:
        try:
            fit = fit_mixed_model(_formula(data), data)
        except ModelError as problem:
            why = str(problem)
    if why is not None:
        row = impossible_fit_row(MODEL, why, 0)
        return GroupModel(pd.DataFrame(), pd.DataFrame(), [row], [], [*messages, f"Model B was not fitted: {why}"])
    fits = [fit_row(MODEL, fit, data["item"].nunique(), 0)]
    components = component_rows(MODEL, fit, {})
    if not fit.converged or _separated(fit, data):
        why = "it did not converge" if not fit.converged else "a group in a system has answers of one kind only"
        messages += [f"The tests of model B are withheld: {why}."]
        return GroupModel(pd.DataFrame(), pd.DataFrame(), fits, components, messages)
    present = group[group.index.isin(data["persona"].cat.categories)]
    tests = _tests(fit, len(present) - present.nunique())
    return GroupModel(tests, _probabilities(fit, data, present, confidence), fits, components, messages)


def _groups(answers: Answers, attribute: str) -> pd.Series:
    """Group of each named persona that has the attribute."""
    attributes = answers.personas.loc[answers.named, "attributes"].map(json.loads)
    return attributes.map(lambda values: values.get(attribute)).dropna().astype(str)


def _impossible(group: pd.Series, attribute: str) -> str | None:
    if group.nunique() < 2:
        return f"the attribute '{attribute}' has fewer than two values among the personas"
    if len(group) <= group.nunique():
        return f"every value of '{attribute}' has one persona: nothing tells the group from the persona"
    return None


def _formula(data: pd.DataFrame) -> str:
    several = data["system"].nunique() > 1
    fixed = ["C(group, contr.sum) * C(system, contr.sum)" if several else "C(group, contr.sum)"]
    fixed += ["C(template, contr.sum)"] if data["template"].nunique() > 1 else []
    random = ["item", "item:system", "persona", "persona:system"] if several else ["item", "persona"]
    return f"yes ~ {' + '.join([*fixed, *(f'(1 | {term})' for term in random)])}"


def _separated(fit: MixedModelFit, data: pd.DataFrame) -> bool:
    """Whether a group has no finite estimate in a system: what a test would say of it is not known."""
    rates = data.groupby(["group", "system"], observed=True)["yes"].mean()
    return bool(rates.isin([0.0, 1.0]).any()) or any("group" in name for name in fit.diagnostics.separated)


def _tests(fit: MixedModelFit, denominator: int) -> pd.DataFrame:
    terms = [name for name in fit.design.fixed.terms if "group" in name]
    found = term_tests(fit, terms, denominator_df=dict.fromkeys(terms, float(denominator)))
    names = found["term"].map(lambda term: "group × system" if "system" in term else "group")
    return pd.DataFrame(
        {
            "term": names,
            "statistic": found["f"],
            "df": found["df"].astype(float),
            "denominator_df": found["denominator_df"],
            "p_value": found["f_p"],
            "likelihood_ratio": found["lr"],
            "likelihood_ratio_p": found["lr_p"],
            "wald": found["wald"],
            "wald_p": found["wald_p"],
        }
    )


def _probabilities(fit: MixedModelFit, data: pd.DataFrame, group: pd.Series, confidence: float) -> pd.DataFrame:
    several = "system" in fit.design.fixed.levels
    means = marginal_means(fit, ["group", "system"] if several else ["group"])
    frame = means.frame("probability", level=confidence, degrees_of_freedom=len(group) - group.nunique())
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
