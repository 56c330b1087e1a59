"""Ratings as integer codes: which labels are categories, which are answers outside them, and what is missing."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from bias_platform.statistics.arrays import IntArray
from bias_platform.statistics.errors import ModelError

MISSING = -1
DROP, AS_CATEGORY = "drop", "as_category"
INVALID_POLICIES = (DROP, AS_CATEGORY)
"""What to do with answers outside the categories: nothing was answered, or a category of its own was."""


class RatingCodes(NamedTuple):
    """Labels replaced by their position."""

    codes: IntArray
    """(items, raters): position in `categories`, from len(categories) up position in `unknown`, -1 where missing."""
    categories: tuple[Any, ...]
    unknown: tuple[Any, ...]
    """Labels outside the categories, sorted as text; empty where the categories were taken from the data."""

    def usable(self) -> IntArray:
        """The codes with everything outside the categories made missing."""
        return np.where(self.codes < len(self.categories), self.codes, MISSING)


def encode_ratings(
    ratings: ArrayLike | pd.DataFrame, categories: Sequence[Any] | None = None, *, fold: bool = False
) -> RatingCodes:
    """Codes of a table of labels.

    Args:
        ratings: (items, raters) labels; None, NaN and blank text are missing.
        categories: the labels that count, in their order. None: all labels found, sorted.
        fold: compare text without regard to case and outer blanks, as irrCAC and pairedCAC do.

    Raises:
        ModelError: no table of at least one rater, no or repeated categories, or labels that cannot be sorted.

    >>> encode_ratings([["Yes", "No"], ["yes ", None]], ["No", "Yes"]).codes.tolist()
    [[1, 0], [2, -1]]
    >>> encode_ratings([["Yes", "No"], ["yes ", None]], ["No", "Yes"], fold=True).codes.tolist()
    [[1, 0], [1, -1]]
    """
    table = ratings.to_numpy(dtype=object) if isinstance(ratings, pd.DataFrame) else np.asarray(ratings, dtype=object)
    if table.ndim != 2 or not table.shape[1]:
        raise ModelError(f"Ratings are a table of items by raters, not an array of shape {table.shape}.")
    places, found = pd.factorize(table.ravel(), use_na_sentinel=True)
    labels = [_label(one, fold) for one in found]
    present = {one for one in labels if one is not None}
    known = _sorted(present) if categories is None else [_label(one, fold) for one in categories]
    if categories is not None and (not known or None in known or len(set(known)) < len(known)):
        raise ModelError(f"Categories must be one or more labels, all different and none blank: {list(categories)!r}.")
    unknown = tuple(sorted(present - set(known), key=str))
    position: dict[Any, int] = {one: place for place, one in enumerate((*known, *unknown))}
    code = np.array([MISSING, *(MISSING if one is None else position[one] for one in labels)], dtype=np.int64)
    return RatingCodes(code[places + 1].reshape(table.shape), tuple(known), unknown)


def _label(one: Any, fold: bool) -> Any:
    """A label, or None where it is blank."""
    if not isinstance(one, str):
        return one
    return None if not one.strip() else one.strip().upper() if fold else one


def _sorted(labels: set[Any]) -> list[Any]:
    try:
        return sorted(labels)
    except TypeError as problem:
        raise ModelError(
            "The ratings mix labels that cannot be ordered: name them in 'categories', or make all of them text."
        ) from problem


def require_codes(codes: ArrayLike, name: str, dimensions: int) -> IntArray:
    """Integer codes from -1 up.

    Raises:
        ModelError: another number of dimensions, values that are no whole numbers, or codes below -1.
    """
    found = np.asarray(codes)
    if found.ndim != dimensions:
        raise ModelError(f"'{name}' must have {dimensions} dimension(s), not shape {found.shape}.")
    if found.dtype.kind not in "iu":
        raise ModelError(f"'{name}' must be whole-number codes, not {found.dtype}: make them with encode_ratings.")
    found = found.astype(np.int64)
    if found.size and int(found.min()) < MISSING:
        raise ModelError(f"'{name}' has codes below -1, which stands for a missing rating: {int(found.min())}.")
    return found


def require_policy(invalid: str) -> None:
    """Raises ModelError for an unknown policy of answers outside the categories."""
    if invalid not in INVALID_POLICIES:
        raise ModelError(f"Unknown policy {invalid!r} of invalid answers: choose one of {', '.join(INVALID_POLICIES)}.")
