"""Words for sizes of agreement, given with the sampling error in mind.

A coefficient near a bound belongs to both bands with some probability. The coefficient is taken as normal around its
estimate and cut off at -1 and 1 (Gwet, Handbook of Inter-Rater Reliability, chapter 6); the word for it is that of
the highest band that it reaches with a cumulative probability above .95.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.errors import ModelError


class BenchmarkScale(NamedTuple):
    """Bands without gaps, the best first."""

    bands: tuple[str, ...]
    lower: tuple[float, ...]
    """Where each band begins; the first ends at 1, the last begins at -1."""


LANDIS_KOCH = BenchmarkScale(
    ("almost perfect", "substantial", "moderate", "fair", "slight", "poor"), (0.8, 0.6, 0.4, 0.2, 0.0, -1.0)
)
ALTMAN = BenchmarkScale(("very good", "good", "moderate", "fair", "poor"), (0.8, 0.6, 0.4, 0.2, -1.0))
FLEISS = BenchmarkScale(("excellent", "intermediate to good", "poor"), (0.75, 0.4, -1.0))


def membership_probabilities(
    coefficient: ArrayLike,
    standard_error: ArrayLike,
    scale: BenchmarkScale = LANDIS_KOCH,
    *,
    digits: int | None = None,
) -> FloatArray:
    """Probabilities (..., bands) that a coefficient lies in a band or in a better one; arguments broadcast.

    An error of 0, as of perfect agreement, puts the coefficient into its band with certainty; a bound belongs to the
    better band.

    Args:
        digits: rounds the probabilities; irrCAC rounds to 5.

    Raises:
        ModelError: a negative error, or a scale whose bounds do not fall from below 1 to -1.

    >>> membership_probabilities(0.7084, 0.07941, digits=5).tolist()
    [0.12425, 0.91387, 0.99995, 1.0, 1.0, 1.0]
    >>> membership_probabilities(1.0, 0.0).tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """
    bounds = np.asarray(scale.lower)
    if len(scale.bands) != len(bounds) or bounds[-1] != -1.0 or not (np.diff(bounds, prepend=1.0) < 0).all():
        raise ModelError(f"A scale needs one lower bound a band, falling from below 1 to -1: {scale.lower}.")
    value, error = np.broadcast_arrays(np.asarray(coefficient, dtype=float), np.asarray(standard_error, dtype=float))
    if (error < 0).any():
        raise ModelError("Standard errors of coefficients must be 0 or more.")
    value, error = value[..., None], error[..., None]
    with np.errstate(invalid="ignore", divide="ignore"):
        above = norm.cdf((value - 1.0) / error)
        kept = norm.cdf((value + 1.0) / error) - above
        found = (norm.cdf((value - bounds) / error) - above) / kept
    certain = np.maximum(value, -1.0) >= bounds
    found = np.where((error == 0) | (kept == 0), certain, found).astype(float)
    found = np.where(np.isnan(value) | np.isnan(error), np.nan, found)
    return np.asarray(found if digits is None else np.round(found, digits), dtype=float)


def benchmark_band(
    coefficient: ArrayLike,
    standard_error: ArrayLike,
    scale: BenchmarkScale = LANDIS_KOCH,
    *,
    certainty: float = 0.95,
    digits: int | None = None,
) -> NDArray[np.object_]:
    """Names (...) of the highest band reached with a cumulative probability above `certainty`; "" where NaN.

    >>> benchmark_band([0.7084, 0.80528, 1.0, float("nan")], [0.07941, 0.07167, 0.0, 0.0]).tolist()
    ['moderate', 'substantial', 'almost perfect', '']
    """
    if not 0.0 < certainty < 1.0:
        raise ModelError(f"The certainty of a band must lie between 0 and 1, not {certainty}.")
    reached = membership_probabilities(coefficient, standard_error, scale, digits=digits)
    place = (reached > certainty).argmax(axis=-1)
    names = np.array([*scale.bands, ""], dtype=object)
    return np.asarray(names[np.where(np.isnan(reached).any(axis=-1), len(scale.bands), place)], dtype=object)
