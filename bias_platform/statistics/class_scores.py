"""How well answers name the classes of items: F1 of each class and its plain mean over classes."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from bias_platform.statistics.arrays import FloatArray, IntArray
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.rating_codes import MISSING, encode_ratings

ZERO, SKIP = "zero", "skip"


class MacroF1(NamedTuple):
    """The mean and what it is made of; (k,) arrays, one a class."""

    value: float
    classes: tuple[Any, ...]
    f1: FloatArray
    """0 where a class was never found right; NaN where it occurs neither in truth nor in answers and is skipped."""
    precision: FloatArray
    """NaN where no answer named the class."""
    recall: FloatArray
    """NaN where no item is of the class."""
    support: IntArray
    """Items of the class."""
    absent: tuple[Any, ...]
    """Classes asked for that occur neither in truth nor in answers."""


def macro_f1(
    truth: ArrayLike, answers: ArrayLike, classes: Sequence[Any] | None = None, *, absent: str = ZERO
) -> MacroF1:
    """Macro-averaged F1, 2 tp / (2 tp + fp + fn), as scikit-learn defines it.

    Args:
        truth: (n,) labels.
        answers: (n,) labels; those outside `classes` are wrong answers of no class.
        classes: whose scores are averaged. None: all that occur in truth or answers.
        absent: a class that occurs in neither has no F1: ``zero`` counts it as 0, as scikit-learn does, ``skip`` leaves
            it out of the mean.

    Raises:
        ModelError: lengths that differ, missing labels, or an unknown word.

    >>> round(macro_f1(["a", "a", "b", "c"], ["a", "b", "b", "b"]).value, 4)
    0.3889
    """
    if absent not in (ZERO, SKIP):
        raise ModelError(f"Absent classes are counted as {ZERO!r} or left out by {SKIP!r}, not {absent!r}.")
    true, said = (np.asarray(side, dtype=object).ravel() for side in (truth, answers))
    if len(true) != len(said) or not len(true):
        raise ModelError(
            f"Truth has {len(true)} labels and answers {len(said)}: both need the same items, at least one."
        )
    coded = encode_ratings(np.column_stack([true, said]), classes)
    if (coded.codes == MISSING).any():
        raise ModelError(
            f"{int((coded.codes == MISSING).sum())} labels are missing: leave their items out, or make them a class."
        )
    places = np.arange(len(coded.categories))
    is_true, is_said = (coded.codes[:, side, None] == places for side in (0, 1))
    hits, support, named = (is_true & is_said).sum(axis=0), is_true.sum(axis=0), is_said.sum(axis=0)
    gone = support + named == 0
    with np.errstate(invalid="ignore"):
        f1 = np.where(gone & (absent == ZERO), 0.0, 2.0 * hits / (support + named))
        precision, recall = hits / named.astype(float), hits / support.astype(float)
    value = float(np.nanmean(f1)) if np.isfinite(f1).any() else float("nan")
    missing = tuple(one for one, out in zip(coded.categories, gone, strict=True) if out)
    return MacroF1(value, coded.categories, f1, precision, recall, support, missing)
