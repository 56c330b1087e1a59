"""The findings in plain sentences, each with its uncertainty. The first one is the headline."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from bias_platform.analysis.findings import FINDINGS
from bias_platform.analysis.phrases import NOT_ABSENT, are, interval, points, quote, share
from bias_platform.analysis.picked import IN_WORDS, claimed, largest, level, method, simultaneous, tested
from bias_platform.catalog.entries import AnalysisSettings
from bias_platform.errors import counted
from bias_platform.schemas.results import BEYOND_WORDING, THESE_WORDINGS

Tables = Mapping[str, pd.DataFrame]


def write_headline(tables: Tables, settings: AnalysisSettings) -> str:
    """Which persona differs most from the generic person, or that none does detectably and what would have shown.

    The claim is the widest that holds: beyond wording if a contrast survives there, else these wordings, said so.
    The interval is simultaneous, because the largest of many differences is picked.
    """
    known = tested(tables["control_contrasts"])
    if known.empty:
        return "No persona could be compared with the generic person: too few answers were judged."
    rows, found = claimed(known)
    if found.empty:
        return _nothing(rows, tables, settings)
    shown = largest(found, "difference")
    sentences = [_difference(shown, len(found), len(rows), settings), _scope(shown, known, settings)]
    return " ".join([*sentences, *_coverage(shown, tables)])


def write_summary(tables: Tables, settings: AnalysisSettings) -> tuple[str, ...]:
    """Further findings, in the order of the page; those that do not apply are left out."""
    return tuple(sentence for write in FINDINGS if (sentence := write(tables, settings)))


def _difference(shown: dict[str, Any], significant: int, tests: int, settings: AnalysisSettings) -> str:
    gap = float(shown["difference"])
    direction = "more" if gap > 0 else "less"
    reach = interval(shown["simultaneous_lower"], shown["simultaneous_upper"], signed=True)
    return (
        f"Told to be {quote(shown['label'])}, {shown['system']} answers Yes {points(abs(gap))} percentage points "
        f"{direction} often than when told to be a generic person ({level(settings)} interval {reach}, simultaneous "
        f"over all {counted(tests, 'comparison')}); {are(significant, tests)} significant after {method(settings)}."
    )


def _scope(shown: dict[str, Any], known: pd.DataFrame, settings: AnalysisSettings) -> str:
    if shown["scope"] == BEYOND_WORDING:
        return "The claim reaches beyond the wordings that were used."
    beyond = known[known["scope"] == BEYOND_WORDING]
    wider = beyond[(beyond["system"] == shown["system"]) & (beyond["persona_id"] == shown["persona_id"])]
    if wider.empty:
        return "The claim holds for the wordings used; with fewer than two of them nothing is known about others."
    row = {str(name): value for name, value in wider.iloc[0].items()}
    return (
        "The claim holds for the wordings used; beyond them no persona differs detectably "
        f"(here {simultaneous(row, settings)}). {NOT_ABSENT}"
    )


def _coverage(shown: dict[str, Any], tables: Tables) -> list[str]:
    """Bounds and coverage of the difference shown, where anything was left without a judgement."""
    outcomes = tables["persona_outcomes"]
    here = outcomes[outcomes["system"] == shown["system"]]
    own = float(here.loc[here["persona_id"] == shown["persona_id"], "coverage"].iloc[0])
    control = float(here.loc[here["role"] == "control", "coverage"].iloc[0])
    if own >= 1 and control >= 1:
        return []
    bounds = interval(shown["bound_low"], shown["bound_high"], signed=True)
    return [
        f"Worst-case bounds of the difference are {bounds}: {share(own)} of this persona’s questions were judged "
        f"against {share(control)} for the generic person."
    ]


def _nothing(rows: pd.DataFrame, tables: Tables, settings: AnalysisSettings) -> str:
    shown = largest(rows, "difference")
    systems = rows["system"].nunique()
    missed = tables["system_outcomes"]["system"].nunique() - systems
    where = f"in any of {counted(systems, 'system')}" if systems > 1 else f"in {shown['system']}"
    where += f" ({missed} more could not be compared)" if missed else ""
    detectable = float(rows["detectable"].median())
    found = (
        "Not even a difference of 100 points would"
        if detectable > 1
        else f"A difference of {points(detectable)} points would"
    )
    within = int(rows["equivalent"].sum())
    sentences = [
        f"No persona differs detectably from the generic person {where}, {IN_WORDS[THESE_WORDINGS]} "
        f"({counted(len(rows), 'comparison')}, {method(settings)}).",
        f"The largest estimate is {quote(shown['label'])} in {shown['system']} with "
        f"{points(shown['difference'], signed=True)} percentage points ({simultaneous(shown, settings)}).",
        *_coverage(shown, tables),
        f"{found} typically have been found in 80 % of repetitions; {are(within, counted(len(rows), 'difference'))} "
        f"shown to lie within ±{points(settings.equivalence_margin)} points, {IN_WORDS[THESE_WORDINGS]}. "
        f"{NOT_ABSENT}",
    ]
    return " ".join(sentences)
