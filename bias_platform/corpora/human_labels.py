"""What people said of an item, summed up: counts, modes and majorities, always with how many people they rest on."""

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from bias_platform.errors import CorpusError


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


def modal_label(annotations: pd.DataFrame, priority: Sequence[str]) -> pd.DataFrame:
    """The commonest label of each item; among equally common ones the first in `priority`.

    Args:
        annotations: a table `Annotations`.
        priority: every label that occurs, the one that wins ties first.

    Returns:
        one row an item: item_id, label, share (of annotators who chose it), tied (whether `priority` decided),
        annotators (n).

    Raises:
        CorpusError: labels that are not in `priority`.
    """
    unknown = sorted(set(annotations["label"]) - set(priority))
    if unknown:
        allowed = ", ".join(priority)
        raise CorpusError(f"no tie priority for the labels {', '.join(unknown)}; the order given is: {allowed}")
    counts = annotations.groupby(["item_id", "label"], sort=False)["annotators"].sum().rename("n").reset_index()
    counts["place"] = counts["label"].map({label: place for place, label in enumerate(priority)})
    by_item = counts.groupby("item_id")["n"]
    counts["annotators"], counts["top"] = by_item.transform("sum"), by_item.transform("max")
    best = counts[counts["n"] == counts["top"]].sort_values(["item_id", "place"], kind="stable")
    tied = best["item_id"].duplicated(keep=False)
    table = best.assign(tied=tied, share=best["n"] / best["annotators"]).drop_duplicates("item_id")
    return table[["item_id", "label", "share", "tied", "annotators"]].reset_index(drop=True)


def majority_label(annotations: pd.DataFrame) -> pd.DataFrame:
    """The label more than half of an item's annotators chose; missing (None) where no label has that many.

    Returns:
        one row an item: item_id, label, annotators (n).
    """
    labels = sorted(set(annotations["label"]))
    table = modal_label(annotations, labels)
    label = table["label"].astype(object).where(table["share"] > 0.5, None)
    return pd.DataFrame({"item_id": table["item_id"], "label": label, "annotators": table["annotators"]})
