"""Test sets of one group: the items its people judged, with what they said."""

import pandas as pd

from bias_platform.prompts.group_judgements import group_labels


def group_test_set(
    items: pd.DataFrame, labels: pd.DataFrame, policy: str, group: str, split: str | None = "test"
) -> pd.DataFrame:
    """The items of a split that a label policy labels for one group.

    >>> items = pd.DataFrame({"item_id": ["a-000001", "a-000002"], "text": ["tea", "milk"], "split": "test"})
    >>> said = [("a-000001", "by-gender", "woman", "No", 2), ("a-000001", "by-gender", "man", "Yes", 1)]
    >>> labels = pd.DataFrame(said, columns=["item_id", "policy", "group", "label", "annotators"])
    >>> group_test_set(items, labels, "by-gender", "woman")[["item_id", "label", "annotators"]].values.tolist()
    [['a-000001', 'No', 2]]

    Args:
        items: a table `Items`; labels: the table `Labels` of their corpus.
        policy: slug of the label policy, `within` an annotator attribute.
        group: value of that attribute.
        split: of the items; None: all.

    Returns:
        the columns of `items`, label, and annotators (people of the group the label rests on), ordered by item; no
        row where nobody of the group judged.
    """
    wanted = items if split is None else items[items["split"] == split]
    table = wanted.merge(group_labels(wanted, labels, policy, group), on="item_id")
    return table.sort_values("item_id", kind="stable").reset_index(drop=True)
