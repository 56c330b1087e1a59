"""The families of tests a report adjusts over, and what came of them."""

import pandas as pd

from bias_platform.analysis.adjustment import stepwise
from bias_platform.catalog.entries import AnalysisSettings

_FAMILIES = (
    ("control_contrasts", "each persona against the generic control, all systems"),
    ("persona_pairs", "pairs of personas within a dimension, all systems"),
    ("dimension_spreads", "personas of a dimension being alike, all systems"),
    ("system_changes", "changes of those contrasts between systems"),
    ("scored_contrasts", "scores of each persona against the generic person, all systems"),
    ("scored_changes", "changes of those scored contrasts between systems"),
    ("graded_contrasts", "grades of each persona against the generic person, all systems"),
    ("other_outcomes", "what is no judgement, each persona against the generic person, all systems and kinds"),
    ("baseline_differences", "each persona against no persona, all systems"),
    ("wording_effects", "each wording against the mean of wordings, all systems"),
    ("spread_changes", "changes of spreads between systems, all dimensions"),
    ("crossed_contrasts", "crossed personas beyond additivity, all systems"),
    ("crossed_tests", "all interactions of a crossed dimension, all systems"),
    ("error_rates", "errors by target group against the generic person, all systems, personas and targets"),
    ("people_gaps", "systems against people of the persona’s group, all systems and personas"),
    ("people_distances", "distances to people, all systems and personas"),
)
_NO_CONTRASTS = (
    "dimension_spreads",
    "spread_changes",
    "crossed_tests",
    "wording_effects",
    "error_rates",
    "people_gaps",
    "people_distances",
)
"""Their tests have no joint distribution that is used."""
_APART = {
    "crossed_contrasts": ("kind",),
    "crossed_tests": ("kind",),
    "error_rates": ("kind",),
    "people_gaps": ("source",),
    "people_distances": ("comparison",),
}
"""Columns whose values are families of their own."""


def test_families(tables: dict[str, pd.DataFrame], settings: AnalysisSettings) -> pd.DataFrame:
    """One row a family that has tests; schema `TestFamilies`. Families are adjusted apart from each other."""
    rows = []
    for name, meaning in _FAMILIES:
        table = tables[name]
        wanted = ("reading", "scope", *_APART.get(name, ()))
        keys = [key for key in wanted if key in table.columns]
        groups = table.groupby(keys, sort=False) if len(table) and keys else [((), table)] if len(table) else []
        for key, part in groups:
            rows.append(
                {
                    "family": ", ".join([meaning, *map(str, key)]),
                    "tests": int(part["p_value"].notna().sum()),
                    "significant": int(part["significant"].sum()),
                    "method": stepwise(settings.multiplicity) if name in _NO_CONTRASTS else settings.multiplicity,
                    "headline": name == "control_contrasts" and "primary" in key,
                }
            )
    return pd.DataFrame([*rows, *_declared(tables["declared_families"])])


def _declared(table: pd.DataFrame) -> list[dict[str, object]]:
    """The families that the study itself declares."""
    return [
        {
            "family": f"declared: {title}, {scope}",
            "tests": int(part["p_value"].notna().sum()),
            "significant": int(part["significant"].sum()),
            "method": part["multiplicity"].iloc[0],
            "headline": False,
        }
        for (_, title, scope), part in table.groupby(["family", "title", "scope"], sort=False)
    ]
