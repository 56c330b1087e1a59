"""What one group of annotators says of each item, by a label policy: the lessons of a system tuned on that group."""

import json

import pandas as pd

from bias_platform.catalog.entries import TaskEntry, TrainingData
from bias_platform.errors import CorpusError
from bias_platform.prompts.judgements import items_of_split, labels_allowed, shown_items


def group_judgements(
    items: pd.DataFrame, labels: pd.DataFrame, personas: pd.DataFrame, task: TaskEntry, data: TrainingData
) -> pd.DataFrame:
    """One row an item of the split that the policy labels for the persona's group, ordered by item.

    Args:
        items: a table `Items`; labels: the table `Labels` of their corpus.
        personas: a table `Personas`, `data.persona` among them.
        task: its options are the labels.
        data: split, persona and policy (`labels`), of `personas: specific`.

    Returns:
        item_id, text, picture, label, annotators (people the label rests on), who (the group), occurrence (0).

    Raises:
        CorpusError: the persona is not in the set or has no group of this policy, the policy labels no item of the
            split for it, or labels are no option of the task.
        TableError: items that lack what the task shows.
    """
    group = persona_group(personas, labels, data)
    wanted = items_of_split(items, data.split)
    said = group_labels(wanted, labels, str(data.labels), group)
    if said.empty:
        raise CorpusError(
            f"training: label policy '{data.labels}' gives the group '{group}' of persona '{data.persona}' no label "
            f"in the split '{data.split}'; compare the persona's `attributes` with the corpus's annotators"
        )
    labels_allowed(said, task)
    shown = shown_items(wanted[wanted["item_id"].isin(said["item_id"])], task)
    table = said.merge(shown, on="item_id").sort_values("item_id", kind="stable").reset_index(drop=True)
    return table.assign(who=group, occurrence=0)


def group_labels(items: pd.DataFrame, labels: pd.DataFrame, policy: str, group: str) -> pd.DataFrame:
    """What a policy makes of the judgements of one group, of these items: item_id, label, annotators."""
    rows = labels[(labels["policy"] == policy) & (labels["group"] == group)]
    return rows.loc[rows["item_id"].isin(items["item_id"]), ["item_id", "label", "annotators"]]


def persona_group(personas: pd.DataFrame, labels: pd.DataFrame, data: TrainingData) -> str:
    """The group of annotators a persona stands for: its value of the attribute that the policy is `within`.

    Raises:
        CorpusError: the persona is not in the set, or has no such attribute.
    """
    attributes = labels.loc[labels["policy"] == data.labels, "attribute"].dropna().unique()
    found = personas.loc[personas["persona_id"] == data.persona, "attributes"]
    if found.empty:
        raise CorpusError(f"training: there is no persona '{data.persona}' in the set '{data.persona_set}'")
    said: dict[str, str] = json.loads(found.iloc[0])
    groups = [said[attribute] for attribute in attributes if attribute in said]
    if not groups:
        within = ", ".join(attributes) or "no attribute: it labels no group"
        raise CorpusError(
            f"training: persona '{data.persona}' stands for no group of label policy '{data.labels}' (within "
            f"{within}); its attributes: {', '.join(said) or 'none'}"
        )
    return groups[0]
