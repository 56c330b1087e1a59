"""Which of a study's items a system tuned on one group is asked about: those that its group's people judged."""

import json
from collections.abc import Iterable, Mapping

import pandas as pd

from bias_platform.catalog.corpus_settings import LabelPolicy
from bias_platform.errors import CorpusError


def group_key(persona: str, labels: str) -> str:
    """How the questions of a persona about its own group's items are named.

    >>> group_key("woman", "unanimous-gender")
    'woman by unanimous-gender'
    """
    return f"{persona} by {labels}"


def group_items(
    items: pd.DataFrame,
    labels: pd.DataFrame,
    personas: pd.DataFrame,
    policies: Mapping[str, LabelPolicy],
    groups: Iterable[tuple[str, str]],
) -> pd.DataFrame:
    """The items that a label policy labels for the group whose attributes a persona has.

    Args:
        items: a table `Items`.
        labels: a table `Labels` of their corpus.
        personas: a table `Personas`.
        policies: the corpus's label policies.
        groups: (persona, policy `within` an attribute of it).

    Returns:
        a table `GroupItems`, ordered by persona, policy (as given) and item.

    Raises:
        CorpusError: a group for which the policy labels none of the items; all such groups at once.
    """
    attributes = {row.persona_id: json.loads(str(row.attributes)) for row in personas.itertuples()}
    parts, empty = [], []
    for persona, policy in dict.fromkeys(groups):
        within = policies[policy].within
        group = attributes[persona].get(within)
        rows = labels[(labels["policy"] == policy) & (labels["group"] == group)]
        chosen = items.loc[items["item_id"].isin(rows["item_id"]), "item_id"].drop_duplicates()
        if chosen.empty:
            empty.append(f"'{group}' ({within}, persona '{persona}')")
        parts.append(pd.DataFrame({"persona_id": persona, "labels": policy, "item_id": chosen}, dtype=object))
    if empty:
        raise CorpusError(
            f"no item of the study has a label of {', '.join(empty)}: compare `attributes` of the persona with the "
            "corpus's annotators, or take more items"
        )
    columns = ["persona_id", "labels", "item_id"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns, dtype=object)
