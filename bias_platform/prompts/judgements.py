"""The human judgements an adapter learns from, one row each, in an order that does not depend on the input's."""

import numpy as np
import pandas as pd

from bias_platform.catalog.entries import TaskEntry, TrainingData
from bias_platform.errors import CorpusError, bullet_list, counted


def judgements_to_learn(
    items: pd.DataFrame,
    annotations: pd.DataFrame,
    task: TaskEntry,
    data: TrainingData,
    random: np.random.RandomState,
) -> pd.DataFrame:
    """The judgements of the split, one row a person: item_id, text, label, who, occurrence, annotator_<attribute>.

    With `permute_attributes` what is known of annotators is dealt out anew over all judgements of the split, a whole
    person's attributes at a time. Dealing within each post would not do as a negative control: of k annotators, one
    in k keeps the own label, and posts judged mostly by strict people stay with strict attributes, so that 1/k of
    every bias would remain to be learnt.

    Raises:
        CorpusError: no judgement in the split, or labels that are no option of the task.
    """
    wanted = items if data.split is None else items[items["split"] == data.split]
    judged = annotations.merge(wanted[["item_id", "text"]], on="item_id", how="inner")
    if judged.empty:
        splits = ", ".join(sorted(items["split"].dropna().unique())) or "none"
        raise CorpusError(f"training: no human judgement in the split '{data.split}'; the corpus's splits: {splits}")
    labels_allowed(judged, task)
    attributes = [c for c in annotations.columns if c.startswith("annotator_") and c != "annotator_id"]
    judged = judged.loc[judged.index.repeat(judged["annotators"])]
    judged["who"] = judged["annotator_id"].fillna("")
    judged = _sorted(judged, ["item_id", "who", "label", *attributes])
    judged["occurrence"] = judged.groupby(["item_id", "who", "label"], sort=False).cumcount()
    if data.permute_attributes and attributes:
        dealt = judged[attributes].iloc[random.permutation(len(judged))]
        judged[attributes] = dealt.to_numpy(object)
    return judged[["item_id", "text", "label", "who", "occurrence", *attributes]]


def labels_allowed(annotations: pd.DataFrame, task: TaskEntry) -> None:
    """Refuses labels that are no option of the task, all at once with their counts."""
    counts = annotations["label"].value_counts().sort_index()
    wrong = [f"'{label}' ({counted(n, 'row')})" for label, n in counts.items() if label not in task.option_values]
    if wrong:
        allowed = ", ".join(task.option_values)
        raise CorpusError(
            f"human labels that are no option of the task:\n{bullet_list(wrong)}\n"
            f"options: {allowed}; map them in the corpus's `label_values`"
        )


def _sorted(judged: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    comparable = judged[keys].fillna("").reset_index(drop=True)
    order = comparable.sort_values(keys, kind="stable").index
    return judged.iloc[order].reset_index(drop=True)
