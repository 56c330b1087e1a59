"""What the scores add to the answers, in a sentence each; empty where there are no scores."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bias_platform.analysis.phrases import NOT_ABSENT, are, decimal, decimal_interval, quote
from bias_platform.analysis.picked import IN_WORDS, claimed, largest, method, simultaneous, tested
from bias_platform.catalog.entries import AnalysisSettings
from bias_platform.errors import counted

Tables = Mapping[str, pd.DataFrame]
_KEYS = ["system", "persona_id"]


def scored_finding(tables: Tables, settings: AnalysisSettings) -> str:
    """How many personas move the scores, the largest, and how that stands to what the answers show."""
    table = tested(tables["scored_contrasts"])
    if table.empty:
        return ""
    rows, found = claimed(table)
    shown = largest(found if len(found) else rows, "difference")
    scope = IN_WORDS[str(shown["scope"])]
    compared = f"{counted(len(rows), 'comparison')} with the generic person"
    moved = f"{quote(shown['label'])} in {shown['system']} by {_size(shown, settings)}"
    if found.empty:
        also = tested(tables["control_contrasts"])["significant"].any()
        return (
            f"The scores behind the answers ({shown['scale']}) show no significant difference in {compared}, {scope}, "
            f"after {method(settings)}{', although the answers do' if also else ''}; the largest estimate: {moved}. "
            f"{NOT_ABSENT}"
        )
    return (
        f"The scores behind the answers ({shown['scale']}) differ from the generic person’s in {len(found)} of "
        f"{counted(len(rows), 'comparison')} after {method(settings)}, {scope}; most: {moved}. "
        f"{_beside_answers(found, tables)}"
    )


def _size(row: dict[str, Any], settings: AnalysisSettings) -> str:
    reach = simultaneous(row, settings, write=decimal_interval)
    return f"{decimal(row['difference'], signed=True)} ({reach})"


def _beside_answers(found: pd.DataFrame, tables: Tables) -> str:
    """Whether the answers show the same; their significant rows in the scope of the scores shown."""
    answers = tested(tables["control_contrasts"])
    answers = answers[(answers["scope"] == found["scope"].iloc[0]) & answers["significant"]]
    moves = "Scores move before an answer does, so that a shift of theirs need not change any answer"
    if answers.empty:
        return f"{moves}: in the answers themselves no persona differs detectably. {NOT_ABSENT}"
    scored = tables["scored_contrasts"]
    scored = scored[scored["scope"] == found["scope"].iloc[0]].set_index(_KEYS)
    both = scored.reindex(pd.MultiIndex.from_frame(answers[_KEYS]))
    alike = np.sign(both["difference"].to_numpy(float)) == np.sign(answers["difference"].to_numpy(float))
    found_too = both["significant"].eq(True).to_numpy()
    same, against = int((found_too & alike).sum()), int((found_too & ~alike).sum())
    shared = f"of {counted(len(answers), 'significant difference')} of answers {are(same)} so in the scores too"
    return f"{moves}; {shared}{f', but {are(against)} so with the other sign' if against else ''}."


def scored_changes_finding(tables: Tables, settings: AnalysisSettings) -> str:
    """How many of those scored contrasts move between systems, and the largest."""
    table = tested(tables["scored_changes"])
    if table.empty:
        return ""
    rows, found = claimed(table)
    shown = largest(found if len(found) else rows, "difference")
    caution = "" if len(found) else f" {NOT_ABSENT}"
    return (
        f"Of {counted(len(rows), 'change')} of these differences between systems {are(len(found))} significant after "
        f"{method(settings)}, {IN_WORDS[str(shown['scope'])]}; the largest: {quote(shown['label'])} from "
        f"{shown['from_system']} to {shown['to_system']}, {_size(shown, settings)}. A system that is surer of "
        f"everything shows larger differences of scores, whatever its bias.{caution}"
    )
