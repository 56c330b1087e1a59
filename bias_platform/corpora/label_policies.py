"""Declared rules by which the judgements of an item, or of one group of its annotators, become its label.

Groups of one person count unless a policy says otherwise (`minimum_annotators`); how many people a label rests on
always stands beside it. `Incomprehensible` is a label like any other.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bias_platform.catalog.corpus_settings import LabelPolicy
from bias_platform.corpora.assembly import ATTRIBUTE_PREFIX, attribute_columns, shown_counts
from bias_platform.corpora.human_labels import label_shares, modal_label
from bias_platform.errors import CorpusError, bullet_list
from bias_platform.schemas import Labels, validate_table

_VOTES = "votes"
_COLUMNS = ("item_id", "policy", "attribute", "group", "label", "share", "annotators", "tied")


def policy_labels(corpus: str, annotations: pd.DataFrame, policies: Mapping[str, LabelPolicy]) -> pd.DataFrame:
    """What every policy makes of the judgements.

    Args:
        corpus: its slug, for errors.
        annotations: a table `Annotations`.
        policies: slug -> rule.

    Returns:
        table `Labels`, in the order of the policies and, within one, of item, group and label. An item (or group) a
        policy gives no label has no row. `annotators` counts people: who judges an item twice is one.

    Raises:
        CorpusError: policies that name an attribute or count rows the corpus does not have, or whose priority lacks a
            label that occurs; all of them at once.
    """
    parts = []
    problems = []
    for slug, policy in policies.items():
        try:
            parts.append(_labels(slug, policy, annotations))
        except CorpusError as error:
            problems.append(f"label policy '{slug}': {error}")
    if problems:
        raise CorpusError(f"corpus '{corpus}': label policies do not fit what people said:\n{bullet_list(problems)}")
    given = [part for part in parts if len(part)]
    table = pd.concat(given, ignore_index=True) if given else _no_labels()
    return validate_table(table, Labels, f"labels of {corpus}")


def policy_facts(labels: pd.DataFrame, *, free_labels: bool) -> dict[str, Any]:
    """Policy -> how many items, or groups of their annotators, got each label; without `free_labels` by label."""
    by_policy = labels.groupby("policy", sort=False)
    return {
        str(policy): len(rows) if free_labels else shown_counts(rows["label"].value_counts())
        for policy, rows in by_policy
    }


def _labels(slug: str, policy: LabelPolicy, annotations: pd.DataFrame) -> pd.DataFrame:
    judged, by = annotations.assign(group=None), ["item_id"]
    if policy.within is not None:
        judged, by = _grouped(annotations, policy.within), ["item_id", "group"]
    judged = judged.assign(**{_VOTES: _votes(judged, by, policy)})
    chosen = _chosen(policy, judged, by, _VOTES)
    people = _people(judged, by)
    table = chosen.merge(people, on=by, how="left", sort=False)
    table = table[table["annotators"] >= policy.minimum_annotators]
    table = table.sort_values([*by, "label"], kind="stable", ignore_index=True)
    table = table.assign(policy=slug, attribute=policy.within, group=table["group"] if policy.within else None)
    return table[list(_COLUMNS)].astype(dict.fromkeys(_COLUMNS[:5], object))


def _votes(judged: pd.DataFrame, by: list[str], policy: LabelPolicy) -> pd.Series:
    """What each judgement weighs, as whole numbers, so that ties are exact.

    A person has one vote an item: who judges it several times divides it.
    """
    if policy.count == "rows":
        if "source_rows" not in judged:
            raise CorpusError("counts rows, but the source has one row a judgement; use `count: annotators`")
        return judged["source_rows"]
    times = judged.groupby([*by, "annotator_id"], sort=False, dropna=False)["label"].transform("size")
    times = times.where(judged["annotator_id"].notna(), 1).astype(np.int64)
    whole = int(np.lcm.reduce(times.unique())) if len(times) else 1
    return judged["annotators"] * (whole // times)


def _grouped(annotations: pd.DataFrame, attribute: str) -> pd.DataFrame:
    """The judgements of annotators whose group is known, with their group."""
    column = f"{ATTRIBUTE_PREFIX}{attribute}"
    known = [name.removeprefix(ATTRIBUTE_PREFIX) for name in attribute_columns(annotations)]
    if attribute not in known:
        raise CorpusError(f"the corpus says nothing of the `{attribute}` of annotators; it has {', '.join(known)}")
    return annotations.assign(group=annotations[column])[annotations[column].notna()]


def _chosen(policy: LabelPolicy, judged: pd.DataFrame, by: list[str], weight: str) -> pd.DataFrame:
    """Columns `by`, label, share, tied."""
    if policy.rule == "mode":
        return modal_label(judged, policy.priority, by, weight).drop(columns=weight)
    shares = label_shares(judged, by, weight).assign(tied=False)
    enough = {
        "majority": 2 * shares["n"] > shares["total"],
        "unanimous": shares["n"] == shares["total"],
        "union": shares["n"] > 0,
    }
    return shares.loc[enough[policy.rule], [*by, "label", "share", "tied"]]


def _people(judged: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """How many people the judgements of each item or group come from."""
    named = judged["annotator_id"].notna()
    first = named & ~judged.duplicated([*by, "annotator_id"])
    counts = pd.Series(np.where(named, first.astype(np.int64), judged["annotators"]), index=judged.index)
    return judged[by].assign(annotators=counts).groupby(by, sort=False)["annotators"].sum().reset_index()


def _no_labels() -> pd.DataFrame:
    kinds = {"share": float, "annotators": np.int64, "tied": bool}
    return pd.DataFrame({name: pd.Series([], dtype=kinds.get(name, object)) for name in _COLUMNS})
