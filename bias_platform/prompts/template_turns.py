"""Which wording each training example gets: all of them equally often, so that none goes with a label by chance."""

from collections.abc import Sequence

import numpy as np
import pandas as pd


def take_turns(persona_ids: pd.Series, names: Sequence[str], random: np.random.RandomState) -> np.ndarray:
    """Names in rotation within each persona; composite ones, which have no id, rotate together.

    Args:
        persona_ids: one an example, already in random order; names: of the wordings; random: where a rotation starts.

    Returns:
        a name for each example; within a persona the counts of two names differ by one at most.
    """
    turn = persona_ids.groupby(persona_ids.fillna(""), sort=False).cumcount().to_numpy()
    return np.array(names, dtype=object)[(turn + random.randint(len(names))) % len(names)]


def balance_by_item(item_ids: pd.Series, names: Sequence[str], random: np.random.RandomState) -> np.ndarray:
    """Each name equally often for an item: with six judgements and three wordings, each of them twice.

    Args:
        item_ids: one an example, already in random order; names and random as in `take_turns`. Where the examples of
            an item do not come out even, it is drawn which names it has once more.

    Returns:
        a name for each example; within an item the counts of two names differ by one at most.
    """
    items = pd.factorize(item_ids)[0]
    start = random.randint(len(names), size=items.max() + 1)[items]
    turn = item_ids.groupby(items, sort=False).cumcount().to_numpy()
    dealt: np.ndarray = np.array(names, dtype=object)[(start + turn) % len(names)]
    return dealt
