"""The by-group test sets of a study: the items a system tuned on one group is asked about, with their labels."""

import json
from collections.abc import Iterable, Mapping

import pandas as pd

from bias_platform.catalog.corpus_settings import LabelPolicy
from bias_platform.errors import CorpusError
from bias_platform.prompts.group_sets import group_test_set

_COLUMNS = ("persona_id", "labels", "item_id", "label", "annotators")


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
        groups: (persona, policy `within` an attribute of it); at least one.

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
        chosen = group_test_set(items, labels, policy, str(group), split=None)[["item_id", "label", "annotators"]]
        if chosen.empty:
            empty.append(f"'{group}' ({within}, persona '{persona}')")
        parts.append(chosen.assign(persona_id=persona, labels=policy)[list(_COLUMNS)])
    if empty:
        raise CorpusError(
            f"no item of the study has a label of {', '.join(empty)}: compare `attributes` of the persona with the "
            "corpus's annotators, or take more items"
        )
    return pd.concat(parts, ignore_index=True)
