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
)
_NO_CONTRASTS = ("dimension_spreads",)
"""Their tests have no joint distribution that is known."""


def test_families(tables: dict[str, pd.DataFrame], settings: AnalysisSettings) -> pd.DataFrame:
    """One row a family that has tests; schema `TestFamilies`. Families are adjusted apart from each other."""
    rows = []
    for name, meaning in _FAMILIES:
        table = tables[name]
        keys = [key for key in ("reading", "scope") if key in table.columns]
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
