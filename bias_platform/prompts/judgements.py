"""The human judgements an adapter learns from, one row each, in an order that does not depend on the input's."""

import numpy as np
import pandas as pd

from bias_platform.catalog.entries import TaskEntry, TrainingData
from bias_platform.corpora.human_labels import modal_label
from bias_platform.errors import CorpusError, bullet_list, counted
from bias_platform.prompts.shown_content import shown_pictures, shown_texts

FREE_ANSWERS = ("sentence", "text")
"""Kinds of answers that are written in the annotators' own words: any label is one, if only it says something."""


def judgements_to_learn(
    items: pd.DataFrame,
    annotations: pd.DataFrame,
    task: TaskEntry,
    data: TrainingData,
    random: np.random.RandomState,
) -> pd.DataFrame:
    """The judgements of the split, one row a person: item_id, text, picture, label, annotators (1), who, occurrence,
    annotator_<attribute>.

    With `permute_attributes` what is known of annotators is dealt out anew over all judgements of the split, a whole
    person's attributes at a time. Dealing within each post would not do as a negative control: of k annotators, one
    in k keeps the own label, and posts judged mostly by strict people stay with strict attributes, so that 1/k of
    every bias would remain to be learnt.

    Raises:
        CorpusError: no judgement in the split, or labels that are no option of the task.
        TableError: items that lack what the task shows.
    """
    wanted = items_of_split(items, data.split)
    wanted = wanted[wanted["item_id"].isin(annotations["item_id"])]
    if wanted.empty:
        splits = ", ".join(sorted(items["split"].dropna().unique())) or "none"
        raise CorpusError(f"training: no human judgement in the split '{data.split}'; the corpus's splits: {splits}")
    judged = annotations.merge(shown_items(wanted, task), on="item_id", how="inner")
    labels_allowed(judged, task)
    attributes = [c for c in annotations.columns if c.startswith("annotator_") and c != "annotator_id"]
    judged = judged.loc[judged.index.repeat(judged["annotators"])]
    judged["who"] = judged["annotator_id"].fillna("")
    judged["annotators"] = 1
    judged = _sorted(judged, ["item_id", "who", "label", *attributes])
    judged["occurrence"] = judged.groupby(["item_id", "who", "label"], sort=False).cumcount()
    if data.permute_attributes and attributes:
        dealt = judged[attributes].iloc[random.permutation(len(judged))]
        judged[attributes] = dealt.to_numpy(object)
    return judged[["item_id", "text", "picture", "label", "annotators", "who", "occurrence", *attributes]]


def items_of_split(items: pd.DataFrame, split: str | None) -> pd.DataFrame:
    """The items of one split; all of them for None."""
    return items if split is None else items[items["split"] == split]


def shown_items(items: pd.DataFrame, task: TaskEntry) -> pd.DataFrame:
    """What of each item the task shows: item_id, text ("" where it is not shown), picture (file name or None).

    Raises:
        TableError: items that lack what the task shows.
    """
    return pd.DataFrame(
        {
            "item_id": items["item_id"].to_numpy(object),
            "text": shown_texts(items, task.shown).to_numpy(object),
            "picture": shown_pictures(items, task.shown).to_numpy(object),
        }
    )


def commonest_answer(annotations: pd.DataFrame, task: TaskEntry) -> pd.DataFrame:
    """What most annotators of each item said: item_id, label, annotators.

    Ties go to the option that comes first in the task; of free texts, to the first in alphabetical order, because the
    order of annotations must not matter.

    Raises:
        CorpusError: labels that are no option of the task, or empty ones.
    """
    labels_allowed(annotations, task)
    free = task.answer in FREE_ANSWERS
    priority = sorted(set(annotations["label"])) if free else task.option_values
    return modal_label(annotations, priority)[["item_id", "label", "annotators"]]


def labels_allowed(annotations: pd.DataFrame, task: TaskEntry) -> None:
    """Refuses labels that are no option of the task, all at once with their counts; of free answers, empty ones.

    Raises:
        CorpusError: names them.
    """
    if task.answer in FREE_ANSWERS:
        empty = annotations.loc[annotations["label"].str.strip() == "", "item_id"]
        if len(empty):
            raise CorpusError(
                f"{counted(len(empty), 'human answer')} of the corpus are empty (e.g. of item {empty.iloc[0]}); there "
                "is nothing to learn from them, leave these rows out"
            )
        return
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
