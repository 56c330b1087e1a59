"""What ordered grades and outcomes without a judgement add, in a sentence each; empty where there are none."""

from collections.abc import Mapping

import pandas as pd

from bias_platform.analysis.phrases import NOT_ABSENT, are, decimal, decimal_interval, interval, points, quote, share
from bias_platform.analysis.picked import largest, method, tested
from bias_platform.catalog.entries import AnalysisSettings
from bias_platform.errors import counted
from bias_platform.schemas.results import THESE_WORDINGS

Tables = Mapping[str, pd.DataFrame]
_KEYS = ["system", "persona_id"]
_DOUBT = 0.05
"""A p value of proportional odds below this is told."""


def graded_finding(tables: Tables, settings: AnalysisSettings) -> str:
    """How many personas the ordinal model tells from the control, how that stands to the readings, and its check."""
    table = tables["graded_contrasts"]
    if table.empty:
        return ""
    found = int(table["significant"].sum())
    apart = int((table["significant"] & ~(table["primary_significant"] | table["lenient_significant"])).sum())
    in_readings, comparisons = _in_readings(tables["control_contrasts"])
    own = set(table.loc[table["significant"], _KEYS].itertuples(index=False, name=None))
    missed, outside = len(in_readings - own), comparisons - len(table)
    shown = largest(table[table["significant"]] if found else table, "log_odds")
    compared = f"{counted(len(table), 'comparison')} with the generic person"
    odds = (
        f"{quote(shown['label'])} in {shown['system']}, log-odds of a higher grade {decimal(shown['log_odds'], True)} "
        f"({decimal_interval(shown['lower'], shown['upper'], True)} one by one)"
    )
    return (
        f"Read as ordered grades in one model, {are(found, compared)} significant after correction, in these wordings "
        f"({_beside_readings(found, apart, missed)}{_outside(outside)}); "
        f"{'the largest' if found else 'the largest estimate'}: {odds}. "
        f"{'' if found else f'{NOT_ABSENT} '}{_proportional(tables)}"
    )


def _in_readings(contrasts: pd.DataFrame) -> tuple[set[tuple[str, str]], int]:
    """(system, persona) that either reading of Yes finds in these wordings, and how many there are."""
    narrow = contrasts[contrasts["scope"] == THESE_WORDINGS]
    found = narrow.loc[narrow["significant"], _KEYS].itertuples(index=False, name=None)
    return set(found), len(narrow[_KEYS].drop_duplicates())


def _beside_readings(found: int, apart: int, missed: int) -> str:
    """How the ordinal model's findings stand to those of both readings."""
    own = f"{apart} of them in no reading of Yes" if apart else "all of them in a reading of Yes too"
    more = f"{missed} {'further ' if found else ''}in a reading of Yes only" if missed else ""
    none = "as in both readings of Yes"
    return "; ".join(filter(None, [own if found else "", more])) or none


def _outside(count: int) -> str:
    """Comparisons that the ordinal model cannot make: too few answers of a kind."""
    return f"; {counted(count, 'more comparison')} not in this model" if count > 0 else ""


def _proportional(tables: Tables) -> str:
    table = tables["proportional_odds"]
    table = table[table["p"].notna()]
    if table.empty:
        return "Whether its odds are proportional could not be tested."
    doubtful = table[table["p"] < _DOUBT]
    if doubtful.empty:
        least = table["p"].min()
        return f"Its odds were not found to depart from proportional ones (smallest p = {least:.2g})."
    terms = " and ".join(quote(term) for term in dict.fromkeys(doubtful["term"]))
    return f"But its odds are not proportional for {terms}: go by the two readings of Yes."


def other_outcomes_finding(tables: Tables, settings: AnalysisSettings) -> str:
    """Whether a persona draws more refusals, or the like, than the control."""
    table = tested(tables["other_outcomes"])
    if table.empty:
        return ""
    found = table[table["significant"]]
    shown = largest(found if len(found) else table, "difference")
    kinds = ", ".join(str(kind).replace("_", " ") for kind in dict.fromkeys(table["kind"]))
    case = (
        f"{str(shown['kind']).replace('_', ' ')} for {quote(shown['label'])} in {shown['system']}, "
        f"{share(shown['share'])} of questions against {share(shown['control_share'])} "
        f"({interval(shown['lower'], shown['upper'], signed=True)} points one by one)"
    )
    compared = f"{counted(len(table), 'comparison')} with the generic person"
    if found.empty:
        return (
            f"How often a question draws no judgement ({kinds}) does not differ detectably in {compared} after "
            f"{method(settings)}; the largest estimate, {points(shown['difference'], True)} points: {case}. "
            f"{NOT_ABSENT}"
        )
    return (
        f"How often a question draws no judgement ({kinds}) differs in {len(found)} of {compared} "
        f"after {method(settings)}; most: {case}."
    )
