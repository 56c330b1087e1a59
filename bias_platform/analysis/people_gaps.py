"""Systems told to be a persona against people of the persona's group: items and annotators are both samples.

Numbers are item-paired: an item's answers against the judgements of the same item, each item counting alike. Wordings
are these. Items that the group did not judge are left out; items on which a group is unanimous are not picked, because
that would select by the outcome.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_platform.analysis.adjustment import adjust
from bias_platform.analysis.annotator_variance import annotator_part, item_means
from bias_platform.analysis.comparisons import FloatArray, PairedGaps, compared, with_log_odds
from bias_platform.analysis.item_pairs import ROUNDING
from bias_platform.analysis.material import Material
from bias_platform.analysis.people import Judged, People
from bias_platform.analysis.scoped_means import ScopedMeans
from bias_platform.schemas.results import ITEM_PAIRED
from bias_platform.schemas.results_of_people import (
    BEYOND_CONTROL,
    DISTANCES,
    NEARER_THAN_CONTROL,
    OWN_AND_OTHERS,
    PERSONA,
    SOURCES,
)

_KEYS = ["source", "system", "persona_id"]


class _Estimate(NamedTuple):
    """A mean over items, as signed means of values of judgements."""

    labels: dict[str, object]
    sides: list[tuple[Judged, FloatArray, float]]


def people_gaps(material: Material, people: People, models: Mapping[str, ScopedMeans]) -> pd.DataFrame:
    """P(Yes) of the system minus that of the people; schema `PeopleGaps`; each source is one family.

    Args:
        material: of the primary reading.
        people: who judged.
        models: by persona id: log-odds of the same comparisons, labelled by source, system and persona_id.
    """
    level, tables = material.settings.confidence, []
    for source in SOURCES:
        table = _table(material, list(_gaps(material, people, source)))
        if len(table):
            parts = table.groupby("persona_id", sort=False)
            logged = [with_log_odds(part, _KEYS, models.get(str(persona)), level) for persona, part in parts]
            tables.append(adjust(pd.concat(logged), material.settings))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def people_distances(material: Material, people: People) -> pd.DataFrame:
    """Whether the persona answers like its own group; schema `PeopleDistances`; each comparison is one family.

    A distance is the mean of |answer - judgement|, the share of pairs that differ. Groups differ in how far they agree
    with anybody, so the distance to other groups is also held against the generic person's.
    """
    parts = []
    for comparison in DISTANCES:
        rows = [row for row in _distances(material, people) if row.labels["comparison"] == comparison]
        table = _table(material, rows)
        if len(table):
            parts.append(adjust(table.drop(columns=["judgements", "people_share"]), material.settings))
    tables = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    return tables.assign(method=ITEM_PAIRED) if len(tables) else tables


def _gaps(material: Material, people: People, source: str) -> Iterator[_Estimate]:
    for persona, own in people.own.items():
        asked = persona if source == PERSONA else material.answers.control
        for system in material.answers.systems:
            share = material.cell(asked, system)
            used = _used(own, share)
            if used.sum() > 1:
                said = item_means(own, own.yes, len(share))
                rates = {"system_yes": share[used].mean(), "people_yes": said[used].mean()}
                labels = {"source": source, **_names(material, persona, system), **rates}
                yield _Estimate(labels, [(own, share[own.item] - own.yes, 1.0)])


def _distances(material: Material, people: People) -> Iterator[_Estimate]:
    control = material.answers.control
    for persona, own in people.own.items():
        others = people.others[persona]
        for system in material.answers.systems:
            share, generic = material.cell(persona, system), material.cell(control, system)
            labels = _names(material, persona, system)
            near, base = _apart(own, share), _apart(own, generic)
            yield _Estimate({"comparison": NEARER_THAN_CONTROL, **labels}, [(own, near, 1.0), (own, base, -1.0)])
            if len(others.yes):
                far, far_base = _apart(others, share), _apart(others, generic)
                yield _Estimate({"comparison": OWN_AND_OTHERS, **labels}, [(own, near, 1.0), (others, far, -1.0)])
                sides = [(own, near - base, 1.0), (others, far - far_base, -1.0)]
                yield _Estimate({"comparison": BEYOND_CONTROL, **labels}, sides)


def _names(material: Material, persona: str, system: str) -> dict[str, object]:
    row = material.answers.personas.loc[persona]
    return {"system": system, "persona_id": persona, "label": row["label"], "dimension": row["dimension"]}


def _apart(judged: Judged, share: FloatArray) -> FloatArray:
    """(judgements,): how often an answer to the item differs from the judgement."""
    yes = share[judged.item]
    found: FloatArray = yes * (1.0 - judged.yes) + (1.0 - yes) * judged.yes
    return found


def _used(judged: Judged, share: FloatArray) -> NDArray[np.bool_]:
    used: NDArray[np.bool_] = np.isfinite(share) & (np.bincount(judged.item, minlength=len(share)) > 0)
    return used


def _table(material: Material, estimates: list[_Estimate]) -> pd.DataFrame:
    """Item-paired, with what annotators add; estimates on fewer than two items are left out."""
    items = len(material.cube.items)
    gaps, added, labels = [], [], []
    for one in estimates:
        means = [sign * item_means(judged, values, items) for judged, values, sign in one.sides]
        gap = np.sum(means, axis=0)
        used = np.isfinite(gap)
        if used.sum() > 1:
            gaps.append(gap)
            added.append(annotator_part(one.sides, used))
            labels.append({**one.labels, **_sizes(one, used), **_two_distances(one, means, used)})
    if not gaps:
        return pd.DataFrame()
    variance, df = (np.array([part[k] for part in added]) for k in (0, 1))
    bound = 1.0 if "source" in labels[0] else 2.0  # a difference of differences may be as large
    paired = PairedGaps(np.column_stack(gaps), np.diag(variance), df, bound, ROUNDING)
    table = compared(pd.DataFrame(labels), paired, material.settings.confidence)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = variance[table.index] / table["standard_error"].to_numpy(float) ** 2
    return table.assign(people_share=np.clip(np.nan_to_num(share), 0.0, 1.0))


def _sizes(one: _Estimate, used: NDArray[np.bool_]) -> dict[str, object]:
    judged = {id(side): side.only(used[side.item]) for side, _, _ in one.sides}
    who = np.unique(np.concatenate([part.annotator for part in judged.values()]))
    return {
        "items": int(used.sum()),
        "annotators": len(who),
        "judgements": sum(len(part.yes) for part in judged.values()),
    }


def _two_distances(one: _Estimate, means: list[FloatArray], used: NDArray[np.bool_]) -> dict[str, object]:
    """The distances that are compared, where two are."""
    if "comparison" not in one.labels:
        return {}
    two = one.labels["comparison"] != BEYOND_CONTROL
    return {name: abs(float(means[k][used].mean())) if two else np.nan for k, name in enumerate(("first", "second"))}
