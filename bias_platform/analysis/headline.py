"""The findings in plain sentences, each with its uncertainty. The first one is the headline."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bias_platform.analysis.phrases import are, interval, points, share
from bias_platform.catalog.entries import AnalysisSettings
from bias_platform.schemas.results import BEYOND_WORDING, PRIMARY, THESE_WORDINGS

Tables = Mapping[str, pd.DataFrame]


def write_headline(tables: Tables, settings: AnalysisSettings) -> str:
    """Which persona differs most from the generic person, or that none does detectably and what would have shown.

    The claim is the widest that holds: beyond wording if the contrast survives there, else these wordings, said so.
    The interval is simultaneous, because the largest of many differences is picked.
    """
    contrasts = tables["control_contrasts"]
    primary = contrasts[contrasts["reading"] == PRIMARY]
    for scope in (BEYOND_WORDING, THESE_WORDINGS):
        rows = primary[primary["scope"] == scope]
        found = rows[rows["significant"]]
        if len(found):
            return _difference(_top(found, found["difference"].abs()), rows, primary, settings)
    return _nothing(primary, settings)


def _difference(top: dict[str, Any], rows: pd.DataFrame, primary: pd.DataFrame, settings: AnalysisSettings) -> str:
    gap = float(top["difference"])
    direction = "more" if gap > 0 else "less"
    tests, significant = int(rows["p_value"].notna().sum()), int(rows["significant"].sum())
    reach = interval(top["simultaneous_lower"], top["simultaneous_upper"], signed=True)
    sentence = (
        f"Told to be “{top['label']}”, {top['system']} answers Yes {points(abs(gap))} percentage points {direction} "
        f"often than when told to be a generic person ({_level(settings)} interval {reach}, simultaneous over all "
        f"{tests} comparisons); {are(significant, tests)} significant after {_method(settings)}."
    )
    if top["scope"] == BEYOND_WORDING:
        return f"{sentence} The claim reaches beyond the wordings that were used."
    wider = primary[
        (primary["scope"] == BEYOND_WORDING)
        & (primary["system"] == top["system"])
        & (primary["persona_id"] == top["persona_id"])
    ]
    if wider.empty:
        return f"{sentence} With a single wording nothing is known about others."
    row = wider.iloc[0]
    wide = interval(row["simultaneous_lower"], row["simultaneous_upper"], signed=True)
    return f"{sentence} The claim holds for the wordings used; beyond them no persona differs detectably (here {wide})."


def _nothing(primary: pd.DataFrame, settings: AnalysisSettings) -> str:
    scope = BEYOND_WORDING if (primary["scope"] == BEYOND_WORDING).any() else THESE_WORDINGS
    rows = primary[primary["scope"] == scope]
    narrow = primary[primary["scope"] == THESE_WORDINGS]
    known = narrow[narrow["p_value"].notna()]
    if known.empty:
        return "No persona could be compared with the generic person: too few answers were judged."
    top = _top(known, known["difference"].abs())
    within = int(rows["equivalent"].sum())
    reach = interval(top["simultaneous_lower"], top["simultaneous_upper"], signed=True)
    return (
        f"No persona differs detectably from the generic person in any of {rows['system'].nunique()} systems "
        f"({len(known)} comparisons, {_method(settings)}). The largest estimate is “{top['label']}” in {top['system']} "
        f"with {points(top['difference'], signed=True)} percentage points ({_level(settings)} simultaneous interval "
        f"{reach}). A difference of {points(known['detectable'].median())} points would typically have been found in "
        f"80 % of repetitions; {within} of {len(rows)} differences are shown to lie within "
        f"±{points(settings.equivalence_margin)} points. Not found is not the same as absent."
    )


def write_summary(tables: Tables, settings: AnalysisSettings) -> tuple[str, ...]:
    """Further findings, in the order of the page; those that do not apply are left out."""
    writers = (_rates, _spread, _changes, _null, _wording, _lenient, _bounds, _baseline, _humans, _degenerate)
    return tuple(sentence for write in writers if (sentence := write(tables, settings)))


def _rates(tables: Tables, settings: AnalysisSettings) -> str:
    table = tables["system_outcomes"]
    low, high = _top(table, -table["yes_rate"]), _top(table, table["yes_rate"])
    worst = _top(table, -table["coverage"])
    rates = (
        f"Systems say Yes to between {share(low['yes_rate'])} ({low['system']}) and {share(high['yes_rate'])} "
        f"({high['system']}) of the questions they judge."
        if len(table) > 1
        else f"{low['system']} says Yes to {share(low['yes_rate'])} of the questions it judges."
    )
    return f"{rates} Lowest coverage: {share(worst['coverage'])} ({worst['system']})."


def _spread(tables: Tables, settings: AnalysisSettings) -> str:
    table = _widest_scope(tables["dimension_spreads"])
    if table.empty:
        return ""
    top = _top(table, table["spread"])
    return (
        f"Personas lie furthest apart in the dimension “{top['dimension']}” in {top['system']}: "
        f"{points(top['spread'])} points between {top['highest']} and {top['lowest']} "
        f"({_level(settings)} interval {interval(top['spread_lower'], top['spread_upper'])}, {top['scope']})."
    )


def _changes(tables: Tables, settings: AnalysisSettings) -> str:
    table = tables["system_changes"]
    table = _widest_scope(table[table["reading"] == PRIMARY])
    if table.empty:
        return ""
    found = table[table["significant"]]
    if found.empty:
        return (
            f"None of {len(table)} declared changes between systems is detectable after {_method(settings)}: "
            "no bias is seen to grow or shrink."
        )
    top = _top(found, found["difference"].abs())
    return (
        f"Of {len(table)} changes between systems {are(len(found))} detectable after {_method(settings)}; the largest: "
        f"from {top['from_system']} to {top['to_system']} the difference of “{top['label']}” to the generic person "
        f"moves by {points(top['difference'], signed=True)} points "
        f"({_level(settings)} interval {interval(top['lower'], top['upper'], signed=True)})."
    )


def _null(tables: Tables, settings: AnalysisSettings) -> str:
    table = tables["pattern_null"]
    if table.empty:
        return ""
    top = table.iloc[0]
    draws = int(top["draws"])
    reached = round(float(top["frequency"]) * (draws + 1)) - 1
    return (
        f"If no persona differed, the largest of all differences would still be {points(top['expected'])} points on "
        f"average and exceed {points(top['quantile_95'])} once in twenty; {points(top['observed'])} was observed "
        f"(reached in {reached or 'none'} of {draws} permutations)."
    )


def _wording(tables: Tables, settings: AnalysisSettings) -> str:
    table = tables["control_contrasts"]
    table = table[table["reading"] == PRIMARY]
    narrow = int(table.loc[table["scope"] == THESE_WORDINGS, "significant"].sum())
    wide = table[table["scope"] == BEYOND_WORDING]
    if wide.empty:
        return "There is one wording only: nothing is said about other wordings of the persona instruction."
    return (
        f"Of {len(wide)} comparisons with the generic person {are(narrow)} significant for the wordings used, "
        f"{int(wide['significant'].sum())} as a claim beyond wording."
        if narrow
        else ""
    )


def _lenient(tables: Tables, settings: AnalysisSettings) -> str:
    table = tables["control_contrasts"]
    table = _widest_scope(table)
    keys = ["system", "persona_id"]
    primary = table[table["reading"] == PRIMARY].set_index(keys)
    lenient = table[table["reading"] != PRIMARY].set_index(keys)
    if lenient.empty:
        return ""
    both = int((primary["significant"] & lenient["significant"].reindex(primary.index, fill_value=False)).sum())
    return (
        f"Of {len(lenient)} comparisons with the generic person {are(int(lenient['significant'].sum()))} significant "
        f"when the lenient answers count as Yes too; {are(both)} so in both readings."
    )


def _bounds(tables: Tables, settings: AnalysisSettings) -> str:
    table = tables["control_contrasts"]
    table = _widest_scope(table[table["reading"] == PRIMARY])
    found = table[table["significant"]]
    if found.empty:
        return ""
    kept = int(((found["bound_low"] > 0) | (found["bound_high"] < 0)).sum())
    return (
        f"Had the questions without a judgement been answered in the worst way, {kept} of {len(found)} significant "
        "differences would still have the sign they have."
    )


def _baseline(tables: Tables, settings: AnalysisSettings) -> str:
    table = tables["baseline_differences"]
    if table.empty:
        return ""
    found = table[table["significant"]]
    return (
        f"Of {len(table)} comparisons with no persona at all {are(len(found))} significant after {_method(settings)}; "
        "they mix who the persona is with there being an instruction."
    )


def _humans(tables: Tables, settings: AnalysisSettings) -> str:
    table = tables["human_agreement"]
    table = table[table["persona_id"].isna()] if len(table) else table
    if table.empty:
        return ""
    low, high = _top(table, -table["agreement"]), _top(table, table["agreement"])
    best = f"{share(high['agreement'])} (kappa {high['kappa'] + 0.0:z.2f}, {high['system']})"
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
        "For them there is no log-odds claim, only an item-paired difference."
    )


def _top(table: pd.DataFrame, by: pd.Series) -> dict[str, Any]:
    """The row with the largest value of `by`; the first of several, missing ones last."""
    at = int(np.argmax(np.nan_to_num(by.to_numpy(float), nan=-np.inf)))
    return dict(zip(table.columns, table.iloc[at], strict=True))


def _widest_scope(table: pd.DataFrame) -> pd.DataFrame:
    beyond = table[table["scope"] == BEYOND_WORDING] if len(table) else table
    return beyond if len(beyond) else table


def _level(settings: AnalysisSettings) -> str:
    return f"{np.round(100 * settings.confidence, 1):g} %"


def _method(settings: AnalysisSettings) -> str:
    return {"holm": "Holm’s correction", "fdr_bh": "the Benjamini-Hochberg correction"}[settings.multiplicity]
