"""Estimates of marginal logistic models by statsmodels: maximum likelihood, clustered covariances, GEE.

statsmodels is imported where it is used: it takes longer to load than all that reads a study.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from scipy.special import expit

from bias_platform.statistics.arrays import FloatArray, bin_sums
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.groupings import Grouping
from bias_platform.statistics.marginal_data import MarginalData, crossed

_NEWTON_ROUNDS = 30
"""A log-odds without finite estimate grows by one a round: it is told by then, and probabilities are not yet 0 or 1."""
_GEE_ROUNDS = 100
_SETTLED = 1e-10
"""Relative change of the coefficients, or length of the score in standard errors, at which estimates are final."""
_FAR, _VAGUE = 8.0, 5.0
"""Log-odds so far from zero and with such a standard error have no finite estimate."""
_CHUNK = 2**14
"""Clusters whose scores are held at once."""
_ALONE = 1e-10
"""Share of the information on a coefficient that must lie outside each single cluster."""


class MarginalEstimates(NamedTuple):
    """What a marginal model is made of."""

    beta: FloatArray
    """(columns,) log-odds."""
    covariance: FloatArray
    """(columns, columns) of whatever kind was asked for."""
    naive: FloatArray
    """(columns, columns) if the working correlation were true."""
    correlation: float = 0.0
    """Of two answers of a cluster, as the model assumes it."""


def maximum_likelihood(data: MarginalData) -> MarginalEstimates:
    """Logistic regression with its naive covariance, from the counts by pattern of X, which are sufficient.

    Raises:
        ModelError: the answers are separated, so that a coefficient has no finite estimate.
    """
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    x, won = data.fixed.patterns, data.pattern_successes
    counts = np.column_stack([won, data.pattern_trials - won])
    criteria = {"tol_criterion": "params", "atol": _SETTLED, "rtol": _SETTLED}
    with _quiet():
        found = GLM(counts, x, family=Binomial()).fit(maxiter=_NEWTON_ROUNDS, **criteria)
    beta, naive = np.asarray(found.params), np.asarray(found.normalized_cov_params)
    _refuse_separation(data, beta, naive)
    if not found.converged:
        raise ModelError(
            f"The logistic regression {data.formula.text!r} did not converge in {_NEWTON_ROUNDS} rounds: simplify it."
        )
    return MarginalEstimates(beta, naive, naive)


def clustered_covariance(data: MarginalData, found: MarginalEstimates) -> tuple[FloatArray, bool]:
    """(columns, columns) clustered by the one or two groupings of the data; whether it had to be made definite.

    Each part is multiplied by G / (G - 1), G its clusters. Two ways: the sum of both less that of their combination
    (A. C. Cameron, J. B. Gelbach and D. L. Miller, 2011, Journal of Business and Economic Statistics 29, 238-249),
    which need not be positive semi-definite; where it is not, its negative eigenvalues are set to zero, as they do.
    That makes variances larger, never smaller. It is put together here, because `cov_cluster_2groups` of statsmodels
    leaves negative eigenvalues and can only multiply by (N - 1) / (N - columns) as well, N being rows of counts.
    """
    parts = [_clustered(data, grouping, found) for grouping in data.groupings]
    if len(parts) == 1:
        return parts[0], False
    covariance = parts[0] + parts[1] - _clustered(data, crossed(*data.groupings), found)
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2.0)
    if values.min() >= -1e-10 * values.max():
        return covariance, False
    return (vectors * np.maximum(values, 0.0)) @ vectors.T, True


def _clustered(data: MarginalData, clusters: Grouping, found: MarginalEstimates) -> FloatArray:
    """One way, from the score of each cluster, because only these enter; in chunks, so that memory is flat."""
    from statsmodels.stats.sandwich_covariance import cov_cluster

    x, at, size = data.fixed.patterns, data.fixed.pattern, clusters.size
    residuals = data.successes - data.trials * expit(x @ found.beta)[at]
    by_cluster = sparse.csr_array((residuals, (clusters.code, at)), shape=(size, len(x)))
    covariance = np.zeros_like(found.naive)
    for start in range(0, size, _CHUNK):
        scores = by_cluster[start : start + _CHUNK] @ x
        covariance += cov_cluster((scores, found.naive), np.arange(len(scores)), use_correction=False)
    return covariance * (size / (size - 1.0))


def estimating_equations(data: MarginalData, exchangeable: bool, bias_reduced: bool) -> MarginalEstimates:
    """GEE within the one grouping of the data (K.-Y. Liang and S. L. Zeger, 1986, Biometrika 73, 13-22).

    One row an answer, and with `bias_reduced` matrices of the size of a cluster. Coordinates are those in which the
    coefficients of the model without clusters are uncorrelated with variance 1, because the tolerance of statsmodels
    is on the length of the score: so it is in standard errors, whatever the units of X.

    Args:
        data: counted answers.
        exchangeable: a working correlation, alike for all answers of a cluster; else none.
        bias_reduced: covariance after L. A. Mancl and T. A. DeRouen (2001), Biometrics 57, 126-134.

    Raises:
        ModelError: separated answers; a working correlation that does not exist; equations that are not solved; with
            `bias_reduced`: without one of the clusters a coefficient could not be estimated.
    """
    start = maximum_likelihood(data)
    if exchangeable:
        _refuse_single_answers(data)
    root: FloatArray = np.linalg.cholesky(start.naive).astype(np.float64)
    model = _model(data, root, exchangeable)
    origin: FloatArray = np.linalg.solve(root, start.beta).astype(np.float64)
    if bias_reduced:
        _refuse_single_clusters(data, model, origin)
    kind = "bias_reduced" if bias_reduced else "robust"
    with _quiet():
        found = model.fit(_GEE_ROUNDS, _SETTLED, start_params=origin, cov_type=kind, ddof_scale=0)
    if exchangeable:
        tried = found.fit_history["dep_params"] if found is not None else []
        _refuse_correlation(data, [*tried, model.cov_struct.dep_params])
    if found is None or not found.converged:
        raise ModelError(
            f"The estimating equations of {data.formula.text!r} were not solved in {_GEE_ROUNDS} rounds: use the "
            "working correlation independence, whose errors are robust as well."
        )
    beta, naive = root @ found.params, root @ found.cov_naive @ root.T
    _refuse_separation(data, beta, naive)
    robust = found.cov_robust_bc if bias_reduced else found.cov_robust
    correlation = float(model.cov_struct.dep_params) if exchangeable else 0.0
    return MarginalEstimates(beta, root @ robust @ root.T, naive, correlation)


def _model(data: MarginalData, root: FloatArray, exchangeable: bool) -> Any:
    """GEE of single answers with X @ root."""
    from statsmodels.genmod import cov_struct
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_estimating_equations import GEE

    failures = data.trials - data.successes
    counts = np.concatenate([data.successes, failures]).astype(np.int64)
    row = np.repeat(np.tile(np.arange(len(failures)), 2), counts)
    yes = np.repeat([1.0, 0.0], [int(data.successes.sum()), int(failures.sum())])
    x = (data.fixed.patterns @ root)[data.fixed.pattern[row]]
    structure = cov_struct.Exchangeable() if exchangeable else cov_struct.Independence()
    return GEE(yes, x, data.groupings[0].code[row], family=Binomial(), cov_struct=structure)


def _cluster_sizes(data: MarginalData) -> FloatArray:
    clusters = data.groupings[0]
    return bin_sums(clusters.code, data.trials, clusters.size)


def _refuse_single_answers(data: MarginalData) -> None:
    if _cluster_sizes(data).max() < 2:
        raise ModelError(
            f"Every cluster of {data.groupings[0].name!r} has one answer: there is no correlation within clusters; use "
            "fit_glm, or cluster by a unit that is judged more than once."
        )


def _refuse_correlation(data: MarginalData, correlations: Sequence[float]) -> None:
    """Of all rounds: statsmodels goes on with matrices that are not positive definite, to estimates of no meaning."""
    largest = _cluster_sizes(data).max()
    for found in correlations:
        if found <= -1.0 / (largest - 1.0) or found >= 1.0:
            raise ModelError(
                f"The working correlation within {data.groupings[0].name!r} is {found:.3f}, which no cluster of "
                f"{largest:.0f} answers can have: use the working correlation independence."
            )


def _refuse_single_clusters(data: MarginalData, model: Any, origin: FloatArray) -> None:
    """What statsmodels does not see: it would divide rounding by rounding where one cluster holds all there is.

    In the coordinates of the fit all information is the identity, so that a cluster's largest eigenvalue is its share.
    """
    mean = expit(model.exog @ origin)
    rooted = model.cluster_list(model.exog * np.sqrt(mean * (1.0 - mean))[:, None])
    if max(np.linalg.norm(part, 2) for part in rooted) ** 2 > 1.0 - _ALONE:
        raise ModelError(
            f"A coefficient of {data.formula.text!r} rests on one cluster of {data.groupings[0].name!r} alone, "
            "so the correction of Mancl and DeRouen does not exist: leave it out, or cluster by a finer unit."
        )


def _refuse_separation(data: MarginalData, beta: FloatArray, naive: FloatArray) -> None:
    """Raise `ModelError` where a fitted log-odds has no finite estimate."""
    x = data.fixed.patterns
    eta = x @ beta
    errors = np.sqrt(np.maximum(((x @ naive) * x).sum(axis=1), 0.0))
    errors[np.abs(eta) <= _FAR] = 0.0
    worst = int(np.argmax(errors))
    if errors[worst] > _VAGUE:
        variables = data.fixed.variables.iloc[worst]
        where = ", ".join(f"{name} = {value}" for name, value in variables.items())
        raise ModelError(
            f"The answers are separated: with {where or 'these data'} nearly all are "
            f"{'Yes' if eta[worst] > 0 else 'No'} in the model {data.formula.text!r}, so a coefficient has no finite "
            "estimate; leave that level out, or compare probabilities without a model."
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """What statsmodels warns of (separation, rounds, singular matrices) is asked of its results, and said by errors."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield
