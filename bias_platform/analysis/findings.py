"""Findings below the headline, one function a sentence; empty where a finding does not apply."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from bias_platform.analysis.declared_families import declared_finding
from bias_platform.analysis.further_findings import (
    crossed_finding,
    error_finding,
    people_finding,
    spread_change_finding,
    wording_finding,
)
from bias_platform.analysis.graded_findings import graded_finding, other_outcomes_finding
from bias_platform.analysis.noise_findings import noise_finding, system_flips_finding
from bias_platform.analysis.phrases import NOT_ABSENT, are, decimal, points, quote, share
from bias_platform.analysis.picked import (
    IN_WORDS,
    claimed,
    largest,
    level,
    method,
    simultaneous,
    stepwise_method,
    tested,
    top,
)
from bias_platform.analysis.planning_findings import next_study_finding
from bias_platform.analysis.scored_findings import scored_changes_finding, scored_finding
from bias_platform.analysis.spreads import TIED
from bias_platform.catalog.entries import AnalysisSettings
from bias_platform.errors import counted
from bias_platform.schemas.results import BEYOND_WORDING, PRIMARY, THESE_WORDINGS

Tables = Mapping[str, pd.DataFrame]


def _rates(tables: Tables, settings: AnalysisSettings) -> str:
    table = tables["system_outcomes"]
    low, high = top(table, -table["yes_rate"]), top(table, table["yes_rate"])
    worst = top(table, -table["coverage"])
    rates = (
        f"Systems say Yes to between {share(low['yes_rate'])} ({low['system']}) and {share(high['yes_rate'])} "
        f"({high['system']}) of the questions they judge."
        if len(table) > 1
        else f"{low['system']} says Yes to {share(low['yes_rate'])} of the questions it judges."
    )
    return f"{rates} Lowest coverage: {share(worst['coverage'])} ({worst['system']})."


def _between(shown: dict[str, Any]) -> str:
    """Which two personas lie farthest apart; nothing where all are equal."""
    return "" if shown["highest"] == TIED else f" between {shown['highest']} and {shown['lowest']}"


def _spread(tables: Tables, settings: AnalysisSettings) -> str:
    table = tested(tables["dimension_spreads"])
    if table.empty:
        return ""
    rows, found = claimed(table)
    shown = largest(found if len(found) else rows, "spread")
    name = quote(str(shown["dimension"]).replace("_", " "))
    apart = (
        f"{name} in {shown['system']}, {points(shown['spread'])} points{_between(shown)} "
        f"({simultaneous(shown, settings, signed=False)}; noise-corrected standard deviation "
        f"{points(shown['deviation'])})"
    )
    scope, pairs = IN_WORDS[str(shown["scope"])], counted(len(rows), "pair")
    if found.empty:
        return (
            f"In none of {pairs} of system and dimension do the personas of the dimension differ detectably from each "
            f"other after {stepwise_method(settings)}, {scope}. The largest distance is {apart}; the largest of many "
            f"is above zero by chance alone. {_alike(rows, settings)}. {NOT_ABSENT}"
        )
    return (
        f"In {len(found)} of {pairs} of system and dimension the personas of the dimension differ from each "
        f"other after {stepwise_method(settings)}, {scope}. The largest distance among these: {apart}. "
        f"{_alike(rows, settings)}."
    )


def _alike(rows: pd.DataFrame, settings: AnalysisSettings) -> str:
    """Dimensions whose personas are shown to be alike but for the margin: by the simultaneous bounds of one scope."""
    within, margin = rows[rows["within_margin"]], points(settings.equivalence_margin)
    shown = (
        f"{are(len(within), counted(len(rows), 'such pair'))} shown to have no two personas more than {margin} points"
    )
    if within.empty:
        return f"{shown} apart"
    widest = points(within["simultaneous_upper"].max())
    return f"{shown} apart (at most {widest}, by simultaneous {level(settings)} bounds)"


def _changes(tables: Tables, settings: AnalysisSettings) -> str:
    if tables["system_changes"].empty:
        return ""
    table = tested(tables["system_changes"])
    if table.empty:
        return "The changes between systems could not be compared: too few answers were judged in both."
    rows, found = claimed(table)
    shown = largest(found if len(found) else rows, "difference")
    scope = IN_WORDS[str(shown["scope"])]
    moved = (
        f"from {shown['from_system']} to {shown['to_system']} the difference of {quote(shown['label'])} to the generic "
        f"person moves by {points(shown['difference'], signed=True)} points ({simultaneous(shown, settings)})"
    )
    changes = counted(len(rows.drop_duplicates(["from_system", "to_system"])), "change")
    compared = f"{counted(len(rows), 'comparison')} between systems ({changes} × personas)"
    if len(found):
        return f"Of {compared} {are(len(found))} detectable after {method(settings)}, {scope}; the largest: {moved}."
    within = ""
    if "equivalent" in rows.columns:
        count, margin = int(rows["equivalent"].sum()), points(settings.equivalence_margin)
        within = f"{are(count, len(rows))} shown to lie within ±{margin} points. "
    return (
        f"None of {compared} is detectable after {method(settings)}, {scope}; the largest: {moved}. {within}"
        f"{NOT_ABSENT}"
    )


def _null(tables: Tables, settings: AnalysisSettings) -> str:
    table = tables["pattern_null"]
    if table.empty or not np.isfinite(table["observed"].iloc[0]):
        return ""
    row = table.iloc[0]
    draws = int(row["draws"])
    reached = round(float(row["frequency"]) * (draws + 1)) - 1
    return (
        f"If no persona differed, the largest of all raw differences would still be {points(row['expected'])} points "
        f"on average and exceed {points(row['quantile_95'])} once in twenty in these wordings; "
        f"{points(row['observed'])} was observed (reached in {reached or 'none'} of {counted(draws, 'permutation')})."
    )


def _wording(tables: Tables, settings: AnalysisSettings) -> str:
    table = tested(tables["control_contrasts"])
    if table.empty:
        return ""
    rows = table[table["scope"] == THESE_WORDINGS]
    narrow = int(rows["significant"].sum())
    wide = table[table["scope"] == BEYOND_WORDING]
    if wide.empty:
        return "Fewer than two wordings were judged: nothing is said about other wordings of the persona instruction."
    if not narrow:
        return ""
    known = "" if len(wide) == len(rows) else f" (of {len(wide)} where that can be said)"
    return (
        f"Of {counted(len(rows), 'comparison')} with the generic person {are(narrow)} significant for the wordings "
        f"used, {int(wide['significant'].sum())} as a claim beyond wording{known}."
    )


def _lenient(tables: Tables, settings: AnalysisSettings) -> str:
    table = tables["control_contrasts"]
    table = table[np.isfinite(table["p_value"].to_numpy(float)) & (table["scope"] == THESE_WORDINGS)]
    keys = ["system", "persona_id"]
    primary = table[table["reading"] == PRIMARY].set_index(keys)
    lenient = table[table["reading"] != PRIMARY].set_index(keys)
    if lenient.empty:
        return ""
    both = int((primary["significant"] & lenient["significant"].reindex(primary.index, fill_value=False)).sum())
    found = are(int(lenient["significant"].sum()))
    return (
        f"Of {counted(len(lenient), 'comparison')} with the generic person {found} significant when the lenient "
        f"answers count as Yes too; {are(both)} so in both readings ({IN_WORDS[THESE_WORDINGS]})."
    )


def _bounds(tables: Tables, settings: AnalysisSettings) -> str:
    table = tested(tables["control_contrasts"])
    found = claimed(table)[1] if len(table) else table
    if found.empty:
        return ""
    kept = int(((found["bound_low"] > 0) | (found["bound_high"] < 0)).sum())
    return (
        f"Had the questions without a judgement been answered in the worst way, {kept} of "
        f"{counted(len(found), 'significant difference')} would still have the same sign."
    )


def _baseline(tables: Tables, settings: AnalysisSettings) -> str:
    table = tested(tables["baseline_differences"])
    if table.empty:
        return ""
    found = are(int(table["significant"].sum()))
    caution = "" if table["significant"].any() else f" {NOT_ABSENT}"
    return (
        f"Of {counted(len(table), 'comparison')} with no persona at all {found} significant after {method(settings)}, "
        f"{IN_WORDS[THESE_WORDINGS]}; they mix who the persona is with there being an instruction, and nothing is "
        f"said about other wordings.{caution}"
    )


def _humans(tables: Tables, settings: AnalysisSettings) -> str:
    table = tables["human_agreement"]
    table = table[table["persona_id"].isna()] if len(table) else table
    if table.empty:
        return ""
    low, high = top(table, -table["agreement"]), top(table, table["agreement"])
    best = f"{share(high['agreement'])} (kappa {decimal(high['kappa'])}, {high['system']})"
    if len(table) == 1:
        return f"Agreement with the human majority is {best}."
    return f"Agreement with the human majority runs from {share(low['agreement'])} ({low['system']}) to {best}."


def _degenerate(tables: Tables, settings: AnalysisSettings) -> str:
    table = tables["degenerate_cells"]
    table = table[table["reading"] == PRIMARY]
    if table.empty:
        return ""
    return (
        f"System × persona cells with fewer than {settings.minimum_minority} answers of the rarer kind: {len(table)}. "
        "For them there is no log-odds claim, only a difference of probabilities."
    )


FINDINGS: tuple[Callable[[Tables, AnalysisSettings], str], ...] = (
    _rates,
    declared_finding,
    _spread,
    _changes,
    spread_change_finding,
    crossed_finding,
    scored_finding,
    scored_changes_finding,
    noise_finding,
    system_flips_finding,
    _null,
    _wording,
    wording_finding,
    _lenient,
    graded_finding,
    other_outcomes_finding,
    _bounds,
    _baseline,
    _humans,
    error_finding,
    people_finding,
    _degenerate,
    next_study_finding,
)
"""In the order of the page."""
