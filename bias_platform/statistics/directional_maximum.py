"""The largest of several linear forms, averaged over every direction of a sphere.

Directions are a scrambled Sobol sequence put on the sphere and turned by random rotations, each of which is an
independent repetition (I. Deak, 1980, Numerische Mathematik 35, 73-83; A. Genz and F. Bretz, 2009, Computation of
multivariate normal and t probabilities, Springer, section 4.1). Power sums of the linear forms have means that are
known; as control variates they take most of the noise out of small probabilities.
"""

from functools import lru_cache
from math import factorial, prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import qmc

from bias_platform.statistics.arrays import FloatArray

Float32Array = NDArray[np.float32]

POWERS = (2, 4, 6, 8, 10, 12)
"""Of the linear forms; products of two power sums go up to the largest of them as well."""
PRODUCTS = tuple((a, b) for a in POWERS for b in POWERS if a <= b and a + b <= POWERS[-1])
_BINS = 2048
"""Of equal width from 0 to 1; the rounding of the largest form moves a probability by about 1e-5 of itself."""
_CHUNK = 2**18
"""Forms times directions that are held at once."""
_LEAST = 10
"""Log2 of the directions of a repetition: with fewer, the regression on the control variates is not to be trusted."""
_CONSTANT = 1e-4
"""Controls of a smaller standard deviation, in units of their mean, are constant but for rounding."""
_COLLINEAR = 1e-10
"""Control variates are left out along directions of less than this share of their largest variance."""


class DirectionalMaximum(NamedTuple):
    """Distribution of the largest linear form over the directions of a sphere, as a few weighted values.

    Weights are those of a regression on control variates, so that single ones may be slightly negative.
    """

    values: FloatArray
    """(bins,) of the largest form, from -1 to 1."""
    weights: FloatArray
    """(repetitions, bins); each row is an independent estimate and sums to 1."""


def directional_maximum(
    rows: FloatArray, *, one_sided: bool, directions: int, repetitions: int, seed: int
) -> DirectionalMaximum:
    """Distribution of max |rows @ s| (or of max rows @ s, if one-sided) over unit vectors s.

    Args:
        rows: (forms, rank), each of length 1.
        one_sided: leave out the absolute value.
        directions: in all; rounded up so that each repetition has a power of two, and at least 1,024.
        repetitions: at least 2.
        seed: the same seed gives the same result.
    """
    rng = np.random.default_rng(seed)
    log_count = max(_LEAST, int(np.ceil(np.log2(directions / repetitions))))
    points = _points(log_count, rows.shape[1], seed)
    expected = _expected_controls(rows)
    sums = _Sums(repetitions, len(expected))
    for repetition in range(repetitions):
        turned = (rows @ _rotation(rng, rows.shape[1])).astype(np.float32)
        largest, power_sums = _largest_and_power_sums(points, turned, one_sided)
        sums.add(repetition, largest, _with_products(power_sums) / expected[:, None] - 1.0)
    return sums.result()


class _Sums:
    """What is kept of the directions seen so far: histograms of the largest form, and moments of the controls."""

    def __init__(self, repetitions: int, controls: int) -> None:
        self.counts = np.zeros((repetitions, 2 * _BINS))
        self.totals = np.zeros(2 * _BINS)
        self.control_sums = np.zeros((repetitions, controls))
        self.control_products = np.zeros((controls, controls))
        self.control_counts = np.zeros((controls, 2 * _BINS))

    def add(self, repetition: int, largest: FloatArray, controls: FloatArray) -> None:
        """One repetition: the largest forms (sides, n) and the controls (controls, n), of mean 0."""
        self.control_sums[repetition] = len(largest) * controls.sum(axis=1)
        self.control_products += len(largest) * controls @ controls.T
        for side in largest:
            bins = np.minimum((side + 1.0) * _BINS, 2 * _BINS - 1).astype(np.int64)
            self.counts[repetition] += np.bincount(bins, minlength=2 * _BINS)
            self.totals += np.bincount(bins, side, 2 * _BINS)
            self.control_counts += [np.bincount(bins, control, 2 * _BINS) for control in controls]

    def result(self) -> DirectionalMaximum:
        """Each repetition less what the controls explain of it."""
        each, count = self.counts[0].sum(), self.counts.sum()
        shares = self.counts.sum(axis=0) / count
        means = self.control_sums / each
        center = means.mean(axis=0)
        together = self.control_counts / count - np.outer(center, shares)
        explained = _inverse(self.control_products / count - np.outer(center, center)) @ together
        used = shares > 0
        values = self.totals[used] / self.counts.sum(axis=0)[used]
        return DirectionalMaximum(values, (self.counts / each - means @ explained)[:, used])


def _inverse(covariance: FloatArray) -> FloatArray:
    """Inverse of the covariance of the controls, left out where they hardly vary or repeat each other."""
    scale = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    scale[scale < _CONSTANT] = np.inf
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    kept = values > _COLLINEAR * values[-1]
    half = vectors[:, kept] / np.sqrt(values[kept]) / scale[:, None]
    return np.asarray(half @ half.T)


@lru_cache(maxsize=4)
def _points(log_count: int, rank: int, seed: int) -> Float32Array:
    """Scrambled Sobol points (rank, 2^log_count) on the unit sphere."""
    uniform = qmc.Sobol(rank, rng=seed).random_base2(log_count)
    normal = ndtri(np.clip(uniform, 1e-12, 1.0 - 1e-12))
    return np.ascontiguousarray((normal / np.linalg.norm(normal, axis=1, keepdims=True)).T, dtype=np.float32)


def _rotation(rng: np.random.Generator, rank: int) -> FloatArray:
    """Uniformly distributed over all orthogonal matrices."""
    orthogonal, triangle = np.linalg.qr(rng.standard_normal((rank, rank)))
    return orthogonal * np.sign(np.diag(triangle))


def _largest_and_power_sums(points: Float32Array, rows: Float32Array, one_sided: bool) -> tuple[FloatArray, FloatArray]:
    """The largest form (sides, n) and the power sums (powers, n) in some directions; in chunks that fit a cache."""
    largest = np.empty((1 + one_sided, points.shape[1]))
    power_sums = np.empty((len(POWERS), points.shape[1]))
    step = max(64, _CHUNK // len(rows))
    for start in range(0, points.shape[1], step):
        chunk = slice(start, start + step)
        forms = rows @ points[:, chunk]
        high, low = forms.max(axis=0), -forms.min(axis=0)
        largest[:, chunk] = np.stack([high, low]) if one_sided else np.maximum(high, low)
        power_sums[:, chunk] = _power_sums(np.square(forms, out=forms))
    return largest, power_sums


def _power_sums(second: Float32Array) -> list[Float32Array]:
    """Sums over the forms of `POWERS`, from the squared forms (forms, n)."""
    fourth = second * second
    sixth = fourth * second
    sums = [second.sum(axis=0), fourth.sum(axis=0), sixth.sum(axis=0)]
    return [*sums, *((a * b).sum(axis=0) for a, b in ((fourth, fourth), (fourth, sixth), (sixth, sixth)))]


def _with_products(power_sums: FloatArray) -> FloatArray:
    """Power sums (powers, ...) and after them their `PRODUCTS`."""
    by_power = dict(zip(POWERS, power_sums, strict=True))
    return np.array([*power_sums, *(by_power[a] * by_power[b] for a, b in PRODUCTS)])


def _expected_controls(rows: FloatArray) -> FloatArray:
    """Means of the control variates over the sphere."""
    forms, rank = rows.shape
    squared = np.square(rows @ rows.T)
    correlations = [np.sum(squared**half) for half in range(POWERS[-1] // 4 + 1)]
    single = [forms * prod((1 + 2 * i) / (rank + 2 * i) for i in range(power // 2)) for power in POWERS]
    return np.array([*single, *(_product_moment(a // 2, b // 2, correlations, rank) for a, b in PRODUCTS)])


def _product_moment(first: int, second: int, correlations: list[float], rank: int) -> float:
    """Sum over pairs of forms of the mean of x^2first y^2second: Isserlis' theorem, less the radius."""
    terms = sum(
        4.0**shared * total / (factorial(first - shared) * factorial(second - shared) * factorial(2 * shared))
        for shared, total in enumerate(correlations[: min(first, second) + 1])
    )
    radius = prod(rank + 2 * i for i in range(first + second))
    return factorial(2 * first) * factorial(2 * second) / 2.0 ** (first + second) * terms / radius
