"""What other methods would have concluded of each persona against the control, beside the report's own verdicts.

They are marginal models without random effects, one a system: GLM with naive or clustered errors, and GEE. Primary
reading. Methods that know items only are held against the report's claims for these wordings, those that count
persona x wording cells as clusters against its claims beyond wording.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from bias_platform.analysis.adjustment import stepwise
from bias_platform.analysis.alternative_fits import METHODS, fit_alternatives
from bias_platform.analysis.answers import Answers
from bias_platform.analysis.item_cube import label_of
from bias_platform.catalog.entries import AnalysisSettings
from bias_platform.schemas.results import BEYOND_WORDING, PRIMARY, SCOPES, THESE_WORDINGS
from bias_platform.schemas.results_of_alternatives import (
    ALL_SYSTEMS,
    NOT_COMPARED,
    ONLY_METHOD,
    ONLY_REPORT,
    OWN_MODEL,
    OWN_PAIRED,
    SAME,
    VERDICTS,
)
from bias_platform.statistics import adjust_p_values

_KEYS = ["system", "persona_id"]


def clustered_alternatives(
    answers: Answers, control_contrasts: pd.DataFrame, settings: AnalysisSettings
) -> dict[str, pd.DataFrame]:
    """Tables `alternative_methods` and `alternative_contrasts`; both empty where the report compares nothing.

    A method that cannot be fitted has a note in its row. Families are adjusted as in the report, by Holm where that
    adjusts in a single step.

    Args:
        answers: prepared answers.
        control_contrasts: the report's table of that name.
        settings: confidence and adjustment.
    """
    if control_contrasts.empty:
        return {"alternative_methods": pd.DataFrame(), "alternative_contrasts": pd.DataFrame()}
    report = control_contrasts[control_contrasts["reading"] == PRIMARY]
    found, notes = fit_alternatives(answers, settings.confidence)
    table = _with_verdicts(found, report, settings) if len(found) else found
    rows = [*_own_rows(report, answers.systems, settings), *_rows(table, notes, answers.systems)]
    order = _systems(answers.systems)
    rows.sort(key=lambda row: (order.index(str(row["system"])), SCOPES.index(str(row["scope"]))))
    return {"alternative_methods": pd.DataFrame(rows), "alternative_contrasts": _labelled(table, answers)}


def _labelled(table: pd.DataFrame, answers: Answers) -> pd.DataFrame:
    """With labels of the personas; by system and persona, so that methods stand beside each other."""
    if table.empty:
        return table
    systems, personas = ([str(name) for name in table[column]] for column in _KEYS)
    places = [pd.Index(answers.systems).get_indexer(pd.Index(systems))]
    places.append(pd.Index(answers.named).get_indexer(pd.Index(personas)))
    table = table.iloc[np.lexsort(places[::-1])].reset_index(drop=True)
    return pd.concat(
        [
            table.drop(columns=[one for one in _OF_REPORT.values() if one not in _SHOWN]),
            label_of(answers.personas, table["persona_id"]),
        ],
        axis=1,
    )


def _with_verdicts(found: pd.DataFrame, report: pd.DataFrame, settings: AnalysisSettings) -> pd.DataFrame:
    """Adds p_adjusted and significant within each method, and what the report says of the same contrast."""
    method = stepwise(settings.multiplicity)
    adjusted = found.groupby("method")["p_value"].transform(lambda p: adjust_p_values(p.to_numpy(float), method))
    table = found.assign(p_adjusted=adjusted, significant=adjusted < 1.0 - settings.confidence)
    own = report[[*_KEYS, "scope", *_OF_REPORT]].rename(columns=_OF_REPORT)
    table = table.merge(own, on=[*_KEYS, "scope"], how="left", sort=False)
    table["reported"] = table["reported"].astype("boolean").fillna(False).astype(bool)
    both = np.isfinite(table[["p_value", "reported_p"]].to_numpy(float)).all(axis=1)
    return table.assign(verdict=_verdicts(table["significant"], table["reported"]).where(both, NOT_COMPARED))


_OF_REPORT = {
    "significant": "reported",
    "standard_error": "reported_error",
    "p_value": "reported_p",
    "difference": "reported_difference",
}
_SHOWN = ("reported_difference",)
"""Of the report, beside the method's own."""


def _verdicts(method: pd.Series, report: pd.Series) -> pd.Series:
    choices = [ONLY_METHOD, ONLY_REPORT]
    return pd.Series(np.select([method & ~report, report & ~method], choices, SAME), index=method.index)


def _own_rows(
    report: pd.DataFrame, systems: tuple[str, ...], settings: AnalysisSettings
) -> Iterator[dict[str, object]]:
    """The report's own methods: item-paired, and the log-odds of model A where it has any."""
    for scope in (THESE_WORDINGS, BEYOND_WORDING):
        own = report[report["scope"] == scope]
        paired = own[np.isfinite(own["p_value"].to_numpy(float))]
        modelled = own[np.isfinite(own["log_odds_p"].to_numpy(float))]
        for name, part, significant, ratio in (
            (OWN_PAIRED, paired, paired["significant"], 1.0),
            (OWN_MODEL, modelled, modelled["log_odds_p_adjusted"] < 1.0 - settings.confidence, np.nan),
        ):
            if part.empty:
                continue
            verdict = _verdicts(significant, part["significant"])
            table = part.assign(reported=part["significant"], significant=significant, verdict=verdict)
            for system in _systems(systems):
                yield _row(name, scope, system, _of(table, system), ratio, "")


def _rows(
    table: pd.DataFrame, notes: dict[tuple[str, str], str], systems: tuple[str, ...]
) -> Iterator[dict[str, object]]:
    """The other methods, by system and over all of them."""
    if table.empty:
        table = pd.DataFrame(columns=["method", "system", "verdict", "significant", "reported", *_ERRORS])
    table = table[table["verdict"] != NOT_COMPARED]
    for name, method in METHODS.items():
        own = table[table["method"] == name]
        for system in _systems(systems):
            part = _of(own, system)
            yield _row(name, method.scope, system, part, _median_ratio(part), _note_of(notes, name, system, systems))


_ERRORS = ["standard_error", "reported_error"]


def _systems(systems: tuple[str, ...]) -> tuple[str, ...]:
    return (ALL_SYSTEMS, *systems)


def _of(table: pd.DataFrame, system: str) -> pd.DataFrame:
    return table if system == ALL_SYSTEMS else table[table["system"] == system]


def _median_ratio(part: pd.DataFrame) -> float:
    own, report = (part[name].to_numpy(float) for name in _ERRORS)
    usable = report > 0
    return float(np.median(own[usable] / report[usable])) if usable.any() else float("nan")


def _note_of(notes: dict[tuple[str, str], str], method: str, system: str, systems: tuple[str, ...]) -> str:
    """Of one system; of all: which of them have a note."""
    if system != ALL_SYSTEMS:
        return notes.get((method, system), "")
    said: dict[str, list[str]] = {}
    for one in systems:
        if notes.get((method, one)):
            said.setdefault(notes[method, one], []).append(one)
    return " ".join(
        text if len(where) == len(systems) else f"{', '.join(where)}: {text}" for text, where in said.items()
    )


def _row(method: str, scope: str, system: str, part: pd.DataFrame, ratio: float, note: str) -> dict[str, object]:
    counts = {verdict: int((part["verdict"] == verdict).sum()) for verdict in VERDICTS}
    return {
        "method": method,
        "scope": scope,
        "system": system,
        "contrasts": len(part),
        "significant": int(part["significant"].sum()),
        "reported": int(part["reported"].sum()),
        "agreeing": counts[SAME],
        "only_method": counts[ONLY_METHOD],
        "only_report": counts[ONLY_REPORT],
        "error_ratio": ratio,
        "note": note,
    }
