"""People who share a persona's attributes: which of them judged the study's items, and what they said."""

import json
from collections.abc import Hashable
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_platform.analysis.answers import Answers
from bias_platform.analysis.item_cube import ItemCube
from bias_platform.analysis.phrases import have

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
MINIMUM_PEOPLE = 5
"""With fewer annotators nothing is said of how much others would differ from them."""
MINIMUM_JUDGED_ITEMS = 20
_PREFIX = "annotator_"


class Judged(NamedTuple):
    """Judgements of one group of people, one entry each."""

    item: IntArray
    """Position of the item in the cube."""
    annotator: IntArray
    yes: FloatArray
    """0 or 1."""

    @property
    def items(self) -> int:
        """How many items they judged."""
        return len(np.unique(self.item))

    @property
    def annotators(self) -> int:
        """How many people they are."""
        return len(np.unique(self.annotator))

    def only(self, kept: NDArray[np.bool_]) -> "Judged":
        """Some of the judgements."""
        return Judged(self.item[kept], self.annotator[kept], self.yes[kept])


class People(NamedTuple):
    """By persona: the people of its own group, and those of the other groups of its dimension."""

    own: dict[str, Judged]
    others: dict[str, Judged]
    coverage: pd.DataFrame
    """Schema `PeopleCoverage`."""
    messages: list[str]


def people_of_personas(answers: Answers, cube: ItemCube, judgements: pd.DataFrame | None) -> People:
    """Finds for each named persona the judgements of people who share all its attributes.

    A persona is compared where at least 5 such people judged at least 20 of the study's items. The other groups are the
    people of other personas of the dimension; people who belong to both are in neither.

    Args:
        answers: prepared answers.
        cube: whose items count.
        judgements: item_id, annotator_id, yes (0/1) and `annotator_<attribute>`; None: nobody is known.
    """
    if judgements is None or judgements.empty:
        return People({}, {}, pd.DataFrame(), [])
    known = judgements[judgements["annotator_id"].notna() & judgements["item_id"].isin(cube.items)]
    lost = int(judgements["annotator_id"].isna().sum())
    messages = [f"{have(lost, 'judgement')} no known annotator: not compared with personas."] if lost else []
    everyone = _everyone(known, cube)
    named = answers.personas.loc[answers.named]
    traits = {str(p): json.loads(str(text)) for p, text in named["attributes"].items()}
    members = {p: _members(known, one) for p, one in traits.items()}
    own = {p: everyone.only(kept) for p, kept in members.items()}
    coverage = pd.DataFrame([_coverage(named.loc[p].to_dict(), traits[p], own[p], known) for p in own])
    kept = [p for p, one in zip(own, coverage["compared"], strict=True) if one]
    dimension = named["dimension"].astype(str).to_dict()
    others = {}
    for p in kept:
        rest = [members[q] for q in own if dimension[q] == dimension[p] and traits[q] != traits[p]]
        apart = np.logical_or.reduce([np.zeros(len(known), dtype=bool), *rest]) & ~members[p]
        others[p] = everyone.only(apart)
    return People({p: own[p] for p in kept}, others, coverage, messages)


def _everyone(judgements: pd.DataFrame, cube: ItemCube) -> Judged:
    place = {item: k for k, item in enumerate(cube.items)}
    item = np.asarray(judgements["item_id"].map(place), dtype=np.int64)
    annotator = np.asarray(pd.factorize(judgements["annotator_id"])[0], dtype=np.int64)
    return Judged(item, annotator, judgements["yes"].to_numpy(float))


def _members(judgements: pd.DataFrame, traits: dict[str, str]) -> NDArray[np.bool_]:
    """(judgements,): whether who judged has all the traits; nobody where a trait was not asked, or there is none."""
    found = np.full(len(judgements), bool(traits))
    for name, value in traits.items():
        column = f"{_PREFIX}{name}"
        found &= (judgements[column] == value).to_numpy() if column in judgements.columns else False
    return found


def _coverage(
    row: dict[Hashable, object], traits: dict[str, str], own: Judged, judgements: pd.DataFrame
) -> dict[str, object]:
    why = _why_not(traits, own, judgements)
    return {
        "persona_id": row["persona_id"],
        "label": row["label"],
        "dimension": row["dimension"],
        "people": ", ".join(f"{name}: {value}" for name, value in traits.items()) or None,
        "items": own.items,
        "annotators": own.annotators,
        "judgements": len(own.yes),
        "compared": why is None,
        "why_not": why,
    }


def _why_not(traits: dict[str, str], own: Judged, judgements: pd.DataFrame) -> str | None:
    if not traits:
        return "the persona names no attribute of annotators"
    unasked = [name for name in traits if f"{_PREFIX}{name}" not in judgements.columns]
    if unasked:
        return f"the corpus does not know the {', '.join(unasked)} of its annotators"
    if own.annotators < MINIMUM_PEOPLE:
        return f"fewer than {MINIMUM_PEOPLE} such people judged the study's items"
    return None if own.items >= MINIMUM_JUDGED_ITEMS else f"they judged fewer than {MINIMUM_JUDGED_ITEMS} items"
