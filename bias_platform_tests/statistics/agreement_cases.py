"""Ratings that several tests of agreement share; those of golden values are made by arithmetic, so that R can too."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

CATEGORIES = ["Incomprehensible", "Maybe", "No", "Yes"]
Labels = list[str | None]

FOUR_OBSERVERS = [
    [1, 1, None, 1],
    [2, 2, 3, 2],
    [3, 3, 3, 3],
    [3, 3, 3, 3],
    [2, 2, 2, 2],
    [1, 2, 3, 4],
    [4, 4, 4, 4],
    [1, 1, 2, 1],
    [2, 2, 2, 2],
    [None, 5, 5, 5],
    [None, None, 1, 1],
    [None, None, 3, None],
]
"""Krippendorff (2011), Computing Krippendorff's alpha-reliability, example C: irrCAC's cac.raw4raters."""

FIRST_OCCASION = "1111 1123 1123 2223 1211 2111 2222 2322 3333 1111 1123 3333 3233 1211 2111"
SECOND_OCCASION = "1111 3332 3333 1121 1111 1111 2222 2211 3333 1113 2222 3333 3333 1211 3333"
"""15 items by 4 raters: ratings1 and ratings2 of pairedCAC."""


def digits(text: str) -> list[list[int]]:
    """A table from words of digits."""
    return [[int(one) for one in word] for word in text.split()]


def baseline(items: int) -> Labels:
    """60 % Yes, 20 % No, 10 % Maybe, 10 % Incomprehensible."""
    return [*["Yes"] * 6, "No", "No", "Maybe", "Incomprehensible"] * (items // 10)


def changed(start: Sequence[str | None], *changes: tuple[int, int, str]) -> Labels:
    """Labels with every item whose number leaves a remainder replaced: (divisor, remainder, label)."""
    found = list(start)
    for divisor, remainder, label in changes:
        found[remainder::divisor] = [label] * len(found[remainder::divisor])
    return found


def replaced(start: Sequence[str | None], labels: Mapping[int, str | None]) -> Labels:
    """Labels with single items replaced."""
    return [labels.get(place, label) for place, label in enumerate(start)]


def side(*columns: Sequence[str | None]) -> list[tuple[str | None, ...]]:
    """Items by raters."""
    return list(zip(*columns, strict=True))


def uneven(items: int, raters: int, shift: int) -> NDArray[np.float64]:
    """Values 1 to 4 of several raters with missing ones, so that items have different numbers of ratings."""
    i, j = np.arange(items)[:, None], np.arange(raters)
    usual = (i * i + i // 3) % 4 + 1
    other = (i + 2 * j + shift + i // 5) % 4 + 1
    found = np.where((i * 5 + j * 7 + shift) % 6 == 0, other, usual).astype(float)
    return np.where((7 * i + 3 * j) % 11 == 0, np.nan, found)


def random_codes(seed: int, items: int, columns: int, size: int, missing: float) -> NDArray[np.int64]:
    """Columns (items, columns) that agree more than by chance."""
    rng = np.random.default_rng(seed)
    usual = rng.integers(0, size, (items, 1))
    found = np.where(rng.random((items, columns)) < 0.6, usual, rng.integers(0, size, (items, columns)))
    return np.where(rng.random((items, columns)) < missing, -1, found)
