"""How many of the items that all annotators judge alike, and that are about one group, each persona recognises."""

import re

import numpy as np
import numpy.typing as npt
import pandas as pd

from bias_platform.analysis.agreements.answer_matrix import NOT_ASKED, Column
from bias_platform.analysis.agreements.comparing import Comparing
from bias_platform.catalog.agreement_settings import TargetedSubset
from bias_platform.corpora.assembly import GROUP_SEPARATOR
from bias_platform.statistics import proportion_interval


def targeted_recalls(comparing: Comparing) -> pd.DataFrame:
    """Table `TargetedRecalls`; a subset without an item has no row."""
    rows = []
    for slug, subset in comparing.inputs.settings.targeted.items():
        items = targeted_items(comparing, subset)
        if items.any():
            rows += [
                _recall(comparing, slug, subset, items, system, column)
                for system in comparing.whole_systems
                for column in _columns(comparing, system, subset)
            ]
    return _with_intervals(pd.DataFrame(rows), comparing.counting.confidence) if rows else pd.DataFrame()


def targeted_items(comparing: Comparing, subset: TargetedSubset) -> npt.NDArray[np.bool_]:
    """(items,) whether every annotator said the subset's label and every group that was named is the subset's.

    Where a corpus does not say which groups its annotators named, it is the item's own group that counts.
    """
    people = comparing.inputs.annotations
    people = people[people["item_id"].isin(comparing.matrix.items)]
    unanimous = (people["label"] == subset.label).groupby(people["item_id"]).all()
    about = _about(comparing, people, subset.group)
    chosen = set(unanimous.index[unanimous]) & set(about.index[about])
    return np.asarray(comparing.matrix.items.isin(list(chosen)))


def _about(comparing: Comparing, people: pd.DataFrame, pattern: str) -> pd.Series:
    """Item id -> whether all that is known of its groups matches."""
    if "target_groups" not in people:
        named = comparing.inputs.items.set_index("item_id")["target_group"].fillna("")
        return named.map(lambda name: re.search(pattern, name) is not None).astype(bool)
    distinct = {text: _all_match(pattern, text) for text in people["target_groups"].unique()}
    return people["target_groups"].map(distinct).astype(bool).groupby(people["item_id"]).all()


def _all_match(pattern: str, groups: str) -> bool:
    return all(re.search(pattern, group) is not None for group in groups.split(GROUP_SEPARATOR))


def _columns(comparing: Comparing, system: str, subset: TargetedSubset) -> list[Column]:
    """Personas of the subset's dimensions, and the references."""
    dimension = comparing.personas["dimension"]
    role = comparing.personas["role"]
    wanted = set(subset.dimensions) or set(dimension)
    said = comparing.matrix.systems[system].columns
    return [column for column in said if role[column[0]] != "named" or dimension[column[0]] in wanted]


def _recall(
    comparing: Comparing,
    slug: str,
    subset: TargetedSubset,
    items: npt.NDArray[np.bool_],
    system: str,
    column: Column,
) -> dict[str, object]:
    codes = comparing.codes(system, [column])[items, 0]
    codes = codes[codes != NOT_ASKED]  # an error of the engine is no answer of the model
    persona = comparing.personas.loc[column[0]]
    return {
        "subset": slug,
        "title": subset.title,
        "system": system,
        "persona_id": column[0],
        "label": persona["label"],
        "dimension": persona["dimension"],
        "template_id": column[1],
        "items": len(codes),
        "answered": int(((codes >= 0) & (codes < comparing.matrix.bad)).sum()),
        "recognised": int((codes == comparing.matrix.answers.index(subset.label)).sum()),
        "query": comparing.queries.subset(system, column, subset.group, subset.label),
    }


def _with_intervals(table: pd.DataFrame, confidence: float) -> pd.DataFrame:
    share = proportion_interval(table["recognised"], table["items"], confidence)
    return table.assign(recall=share.estimate, lower=share.lower, upper=share.upper)
