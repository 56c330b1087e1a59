"""What crossed personas, wordings, changing spreads, targets and people say, in a sentence each."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bias_platform.analysis.phrases import NOT_ABSENT, are, interval, points, quote, share
from bias_platform.analysis.picked import (
    IN_WORDS,
    claimed,
    largest,
    level,
    method,
    simultaneous,
    stepwise_method,
    tested,
)
from bias_platform.catalog.entries import AnalysisSettings
from bias_platform.errors import counted
from bias_platform.schemas.results import THESE_WORDINGS
from bias_platform.schemas.results_of_intersections import BEYOND_THE_SUM
from bias_platform.schemas.results_of_people import ERROR_KINDS, NEARER_THAN_CONTROL, PERSONA

Tables = Mapping[str, pd.DataFrame]


def crossed_finding(tables: Tables, settings: AnalysisSettings) -> str:
    """Whether crossed personas do more than their parts together."""
    table = tested(tables["crossed_contrasts"])
    table = table[table["kind"] == BEYOND_THE_SUM] if len(table) else table
    if table.empty:
        return ""
    rows, found = claimed(table)
    shown = largest(found if len(found) else rows, "difference")
    what = (
        f"{quote(shown['label'])} in {shown['system']}, {points(shown['difference'], signed=True)} points beyond the "
        f"sum of its parts ({simultaneous(shown, settings)})"
    )
    tests = f"{counted(len(rows), 'pair')} of crossed persona and system"
    scope = IN_WORDS[str(shown["scope"])]
    if len(found):
        return (
            f"Of {tests} {are(len(found))} not the sum of two traits after {method(settings)}, {scope}; most: {what}."
            f"{_all_at_once(tables['crossed_tests'], shown)}"
        )
    return (
        f"In none of {tests} is there detectably more than the sum of two traits after {method(settings)}, {scope}; "
        f"the largest: {what}. {NOT_ABSENT}"
    )


def _all_at_once(tests: pd.DataFrame, shown: Mapping[str, Any]) -> str:
    """What the joint test of that system's interactions says: one of many may stand out by chance."""
    keys = ("kind", "scope", "system")
    same = tests[np.logical_and.reduce([tests[key] == shown[key] for key in keys])]
    if same.empty or same["significant"].all():
        return ""
    least = float(same["p_adjusted"].min())
    return f" All of that system's tested at once do not show it (adjusted p {least:.3f}), so take it with care."


def spread_change_finding(tables: Tables, settings: AnalysisSettings) -> str:
    """Whether personas lie farther apart in one system than in another."""
    table = tested(tables["spread_changes"])
    if table.empty:
        return ""
    rows, found = claimed(table)
    shown = largest(found if len(found) else rows, "change")
    moved = (
        f"{quote(str(shown['dimension']).replace('_', ' '))} from {shown['from_system']} to {shown['to_system']}, "
        f"where the noise-corrected standard deviation goes from {points(shown['deviation_from'])} to "
        f"{points(shown['deviation_to'])} points (root of the change of the variance "
        f"{points(shown['change'], signed=True)}, {level(settings)} interval of this one alone "
        f"{interval(shown['change_lower'], shown['change_upper'], signed=True)})"
    )
    scope, tests = IN_WORDS[str(shown["scope"])], counted(len(rows), "change")
    if len(found):
        return (
            f"Of {tests} of a dimension’s spread between systems {are(len(found))} detectable after "
            f"{stepwise_method(settings)}, {scope}; the largest: {moved}."
        )
    return (
        f"None of {tests} of a dimension’s spread between systems is detectable after {stepwise_method(settings)}, "
        f"{scope}; the largest: {moved}. {NOT_ABSENT}"
    )


def wording_finding(tables: Tables, settings: AnalysisSettings) -> str:
    """How far wordings move Yes-rates, and single personas."""
    table = tables["wording_effects"]
    if table.empty:
        return ""
    spread = table.groupby("system", sort=False)["difference"].agg(np.ptp)
    widest = str(spread.idxmax())
    sd = float(table["persona_wording_sd"].max())
    most = ", more than in any other system" if len(spread) > 1 else ""
    return (
        f"Wordings of the instruction move the Yes-rate of all personas together by {points(spread.max())} points in "
        f"{widest}{most}; {are(int(table['significant'].sum()), len(table))} detectably off the mean of the system’s "
        f"wordings after {method(settings)}. A persona in one wording is off by a standard deviation "
        f"of {points(sd)} points at most, chance taken off."
    )


def error_finding(tables: Tables, settings: AnalysisSettings) -> str:
    """How many cells of persona and target err otherwise than the generic person, by kind."""
    table = tables["error_rates"]
    table = table[(table["role"] == "named") & table["p_value"].notna()] if len(table) else table
    if table.empty:
        return ""
    said = []
    for kind in ERROR_KINDS:
        rows = table[table["kind"] == kind]
        found = rows[rows["significant"]]
        if len(rows):
            shown = largest(found if len(found) else rows, "difference")
            said.append(
                f"of {counted(len(rows), f'{kind} cell')} {are(len(found))} unlike the generic person’s; the largest "
                f"difference is {points(shown['difference'], signed=True)} points ({quote(shown['label'])} in "
                f"{shown['system']}, items about {quote(shown['target'])}: {share(shown['rate'])} of answers wrong)"
            )
    caution = "" if table["significant"].any() else f" {NOT_ABSENT}"
    return f"By system, persona and target group, after {method(settings)}: {'; '.join(said)}.{caution}"


def people_finding(tables: Tables, settings: AnalysisSettings) -> str:
    """Whether systems told to be a persona answer like people of that group."""
    table = tables["people_gaps"]
    table = table[(table["source"] == PERSONA) & table["p_value"].notna()] if len(table) else table
    if table.empty:
        return ""
    shown = largest(table[table["significant"]] if table["significant"].any() else table, "difference")
    more = "more" if shown["difference"] > 0 else "less"
    nearer = tables["people_distances"]
    nearer = nearer[(nearer["comparison"] == NEARER_THAN_CONTROL) & nearer["significant"]]
    closer, farther = int((nearer["difference"] < 0).sum()), int((nearer["difference"] > 0).sum())
    caution = "" if table["significant"].any() and closer + farther else f" {NOT_ABSENT}"
    return (
        f"Of {counted(len(table), 'comparison')} of a persona with people of its own group "
        f"{are(int(table['significant'].sum()))} significant after {method(settings)}, {IN_WORDS[THESE_WORDINGS]}; "
        f"told to be {quote(shown['label'])}, {shown['system']} says Yes {points(abs(shown['difference']))} points "
        f"{more} often than they do ({level(settings)} interval of this one alone "
        f"{interval(shown['lower'], shown['upper'], signed=True)}). Than the generic person {are(closer)} detectably "
        f"nearer to the own group, {farther} farther from it.{caution}"
    )
