"""Predicted probabilities of rows as they would be at other values of a variable, averaged, and how they follow from
the parameters."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from bias_platform.statistics.arrays import BoolArray, FloatArray, IntArray
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.logistic_normal_moments import Moments, logistic_normal, logistic_normal_mean
from bias_platform.statistics.marginal_means import predictor_columns
from bias_platform.statistics.mixed_model_fit import MixedModelFit
from bias_platform.statistics.random_terms import FactorShape
from bias_platform.statistics.response import GAUSSIAN, ORDINAL
from bias_platform.statistics.simultaneous import covariance_root
from bias_platform.statistics.variance_components import live_entries

_CHUNK_NUMBERS = 260_000
_DEAD = 1e-5
"""Length of a column of the factors below which the optimiser has set it to zero, or to a hair where it must."""


@dataclass(frozen=True)
class Parameters:
    """What is estimated, and how well: fixed effects, then the entries of theta whose error is known."""

    beta: FloatArray
    theta: FloatArray
    """(parameters,), all entries."""
    known: IntArray
    """Entries of theta that have an error; none where variances are held at their estimates."""
    covariance: FloatArray
    """(p + known,) squared."""

    def drawn(self, count: int, seed: int) -> tuple[FloatArray, FloatArray]:
        """Normal draws around the estimates (Krinsky and Robb, 1986): (draws, p) and (draws, entries of theta)."""
        root = covariance_root(self.covariance)
        moves = np.random.default_rng(seed).standard_normal((count, root.shape[1])) @ root.T
        p = len(self.beta)
        theta = np.tile(self.theta, (count, 1))
        theta[:, self.known] += moves[:, p:]
        return self.beta + moves[:, :p], theta


def parameters_of(fit: MixedModelFit, integrated: bool) -> Parameters:
    """Those that probabilities depend on: without integration over random effects not on their variances."""
    beta, joint = fit.fixed_effects["estimate"].to_numpy(), fit.parameter_covariance
    if not integrated or joint is None:
        return Parameters(beta, fit.theta, np.zeros(0, dtype=np.int64), fit.covariance.to_numpy())
    dead = np.flatnonzero(fit.design.shape.lengths(fit.theta) < _DEAD)
    return Parameters(beta, fit.theta, live_entries(fit.design.shape, dead.tolist()), joint)


@dataclass(frozen=True)
class Rows:
    """Rows of X, and of the slopes of each random term."""

    fixed: FloatArray
    """(n, columns of the predictor)."""
    estimable: BoolArray
    bases: tuple[FloatArray | None, ...]
    """By term: (n, effects); None where the variance is the same in all rows."""

    @classmethod
    def of(cls, fit: MixedModelFit, frame: pd.DataFrame) -> "Rows":
        """Those of a frame of the fixed variables.

        A slope of a variable that is not among them has its variance averaged over the observations.

        Raises:
            ModelError: the formula is not defined there.
        """
        try:
            with np.errstate(all="ignore"):
                fixed, estimable = fit.design.fixed.rows(frame)
        except ValueError as problem:
            raise ModelError(f"The formula {fit.formula!r} has no value at such rows: {problem}.") from problem
        if len(fixed) != len(frame) or not np.isfinite(fixed).all():
            raise ModelError(
                f"The formula {fit.formula!r} is not finite at values that are asked for: a transform such as log(x) "
                "is not defined there; compare values inside its range."
            )
        columns = set(frame.columns)
        bases = tuple(
            None if term.basis is None or not set(term.slope_variables) <= columns else term.basis.of_new_rows(frame)
            for term in fit.design.terms
        )
        return cls(fixed[:, predictor_columns(fit).of_rows], estimable, bases)

    def variance(self, shape: FactorShape, theta: FloatArray) -> FloatArray:
        """(n,) of the random effects together."""
        total = np.zeros(len(self.fixed))
        for k, basis in enumerate(self.bases):
            factor = shape.matrix(theta, k)
            total += (factor**2).sum() if basis is None else ((basis @ factor) ** 2).sum(axis=1)
        return total

    def variance_slopes(self, shape: FactorShape, theta: FloatArray, entries: IntArray) -> FloatArray:
        """(n, entries): derivatives of `variance` in some entries of theta."""
        slopes = np.empty((len(self.fixed), len(entries)))
        for at, entry in enumerate(entries):
            term = int(shape.term[entry])
            row, column = shape.row[entry] - shape.starts[term], shape.column[entry] - shape.starts[term]
            factor, basis = shape.matrix(theta, term), self.bases[term]
            slopes[:, at] = 2.0 * (
                factor[row, column] if basis is None else (basis @ factor[:, column]) * basis[:, row]
            )
        return slopes


@dataclass(frozen=True)
class Averager:
    """Weighted means over rows of the probability of each outcome.

    The outcomes are Yes; of an ordinal fit, to be above each threshold; of a Gaussian one, its mean.
    """

    fit: MixedModelFit
    weights: sparse.csr_array
    """(groups, n): of sum one in each group."""
    integrated: bool
    parameters: Parameters

    @property
    def outcomes(self) -> int:
        """How many."""
        return len(self.fit.design.categories) - 1 if self.fit.family == ORDINAL else 1

    def means(self, rows: Rows) -> tuple[FloatArray, FloatArray]:
        """(groups, outcomes) and derivatives in the parameters, (groups, outcomes, p + known)."""
        known, p = self.parameters.known, len(self.parameters.beta)
        variance = self._variance(rows, self.parameters.theta)
        of_variance = rows.variance_slopes(self.fit.design.shape, self.parameters.theta, known)
        values = np.empty((self.weights.shape[0], self.outcomes))
        slopes = np.empty((*values.shape, p + len(known)))
        for k, matrix in enumerate(self._matrices(rows)):
            found = self._moments(matrix @ self.parameters.beta, variance)
            values[:, k] = self.weights @ found.mean
            slopes[:, k, :p] = self.weights @ (found.slope[:, None] * matrix)
            slopes[:, k, p:] = self.weights @ (found.half_curvature[:, None] * of_variance)
        return values, slopes

    def lost(self, rows: Rows) -> BoolArray:
        """(groups,): those with a row that cannot be estimated."""
        return np.asarray(self.weights @ (~rows.estimable).astype(float) > 0)

    def drawn_means(self, rows: Rows, beta: FloatArray, theta: FloatArray) -> FloatArray:
        """The means at other parameters, (draws, p) and (draws, entries of theta): (draws, groups, outcomes)."""
        found = np.empty((len(beta), self.weights.shape[0], self.outcomes))
        step = max(1, _CHUNK_NUMBERS // len(rows.fixed))
        for k, matrix in enumerate(self._matrices(rows)):
            for start in range(0, len(beta), step):
                own = slice(start, start + step)
                variance = np.array([self._variance(rows, one) for one in theta[own]])
                eta = beta[own] @ matrix.T
                if self.fit.family != GAUSSIAN:
                    eta = logistic_normal_mean(eta.ravel(), np.sqrt(variance).ravel()).reshape(eta.shape)
                found[own, :, k] = (self.weights @ eta.T).T
        return found

    def _variance(self, rows: Rows, theta: FloatArray) -> FloatArray:
        """Of the random effects; zero where they are not integrated over."""
        if not self.integrated:
            return np.zeros(len(rows.fixed))
        return rows.variance(self.fit.design.shape, theta)

    def _moments(self, eta: FloatArray, variance: FloatArray) -> Moments:
        if self.fit.family == GAUSSIAN:
            return Moments(eta, np.ones_like(eta), np.zeros_like(eta))
        return logistic_normal(eta, np.sqrt(variance))

    def _matrices(self, rows: Rows) -> Iterator[FloatArray]:
        """X of each outcome's logit, (n, p)."""
        if self.fit.family != ORDINAL:
            yield rows.fixed
            return
        for k in range(self.outcomes):
            thresholds = np.zeros((len(rows.fixed), self.outcomes))
            thresholds[:, k] = -1.0
            yield np.hstack([thresholds, rows.fixed])
