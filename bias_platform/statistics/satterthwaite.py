"""Satterthwaite's degrees of freedom for contrasts of the fixed effects of a Gaussian fit by REML, as in lmerTest.

The variance v = l'C l of a contrast is an estimate: with g its derivatives in the parameters of the random terms and A
the covariance of those, from the observed information of the restricted likelihood, ``df = 2 v^2 / g'A g``. An F test
of q contrasts takes them apart into uncorrelated ones with degrees of freedom d_m and matches the mean of their squared
t statistics: ``df = 2 E / (E - q)`` with ``E = sum_m d_m / (d_m - 2)``. Where the d_m differ, it depends a little on
the rows that the contrasts are given by, because these may be taken apart in many ways.

Sources: F. E. Satterthwaite (1946), Biometrics Bulletin 2, 110-114; A. H.-T. Fai and P. L. Cornelius (1996), Journal of
Statistical Computation and Simulation 54, 363-378; A. Kuznetsova, P. B. Brockhoff and R. H. B. Christensen (2017),
Journal of Statistical Software 82(13).
"""

import numpy as np

from bias_platform.statistics.arrays import FloatArray, IntArray
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.mixed_model_fit import MixedModelFit
from bias_platform.statistics.one_thread import one_blas_thread
from bias_platform.statistics.random_terms import FactorShape
from bias_platform.statistics.small_sample import SATTERTHWAITE, IndependentContrasts, SmallSampleTests
from bias_platform.statistics.variance_components import live_entries
from bias_platform.statistics.variance_directions import VarianceDirections, variance_directions

_FLAT = 1e-10
"""Curvature, of a parameter scaled to one, below which the data say nothing about it."""
_ALIKE = 1e-8
"""Degrees of freedom that differ by less than this are the same."""


class Satterthwaite(SmallSampleTests):
    """Tests by the fit's own standard errors, against t and F with estimated degrees of freedom."""

    method = SATTERTHWAITE

    def __init__(self, fit: MixedModelFit, directions: VarianceDirections) -> None:
        super().__init__(fit, directions)
        shape = fit.design.shape
        live = live_entries(shape, np.flatnonzero(shape.lengths(fit.theta) == 0.0).tolist())
        moves = _moves(shape, fit.theta, live)
        self._parameter_covariance = 2.0 * _inverse(_curvature(directions, shape, live, moves), fit)
        """Of the live entries of theta and last of the logarithm of the residual variance."""
        self._slopes = np.tensordot(moves.T, directions.information, 1)

    def _basis_covariance(self) -> FloatArray:
        return self.directions.covariance

    def _row_df(self, rows: FloatArray) -> FloatArray:
        half = rows @ self.directions.covariance
        variances = np.einsum("kp,kp->k", half, rows)
        slopes = np.stack([np.einsum("kp,kp->k", half @ slope, half) for slope in self._slopes])
        noise = np.einsum("ak,ab,bk->k", slopes, self._parameter_covariance, slopes)
        df: FloatArray = 2.0 * variances**2 / noise
        return df

    def _f(self, contrasts: IndependentContrasts) -> tuple[float, float]:
        squares = self._estimates(contrasts.matrix) ** 2 / contrasts.variances
        return float(squares.mean()), matched_df(self._row_df(contrasts.matrix))


def satterthwaite(fit: MixedModelFit) -> Satterthwaite:
    """Degrees of freedom by Satterthwaite's method.

    A variance that is estimated as zero is taken for known to be zero, as in lmerTest: its unit then adds nothing to
    the standard error nor to what is uncertain about it, so that terms which this unit carries have too many degrees of
    freedom if the variance is not truly zero. `kenward_roger` keeps the uncertainty of a variance that was estimated as
    zero, and `carried_df` the degrees of freedom of the unit.

    Args:
        fit: Gaussian, by REML. Costs about as much as a few evaluations of the likelihood.

    Raises:
        ModelError: another family or likelihood, a likelihood without curvature, or a design that would cost too much.

    >>> import numpy as np, pandas as pd
    >>> from bias_platform.statistics import fit_mixed_model
    >>> rng = np.random.default_rng(0)
    >>> data = pd.DataFrame({"persona": np.repeat(np.arange(12), 10), "group": np.repeat(["a", "b", "c"], 40)})
    >>> data["margin"] = rng.normal(0, 1, 12)[data["persona"]] + rng.normal(0, 1, 120)
    >>> tests = satterthwaite(fit_mixed_model("margin ~ group + (1 | persona)", data, family="gaussian"))
    >>> tests.degrees_of_freedom([[0, 1, 0], [0, 1, -1]]).round(3).tolist()
    [9.0, 9.0]
    >>> tests.f_test([[0, 1, 0], [0, 0, 1]]).numerator_df
    2
    """
    with one_blas_thread():
        return Satterthwaite(fit, variance_directions(fit, SATTERTHWAITE))


def matched_df(degrees: FloatArray) -> float:
    """Denominator degrees of freedom of the mean of squares of independent t statistics with ``degrees`` (q,).

    Where one of them has no variance (2 degrees or fewer) it is 2, as in lmerTest.

    >>> round(matched_df(np.array([5.0, 10.0, 20.0])), 3)
    7.838
    """
    if np.ptp(degrees) < _ALIKE:
        return float(degrees.mean())
    if degrees.min() <= 2.0:
        return 2.0
    mean = float((degrees / (degrees - 2.0)).sum())
    return 2.0 * mean / (mean - len(degrees))


def _moves(shape: FactorShape, theta: FloatArray, live: IntArray) -> FloatArray:
    """How directions follow the live entries of theta, and last the logarithm of the residual variance.

    Returns:
        (directions, live + 1).
    """
    moves = np.zeros((shape.parameters + 1, len(live) + 1))
    for at, entry in enumerate(live):
        term, row, column = _place(shape, entry)
        factor = shape.matrix(theta, term)
        change = np.zeros_like(factor)
        change[row] = factor[:, column]
        moves[shape.of_term(term), at] = shape.entries(change + change.T, term)
    moves[-1, -1] = 1.0
    return moves


def _curvature(directions: VarianceDirections, shape: FactorShape, live: IntArray, moves: FloatArray) -> FloatArray:
    """Second derivatives of minus twice the restricted log-likelihood, (live + 1, live + 1).

    Theta enters by squares and products, whose own curvature counts with the slopes: at a maximum these are zero but
    for covariances at the edge of what there is.
    """
    assert directions.squares is not None, "products of the observed information"
    curvature: FloatArray = moves.T @ (2.0 * directions.squares - directions.traces) @ moves
    for at, entry in enumerate(live):
        for other_at in np.flatnonzero(shape.column[live] == shape.column[entry]):
            term, row, _ = _place(shape, entry)
            change = np.zeros((int(shape.starts[term + 1] - shape.starts[term]),) * 2)
            change[row, _place(shape, live[other_at])[1]] = 1.0
            bend = shape.entries(change + change.T, term)
            curvature[at, other_at] += directions.slopes[shape.of_term(term)] @ bend
    return curvature


def _place(shape: FactorShape, entry: int) -> tuple[int, int, int]:
    """Term, and row and column in its factor, of an entry of theta."""
    term = int(shape.term[entry])
    return term, int(shape.row[entry] - shape.starts[term]), int(shape.column[entry] - shape.starts[term])


def _inverse(curvature: FloatArray, fit: MixedModelFit) -> FloatArray:
    """Of a positive definite matrix, by way of one with ones on the diagonal.

    Raises:
        ModelError: it is not positive definite.
    """
    diagonal = np.diag(curvature)
    if diagonal.min() > 0.0:
        scale = 1.0 / np.sqrt(diagonal)
        values, vectors = np.linalg.eigh(curvature * scale[:, None] * scale)
        if values[0] > _FLAT:
            inverse: FloatArray = (vectors / values) @ vectors.T * scale[:, None] * scale
            return inverse
    raise ModelError(
        f"The restricted likelihood of {fit.formula!r} has no curvature in some variance where the fit ended, so "
        "Satterthwaite's degrees of freedom do not exist: see fit.messages, drop a random term that cannot be told "
        "from another, or use carried_df."
    )
