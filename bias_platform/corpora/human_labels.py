"""What people said of an item, summed up: counts, modes and majorities, always with how many people they rest on."""

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from bias_platform.errors import CorpusError

BY_ITEM = ("item_id",)
"""All judgements of an item are taken together."""


def human_yes_share(annotations: pd.DataFrame, positive: Collection[str]) -> pd.DataFrame:
    """How many annotators of each item chose one of the positive options.

    Returns:
        one row an item: item_id, annotators (n), yes (n), yes_share (yes / annotators, 0..1).
    """
    weights = annotations["annotators"].to_numpy(np.int64)
    yes = weights * annotations["label"].isin(list(positive)).to_numpy()
    frame = pd.DataFrame({"item_id": annotations["item_id"].to_numpy(object), "annotators": weights, "yes": yes})
    table = frame.groupby("item_id", sort=True).sum().reset_index()
    table["yes_share"] = table["yes"] / table["annotators"]
    return table


def label_shares(annotations: pd.DataFrame, by: Sequence[str] = BY_ITEM, weight: str = "annotators") -> pd.DataFrame:
    """How much each label weighs among the judgements of an item, or of a group of its annotators.

    Args:
        annotations: a table `Annotations`.
        by: columns that say whose judgements are taken together; rows where one is missing do not count.
        weight: the column of weights, whole numbers.

    Returns:
        one row a label that somebody gave: the columns `by`, label, n (its weight), total (of all labels), share.
    """
    keys = [*by, "label"]
    counts = annotations.groupby(keys, sort=False)[weight].sum().rename("n").reset_index()
    counts["total"] = counts.groupby(list(by), sort=False)["n"].transform("sum")
    return counts.assign(share=counts["n"] / counts["total"])


def modal_label(
    annotations: pd.DataFrame, priority: Sequence[str], by: Sequence[str] = BY_ITEM, weight: str = "annotators"
) -> pd.DataFrame:
    """The commonest label of each item; among equally common ones the first in `priority`.

    Args:
        annotations: a table `Annotations`.
        priority: every label that occurs, the one that wins ties first.
        by: whose judgements are taken together, as of `label_shares`.
        weight: what is counted.

    Returns:
        one row an item (or group of its annotators), sorted: the columns `by`, label, share (of the weight), tied
        (whether `priority` decided), and the whole weight under the name of its column.

    Raises:
        CorpusError: labels that are not in `priority`.
    """
    unknown = sorted(set(annotations["label"]) - set(priority))
    if unknown:
        allowed = ", ".join(priority)
        raise CorpusError(f"no tie priority for the labels {', '.join(unknown)}; the order given is: {allowed}")
    keys = list(by)
    counts = label_shares(annotations, keys, weight)
    counts["place"] = counts["label"].map({label: place for place, label in enumerate(priority)})
    top = counts.groupby(keys)["n"].transform("max")
    best = counts[counts["n"] == top].sort_values([*keys, "place"], kind="stable")
    tied = best.duplicated(keys, keep=False)
    table = best.assign(tied=tied).drop_duplicates(keys).rename(columns={"total": weight})
    return table[[*keys, "label", "share", "tied", weight]].reset_index(drop=True)


def majority_label(annotations: pd.DataFrame) -> pd.DataFrame:
    """The label more than half of an item's annotators chose; missing (None) where no label has that many.

    Returns:
        one row an item: item_id, label, annotators (n).
    """
    labels = sorted(set(annotations["label"]))
    table = modal_label(annotations, labels)
    label = table["label"].astype(object).where(table["share"] > 0.5, None)
    return pd.DataFrame({"item_id": table["item_id"], "label": label, "annotators": table["annotators"]})
