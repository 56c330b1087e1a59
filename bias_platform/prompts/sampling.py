"""Which items of a corpus a study asks about."""

import hashlib

import pandas as pd

from bias_platform.catalog.entries import ItemSample
from bias_platform.errors import CorpusError


def draw_items(items: pd.DataFrame, sample: ItemSample) -> pd.DataFrame:
    """Draws items without replacement.

    An item's place in the draw depends on the seed and its id alone: the order of the input does not matter, and a
    smaller sample is part of every larger one of the same seed, so that answers already given are used again.

    Returns:
        the drawn rows, ordered by item_id.

    Raises:
        CorpusError: the split does not exist, or holds fewer items than asked for.
    """
    pool = items
    if sample.split is not None:
        pool = items[items["split"] == sample.split]
        if pool.empty:
            splits = ", ".join(sorted(items["split"].dropna().unique())) or "none at all"
            raise CorpusError(
                f"items.split: the corpus has no item in the split '{sample.split}'; its splits: {splits}"
            )
    if sample.n is not None and sample.n > len(pool):
        where = f"the split '{sample.split}'" if sample.split else "the corpus"
        raise CorpusError(f"items.n: {sample.n} items are asked for, {where} has {len(pool)}; lower n or leave it out")
    if sample.n is not None:
        keys = pool["item_id"].map(lambda item: _draw_key(sample.seed, item))
        pool = pool.loc[keys.sort_values().index[: sample.n]]
    return pool.sort_values("item_id").reset_index(drop=True)


def _draw_key(seed: int, item: str) -> bytes:
    return hashlib.blake2b(f"{seed}\x00{item}".encode(), digest_size=16).digest()
