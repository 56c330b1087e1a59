"""Made-up answers with known effects, to see whether a method finds them."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import expit

from bias_platform.statistics.arrays import IntArray, combine_codes, sorted_codes
from bias_platform.statistics.errors import ModelError, spell_check


def simulate_responses(
    data: pd.DataFrame, linear_predictor: ArrayLike, sds: Mapping[str, float], seed: int
) -> IntArray:
    """Draw 0/1 answers from a logistic model with random intercepts.

    Args:
        data: one row an answer; only the grouping columns are used.
        linear_predictor: (rows,) log-odds from the fixed part, or one number for all rows.
        sds: standard deviation by grouping, such as ``{"item": 1.5, "item:system": 0.5}``.
        seed: the same seed, groupings and data give the same answers.

    Raises:
        ModelError: an unknown column, a negative deviation, or a predictor of another length.

    >>> frame = pd.DataFrame({"item": [1, 1, 2, 2], "persona": list("abab")})
    >>> simulate_responses(frame, 0.0, {"item": 1.0}, seed=3).tolist()
    [1, 1, 0, 0]
    """
    eta = np.asarray(linear_predictor, dtype=float)
    if eta.ndim > 1 or (eta.ndim == 1 and len(eta) != len(data)):
        raise ModelError(f"The linear predictor has shape {eta.shape}, but the data has {len(data)} rows.")
    rng = np.random.default_rng(seed)
    total = np.broadcast_to(eta, len(data)).copy()
    for term, sd in sds.items():
        columns = [name.strip() for name in term.split(":")]
        for name in columns:
            if name not in data.columns:
                raise ModelError(f"The data has no column {name!r} ({spell_check(name, data.columns)}).")
        if not sd >= 0:
            raise ModelError(f"The standard deviation of {term!r} must not be negative, but is {sd}.")
        code, first = combine_codes([sorted_codes(data[name])[0] for name in columns])
        total += sd * rng.standard_normal(len(first))[code]
    drawn: IntArray = (rng.random(len(data)) < expit(total)).astype(np.int64)
    return drawn
