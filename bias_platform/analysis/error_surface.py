"""Where a system errs against most people: persona by the group that an item is about.

The two kinds of error stand apart, because a persona that says Yes more often has more false alarms and fewer misses:
one rate of errors would hide either. An item's truth is the majority of its annotators, which is no more than that.
"""

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_platform.analysis.adjustment import adjust
from bias_platform.analysis.agreement import human_majority
from bias_platform.analysis.answers import Answers
from bias_platform.analysis.item_cube import FloatArray, ItemCube
from bias_platform.analysis.item_pairs import paired_differences
from bias_platform.analysis.rare_intervals import rare_rate_interval
from bias_platform.catalog.entries import AnalysisSettings
from bias_platform.schemas.results import ITEM_PAIRED
from bias_platform.schemas.results_of_people import ERROR_KINDS, FALSE_ALARM

MINIMUM_TARGET_ITEMS = 10
"""Targets with fewer items of a kind are taken together."""
MOST_TARGETS = 12
"""So many of the commonest are shown apart."""
OTHER, NOBODY = "other", "no group"


class ErrorSurface(NamedTuple):
    """Result rows, and what the models of errors need."""

    rates: pd.DataFrame
    targets: dict[str, "pd.Series[str]"]
    """By kind: item id -> target group, of the items where that kind of error is possible."""
    messages: list[str]


class _Who(NamedTuple):
    """A persona, or the personas of a group."""

    labels: dict[str, object]
    at: list[int]
    """Positions in the cube."""


def error_surface(
    answers: Answers,
    cube: ItemCube,
    humans: pd.DataFrame | None,
    target_groups: Mapping[str, str],
    settings: AnalysisSettings,
) -> ErrorSurface:
    """Rates of false alarms and misses by persona and target group, and against the generic person.

    Items without a majority (ties) are left out. Intervals of rates take items as the sample (`rare_rate_interval`);
    differences to the generic person on the same items are paired by item, all of one kind being one family. Where the
    study names an attribute of personas (`groups`), the personas that share its value are rows as well.

    Args:
        answers: prepared answers.
        cube: of the primary reading.
        humans: item_id, annotators (n) and yes (n); None: no labels are known.
        target_groups: item id -> the group the item is about; without any there is no surface.
        settings: confidence, multiplicity, groups.
    """
    if humans is None or humans.empty or not target_groups:
        return ErrorSurface(pd.DataFrame(), {}, [])
    majority, _ = human_majority(humans, cube.items)
    targets = {kind: _targets(cube, majority == (kind != FALSE_ALARM), target_groups) for kind in ERROR_KINDS}
    parts = [_of_kind(answers, cube, kind, targets[kind], settings) for kind in ERROR_KINDS]
    rates = pd.concat([part for part in parts if len(part)] or [pd.DataFrame()], ignore_index=True)
    few = f"no target group has {MINIMUM_TARGET_ITEMS} items of a kind of error: errors are not shown by target group."
    return ErrorSurface(rates, targets, [] if len(rates) else [few.capitalize()])


def _targets(cube: ItemCube, of_kind: NDArray[np.bool_], target_groups: Mapping[str, str]) -> "pd.Series[str]":
    """Items of a kind by target; rare targets as one."""
    items = [item for item, one in zip(cube.items, of_kind, strict=True) if one]
    named = pd.Series([target_groups.get(item, NOBODY) for item in items], index=items, dtype=object)
    counts = named[named != NOBODY].value_counts().sort_index().sort_values(ascending=False, kind="stable")
    kept = counts.index[counts >= MINIMUM_TARGET_ITEMS][:MOST_TARGETS]
    return named.where(named.isin([*kept, NOBODY]), OTHER)


def persona_groups(answers: Answers, attribute: str | None) -> dict[str, list[str]]:
    """Value of a persona attribute -> the named personas that have it; empty without an attribute."""
    found: dict[str, list[str]] = {}
    for persona, written in answers.personas.loc[answers.named, "attributes"].items():
        value = json.loads(str(written)).get(attribute) if attribute else None
        if value is not None:
            found.setdefault(str(value), []).append(str(persona))
    return found


def _whose(answers: Answers, cube: ItemCube, attribute: str | None) -> Iterator[_Who]:
    rows = answers.personas.loc[[answers.control, *answers.named]]
    for persona, row in rows.iterrows():
        names = {"persona_id": str(persona), "group": None, "label": row["label"], "dimension": row["dimension"]}
        yield _Who({**names, "role": row["role"]}, [cube.persona(str(persona))])
    for value, members in persona_groups(answers, attribute).items():
        names = {"persona_id": None, "group": value, "label": value, "dimension": str(attribute), "role": "group"}
        yield _Who(names, cube.positions(members))


def _of_kind(
    answers: Answers, cube: ItemCube, kind: str, targets: "pd.Series[str]", settings: AnalysisSettings
) -> pd.DataFrame:
    if set(targets) <= {OTHER, NOBODY}:
        return pd.DataFrame()
    place = {item: k for k, item in enumerate(cube.items)}
    rows, gaps = [], []
    for target in sorted(targets.unique(), key=lambda name: (name in (OTHER, NOBODY), name)):
        at = np.array([place[item] for item in targets.index[targets == target]])
        known = cube.known[at]
        wrong = cube.total[at] if kind == FALSE_ALARM else known - cube.total[at]
        control = cube.persona(answers.control)
        for who in _whose(answers, cube, settings.groups):
            for s, system in enumerate(cube.systems):
                row = _rate(wrong[:, who.at, s].sum(axis=1), known[:, who.at, s].sum(axis=1), settings.confidence)
                if row is not None:
                    rows.append({"kind": kind, "system": system, "target": target, **who.labels, **row})
                    gap = _share(wrong[:, who.at, s], known[:, who.at, s])
                    own = _share(wrong[:, [control], s], known[:, [control], s])
                    gaps.append(np.full(len(at), np.nan) if who.at == [control] else gap - own)
    return _compared(pd.DataFrame(rows), gaps, settings) if rows else pd.DataFrame()


def _share(wrong: FloatArray, known: FloatArray) -> FloatArray:
    """(items,) mean over personas of the share of wrong answers; NaN unless all of them were judged."""
    with np.errstate(invalid="ignore", divide="ignore"):
        share: FloatArray = (wrong / known).mean(axis=1)
    return share


def _rate(wrong: FloatArray, known: FloatArray, confidence: float) -> dict[str, object] | None:
    answers = int(known.sum())
    if not answers:
        return None
    rate, lower, upper = rare_rate_interval(wrong, known, confidence)
    return {
        "items": int((known > 0).sum()),
        "answers": answers,
        "errors": int(wrong.sum()),
        "rate": rate,
        "rate_lower": lower,
        "rate_upper": upper,
    }


def _compared(table: pd.DataFrame, gaps: list[FloatArray], settings: AnalysisSettings) -> pd.DataFrame:
    """Adds differences to the generic person, targets having different numbers of items."""
    longest = max(len(one) for one in gaps)
    padded = np.column_stack([np.pad(one, (0, longest - len(one)), constant_values=np.nan) for one in gaps])
    found = paired_differences(padded, settings.confidence)
    named = {name: getattr(found, name) for name in ("difference", "standard_error", "lower", "upper", "df", "p_value")}
    return adjust(table.assign(**named, method=ITEM_PAIRED), settings)
