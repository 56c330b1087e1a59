"""What a study could find, in sentences."""

import math
from typing import Any

import pandas as pd

from bias_platform.analysis.assumed_answers import StudySize
from bias_platform.analysis.phrases import points, share
from bias_platform.catalog.entries import StudyEntry
from bias_platform.errors import counted
from bias_platform.schemas.power import CHANGE, CONTRAST
from bias_platform.schemas.results import THESE_WORDINGS

_SOUGHT = {
    CONTRAST: "a persona that alone differs from the control, in one system, is found if it differs by",
    CHANGE: "a change of such a difference from one system to another is found if it is",
}


def headline(smallest: pd.DataFrame, size: StudySize, largest_gap: float) -> str:
    """Over both kinds of items.

    Args:
        smallest: the rows of `smallest_differences` for one number of items.
        size: of the study with so many items.
        largest_gap: that was looked at.
    """
    nouns = ((size.items, "item"), (size.personas, "persona"), (size.templates, "wording"), (size.systems, "system"))
    asked = ", ".join(counted(number, noun) for number, noun in nouns)
    found = [
        f"{_SOUGHT[str(question)]} {_by_scope(part, largest_gap)}"
        for question, part in smallest.groupby("question", sort=False)
    ]
    power = share(smallest["power"].iloc[0]).replace(".0 %", " %")
    return (
        f"In {power} of studies like this one ({asked}), {'; '.join(found)}. The ranges are over two assumptions of "
        "how items are judged."
    )


def kind_sentence(smallest: pd.DataFrame, words: str, largest_gap: float) -> str:
    """What is found if items are judged in one way, with Monte-Carlo intervals.

    Args:
        smallest: the rows of `smallest_differences` for one number and one kind of items.
        words: how items are judged, after "if".
        largest_gap: that was looked at.
    """
    begun = {CONTRAST: "a persona is found if it differs by", CHANGE: "a change between systems is found if it is"}
    found = []
    for question, part in smallest.groupby("question", sort=False):
        reaches = [f"{_reach(row, largest_gap)} {_where(row.scope)}" for row in part.itertuples(index=False)]
        found.append(f"{begun[str(question)]} {', or '.join(reaches)}")
    return f"If {words}: {'; '.join(found)}."


def _reach(row: Any, largest_gap: float) -> str:
    beyond = f"more than {points(largest_gap)}"
    if math.isnan(row.gap):
        return f"{beyond} points"
    upper = points(row.upper) if math.isfinite(row.upper) else beyond
    return f"{points(row.gap)} points ({points(row.lower)} to {upper})"


def _by_scope(part: pd.DataFrame, largest_gap: float) -> str:
    said = [
        f"{_span(rows['gap'], largest_gap)} points {_where(scope)}" for scope, rows in part.groupby("scope", sort=False)
    ]
    return ", or ".join(said)


def _where(scope: object) -> str:
    return "in these wordings" if scope == THESE_WORDINGS else "beyond them"


def _span(gaps: pd.Series, largest_gap: float) -> str:
    """The smallest and the largest, missing ones being beyond all that was looked at."""
    beyond = f"more than {points(largest_gap)}"
    ordered = sorted(math.inf if math.isnan(gap) else float(gap) for gap in gaps)
    said = dict.fromkeys(points(gap) if math.isfinite(gap) else beyond for gap in (ordered[0], ordered[-1]))
    return " to ".join(said)


def margin_sentence(curves: pd.DataFrame, items: int, margin: float) -> tuple[str, ...]:
    """How often a difference as large as the margin would be found; nothing where that was not looked at."""
    rows = curves[(curves["items"] == items) & (curves["question"] == CONTRAST) & (curves["gap"] == margin)]
    found = [
        f"in {_percent_span(part['power'])} of such studies {_where(scope)}"
        for scope, part in rows.groupby("scope", sort=False)
    ]
    if not found:
        return ()
    return (
        f"The study calls a difference none only where it is shown to lie within the margin, {100 * margin:g} points. "
        f"A persona that differs by just so much is found {' and '.join(found)}.",
    )


def _percent_span(powers: pd.Series) -> str:
    said = dict.fromkeys(f"{100 * value:.0f}" for value in (powers.min(), powers.max()))
    return f"{' to '.join(said)} %"


def cost_sentence(items: int, cells_per_item: int, systems: int) -> str:
    """What is asked of models.

    >>> cost_sentence(120, 425, 5)
    'It asks 51,000 cells: 120 items x 85 questions x 5 systems; what a ledger holds already is not asked again.'
    """
    each = f"{counted(items, 'item')} x {counted(cells_per_item // systems, 'question')} x {counted(systems, 'system')}"
    total = counted(items * cells_per_item, "cell")
    return f"It asks {total}: {each}; what a ledger holds already is not asked again."


def not_covered(study: StudyEntry) -> tuple[str, ...]:
    """What a study might claim, or meet, that its power says nothing of."""
    margin = f"{100 * study.analysis.equivalence_margin:g}"
    return (
        "Other claims of the report: pairs of personas, spreads of dimensions, tests of terms, log-odds, scores behind "
        "the answers, the comparison with no persona, agreement with people.",
        f"Claims of no difference: whether the study could show a persona to lie within its margin of {margin} points.",
        "Lost answers: refusals, invalid answers and answers set aside leave fewer items than are counted here.",
        "Items that belong together (written after one pattern, say): they carry less than as many independent ones.",
        "Several personas that differ at once, each of which the adjustment finds a little more easily.",
        "What the drawn wordings do by themselves: a claim for these wordings is one about the wordings drawn, so that "
        "some of what is found there is theirs.",
    )
