"""Robust ("sandwich") covariances of a marginal model: its filling summed over clusters.

K.-Y. Liang and S. L. Zeger (1986), Biometrika 73, 13-22; A. C. Cameron, J. B. Gelbach and D. L. Miller (2011), Journal
of Business and Economic Statistics 29, 238-249 (two ways); L. A. Mancl and T. A. DeRouen (2001), Biometrics 57, 126-134
(small samples). Sums run over chunks of clusters, so that memory does not grow with the data.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import sparse

from bias_platform.statistics.arrays import FloatArray, bin_sums
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.groupings import Grouping
from bias_platform.statistics.marginal_data import MarginalData, crossed

_CHUNK = 2**21
"""Numbers that are held at once."""


@dataclass(frozen=True)
class WorkingModel:
    """Residuals and the working correlation within clusters: exchangeable, none where `correlation` is 0.

    The inverse of an exchangeable correlation matrix is a multiple of I - c 11', so that every sum over the answers of
    a cluster needs only sums by cluster and pattern.
    """

    data: MarginalData
    clusters: Grouping
    mean: FloatArray
    """(patterns,)."""
    correlation: float = 0.0

    @property
    def sizes(self) -> FloatArray:
        """(clusters,) answers."""
        return bin_sums(self.clusters.code, self.data.trials, self.clusters.size)

    @property
    def shared(self) -> FloatArray:
        """(clusters,): c, which part of a cluster's sums all its answers share."""
        return self.correlation / (1.0 + (self.sizes - 1.0) * self.correlation)

    @property
    def deviation(self) -> FloatArray:
        """(patterns,) of an answer."""
        return np.sqrt(self.mean * (1.0 - self.mean))

    @property
    def residuals(self) -> FloatArray:
        """(distinct rows,) successes less what is expected."""
        at = self.data.fixed.pattern
        return self.data.successes - self.data.trials * self.mean[at]


class ClusterSums(NamedTuple):
    """Of some clusters, all but a common factor."""

    scores: FloatArray
    """(clusters, columns)."""
    information: FloatArray
    """(clusters, columns, columns); (0, columns, columns) where it was not asked for."""


def cluster_sums(model: WorkingModel, information: bool = False) -> Iterator[ClusterSums]:
    """Scores, and the information if wanted, by cluster, in chunks of clusters."""
    data, code, size = model.data, model.clusters.code, model.clusters.size
    x, pattern = data.fixed.patterns, data.fixed.pattern
    shape, columns = (size, len(x)), x.shape[1]
    residuals = sparse.csr_array((model.residuals, (code, pattern)), shape=shape)
    counts = sparse.csr_array((data.trials, (code, pattern)), shape=shape)
    deviation, shared = model.deviation, model.shared
    total = residuals @ (1.0 / deviation)
    per_cluster = columns * (1 + information * columns * max(1, min(len(x), len(code) // size)))
    span = max(1, _CHUNK // per_cluster)
    for start in range(0, size, span):
        part = slice(start, min(start + span, size))
        own = counts[part]
        along = own @ (x * deviation[:, None])
        scores = residuals[part] @ x - (shared[part] * total[part])[:, None] * along
        inner = np.zeros((0, columns, columns))
        if information:
            inner = _information(own, x, deviation**2)
            inner -= shared[part, None, None] * along[:, :, None] * along[:, None, :]
        yield ClusterSums(scores, inner)


def _information(counts: "sparse.csr_array", x: FloatArray, variance: FloatArray) -> FloatArray:
    """(clusters, columns, columns): X'AX of each cluster, from the patterns that occur in them."""
    used = np.unique(counts.indices)
    columns = x.shape[1]
    products = (x[used, :, None] * (variance[used, None] * x[used])[:, None, :]).reshape(len(used), -1)
    sums: FloatArray = (counts[:, used] @ products).reshape(-1, columns, columns)
    return sums


def bread(model: WorkingModel) -> FloatArray:
    """(columns, columns): sum of the information over clusters."""
    x = model.data.fixed.patterns
    counts = sparse.csr_array(
        (model.data.trials, (model.clusters.code, model.data.fixed.pattern)), shape=(model.clusters.size, len(x))
    )
    total: FloatArray = (x * (model.data.pattern_trials * model.deviation**2)[:, None]).T @ x
    if not model.correlation:
        return total
    span = max(1, _CHUNK // x.shape[1])
    for start in range(0, model.clusters.size, span):
        part = slice(start, start + span)
        along = counts[part] @ (x * model.deviation[:, None])
        total = total - (along * model.shared[part, None]).T @ along
    return total


def robust_covariance(model: WorkingModel, inverse: FloatArray) -> FloatArray:
    """(columns, columns) without a correction for the number of clusters.

    Args:
        model: residuals and clusters.
        inverse: of `bread`.
    """
    filling = np.zeros_like(inverse)
    for part in cluster_sums(model):
        filling += part.scores.T @ part.scores
    covariance: FloatArray = inverse @ filling @ inverse
    return covariance


def bias_reduced_covariance(model: WorkingModel, inverse: FloatArray) -> FloatArray:
    """The same after Mancl and DeRouen: residuals of a cluster are freed of its own pull on the fit.

    With K the information of a cluster and B that of all, its score is multiplied by (I - K / B)^-1, which is theirs
    by the identity of Woodbury and needs no matrix of the size of a cluster.

    Raises:
        ModelError: without one of the clusters a coefficient could not be estimated.
    """
    filling, identity = np.zeros_like(inverse), np.eye(len(inverse))
    for part in cluster_sums(model, information=True):
        rest = identity - part.information @ inverse
        try:
            freed = np.linalg.solve(rest, part.scores[:, :, None])[:, :, 0]
        except np.linalg.LinAlgError:
            freed = np.full_like(part.scores, np.inf)
        if not np.isfinite(freed).all() or np.linalg.cond(rest).max() > 1e10:
            raise ModelError(
                f"A coefficient of {model.data.formula.text!r} rests on one cluster of {model.clusters.name!r} alone, "
                "so the correction of Mancl and DeRouen does not exist: leave it out, or cluster by a finer unit."
            )
        filling += freed.T @ freed
    covariance: FloatArray = inverse @ filling @ inverse
    return covariance


def clustered_covariance(data: MarginalData, mean: FloatArray, inverse: FloatArray) -> tuple[FloatArray, bool]:
    """(columns, columns) clustered by the one or two groupings of the data; whether it had to be made definite.

    Each part is multiplied by G / (G - 1), G its clusters. Two ways: the sum of both less that of their combination,
    which need not be positive semi-definite; where it is not, its negative eigenvalues are set to zero, as Cameron,
    Gelbach and Miller do. That makes variances larger, never smaller.
    """
    parts = [_corrected(WorkingModel(data, grouping, mean), inverse) for grouping in data.groupings]
    if len(parts) == 1:
        return parts[0], False
    both = _corrected(WorkingModel(data, crossed(*data.groupings), mean), inverse)
    covariance = parts[0] + parts[1] - both
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2.0)
    if values.min() >= -1e-10 * values.max():
        return covariance, False
    return (vectors * np.maximum(values, 0.0)) @ vectors.T, True


def _corrected(model: WorkingModel, inverse: FloatArray) -> FloatArray:
    clusters = model.clusters.size
    return robust_covariance(model, inverse) * (clusters / (clusters - 1.0))
