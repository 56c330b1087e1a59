"""Families of comparisons that a study declares: a question of its own each, adjusted by itself.

The headline stays with all comparisons of the report. What a family finds beyond it is owed to having been asked
beforehand, which nothing here can check.
"""

from collections.abc import Mapping

import pandas as pd

from bias_platform.analysis.phrases import NOT_ABSENT, are, points, quote
from bias_platform.analysis.picked import IN_WORDS, claimed, correction, largest, tested
from bias_platform.catalog.entries import AnalysisSettings
from bias_platform.catalog.family_settings import TestFamily
from bias_platform.errors import counted
from bias_platform.schemas.results import PRIMARY
from bias_platform.statistics import adjust_p_values

_KEPT = [
    "system",
    "persona_id",
    "label",
    "dimension",
    "difference",
    "standard_error",
    "df",
    "lower",
    "upper",
    "p_value",
]


def declared_families(contrasts: pd.DataFrame, settings: AnalysisSettings) -> pd.DataFrame:
    """One row a family x scope x comparison of the primary reading; schema `DeclaredFamilies`.

    Args:
        contrasts: table `ControlContrasts`.
        settings: which families, and the confidence.
    """
    if contrasts.empty or not settings.families:
        return pd.DataFrame()
    primary = contrasts[contrasts["reading"] == PRIMARY]
    parts = [
        _adjusted(rows[_members(rows, family)], slug, family, settings.confidence).assign(scope=scope)
        for slug, family in settings.families.items()
        for scope, rows in primary.groupby("scope", sort=False)
    ]
    return pd.concat(parts, ignore_index=True)


def _members(rows: pd.DataFrame, family: TestFamily) -> "pd.Series[bool]":
    chosen = pd.Series(True, index=rows.index)
    for column, names in (
        ("system", family.systems),
        ("dimension", family.dimensions),
        ("persona_id", family.personas),
    ):
        if names:
            chosen &= rows[column].isin(list(names))
    return chosen


def _adjusted(rows: pd.DataFrame, slug: str, family: TestFamily, confidence: float) -> pd.DataFrame:
    p = adjust_p_values(rows["p_value"], family.multiplicity)
    return rows[_KEPT].assign(
        family=slug,
        title=family.title,
        multiplicity=family.multiplicity,
        p_adjusted=p,
        significant=p < 1.0 - confidence,
        significant_in_report=rows["significant"],
    )


def declared_finding(tables: Mapping[str, pd.DataFrame], settings: AnalysisSettings) -> str:
    """What came of the declared families, in the widest scope of each that shows something; empty without any."""
    table = tables["declared_families"]
    sentences = []
    for family in settings.families.values():
        rows = tested(table[table["title"] == family.title]) if len(table) else table
        if rows.empty:
            sentences.append(f"{quote(family.title)} could not be compared: no answers to its personas were judged.")
            continue
        shown, found = claimed(rows)
        most = largest(found if len(found) else shown, "difference")
        largest_one = f"{quote(most['label'])} in {most['system']}, {points(most['difference'], signed=True)} points"
        sentences.append(
            f"{quote(family.title)}: {are(len(found), counted(len(shown), 'comparison'))} significant after "
            f"{correction(str(most['multiplicity']))} within the family, {IN_WORDS[str(most['scope'])]}; the "
            f"{'largest' if len(found) else 'largest estimate'}: {largest_one}."
            f"{'' if len(found) else f' {NOT_ABSENT}'}"
        )
    return f"Families declared in the study. {' '.join(sentences)}" if sentences else ""
