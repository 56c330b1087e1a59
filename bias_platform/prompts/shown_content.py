"""What of an item a task shows: its text, its picture, or both. Everything that asks or teaches agrees here."""

from typing import Literal

import pandas as pd

from bias_platform.errors import TableError, counted

Shown = Literal["text", "picture", "picture-and-text"]


def shown_texts(items: pd.DataFrame, shown: Shown) -> pd.Series:
    """The text of each item as far as it is shown: "" throughout where only pictures are.

    Raises:
        TableError: an item has no text, and the task shows nothing else.
    """
    if shown == "picture":
        return pd.Series("", index=items.index, dtype=object)
    if shown == "text":
        _require(items, items["text"] != "", "text")
    return items["text"]


def shown_pictures(items: pd.DataFrame, shown: Shown) -> pd.Series:
    """File of each item's picture in its corpus's folder `pictures` as far as it is shown; None: no picture.

    >>> items = pd.DataFrame({"item_id": ["a-000001"], "text": ["tea"], "picture": ["00ff.png"]})
    >>> shown_pictures(items, "text").tolist(), shown_pictures(items, "picture-and-text").tolist()
    ([None], ['00ff.png'])

    Raises:
        TableError: an item has no picture, and the task shows nothing else.
    """
    there = shown != "text" and "picture" in items
    names = [None if pd.isna(name) else name for name in items["picture"]] if there else [None] * len(items)
    pictures = pd.Series(names, index=items.index, dtype=object)
    if shown == "picture":
        _require(items, pictures.notna(), "picture")
    return pictures


def _require(items: pd.DataFrame, there: pd.Series, what: str) -> None:
    without = items.loc[~there, "item_id"]
    if len(without):
        raise TableError(
            f"{counted(len(without), 'item')} of {len(items):,} have no {what}, and the task shows nothing else (e.g. "
            f"{without.iloc[0]}); leave them out of the corpus, or set the task's `shown` to what they have"
        )
