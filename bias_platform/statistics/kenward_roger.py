"""Kenward and Roger's covariance of fixed effects, F and degrees of freedom for a Gaussian fit by REML, as in pbkrtest.

The covariance C of the fixed effects at estimated variances leaves out that these were estimated; with W the inverse of
the expected restricted information of the variances, it becomes ``C + 2 C U C``,
``U = sum_ij W_ij X'V^-1 G_i P G_j V^-1 X`` (notation of `variance_directions`). F by that covariance is scaled, and its
degrees of freedom are chosen, so that mean and variance are those of an F distribution, exactly so for Hotelling's and
for balanced designs. V is linear in its parameters, so that no second derivatives come in, and parameters that are
estimated as zero count like all others.

Sources: M. G. Kenward and J. H. Roger (1997), Biometrics 53, 983-997; U. Halekoh and S. Hoejsgaard (2014), Journal of
Statistical Software 59(9), for the formulas in this form.
"""

import numpy as np

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.mixed_model_fit import MixedModelFit
from bias_platform.statistics.one_thread import one_blas_thread
from bias_platform.statistics.small_sample import KENWARD_ROGER, IndependentContrasts, SmallSampleTests
from bias_platform.statistics.variance_directions import VarianceDirections, variance_directions

_FLAT = 1e-10
"""Eigenvalues of the scaled information below this are rounding: what they belong to cannot be told apart."""
_ROUNDING = 1e-10
_TWO = 0.01
"""Degrees of freedom so near 2 have no finite mean to scale by: F is left as it is, as in pbkrtest."""


class KenwardRoger(SmallSampleTests):
    """Tests by the adjusted covariance, against t and F with estimated degrees of freedom."""

    method = KENWARD_ROGER

    def __init__(self, fit: MixedModelFit, directions: VarianceDirections) -> None:
        super().__init__(fit, directions)
        self._weights = 2.0 * _pseudo_inverse(directions.traces)
        assert directions.sandwiches is not None, "products of the adjusted covariance"
        inner = np.einsum("ij,ijpq->pq", self._weights, directions.sandwiches)
        own = directions.covariance
        self._adjusted: FloatArray = own + own @ (inner + inner.T) @ own

    def _basis_covariance(self) -> FloatArray:
        return self._adjusted

    def _row_df(self, rows: FloatArray) -> FloatArray:
        half = rows @ self.directions.covariance
        slopes = np.stack([np.einsum("kp,kp->k", half @ slope, half) for slope in self.directions.information])
        spread = np.einsum("ak,ab,bk->k", slopes, self._weights, slopes)
        df: FloatArray = 2.0 * np.einsum("kp,kp->k", half, rows) ** 2 / spread
        return df

    def _f(self, contrasts: IndependentContrasts) -> tuple[float, float]:
        estimates = self._estimates(contrasts.matrix)
        adjusted = contrasts.matrix @ self._adjusted @ contrasts.matrix.T
        wald = float(estimates @ np.linalg.solve(adjusted, estimates)) / len(estimates)
        df, factor = _matched(*self._trace_sums(contrasts), len(estimates))
        return factor * wald, df

    def _trace_sums(self, contrasts: IndependentContrasts) -> tuple[float, float]:
        """A1 and A2 of Kenward and Roger."""
        half = contrasts.matrix @ self.directions.covariance / np.sqrt(contrasts.variances)[:, None]
        felt = half @ self.directions.information @ half.T
        own = np.einsum("aqq->a", felt)
        return float(own @ self._weights @ own), float(np.einsum("ab,aqr,brq->", self._weights, felt, felt))


def kenward_roger(fit: MixedModelFit) -> KenwardRoger:
    """Adjusted covariance, F and degrees of freedom by Kenward and Roger's method.

    Args:
        fit: Gaussian, by REML. No matrix over observations is formed, so the design may be large, but products of pairs
            of random terms with all fixed effects cost more than `satterthwaite`.

    Raises:
        ModelError: another family or likelihood, or a design that would cost too much.

    >>> import numpy as np, pandas as pd
    >>> from bias_platform.statistics import fit_mixed_model
    >>> rng = np.random.default_rng(0)
    >>> data = pd.DataFrame({"persona": np.repeat(np.arange(12), 10), "group": np.repeat(["a", "b", "c"], 40)})
    >>> data["margin"] = rng.normal(0, 1, 12)[data["persona"]] + rng.normal(0, 1, 120)
    >>> tests = kenward_roger(fit_mixed_model("margin ~ group + (1 | persona)", data, family="gaussian"))
    >>> tests.degrees_of_freedom([0, 1, -1]).round(3).tolist()
    [9.0]
    >>> round(tests.f_test([[0, 1, 0], [0, 0, 1]]).denominator_df, 3)
    9.0
    """
    with one_blas_thread():
        return KenwardRoger(fit, variance_directions(fit, KENWARD_ROGER, with_sandwiches=True))


def _matched(a1: float, a2: float, q: int) -> tuple[float, float]:
    """Degrees of freedom and factor of F, from moments of F and what they are where it is exact."""
    b = (a1 + 6.0 * a2) / (2.0 * q)
    g = ((q + 1.0) * a1 - (q + 4.0) * a2) / ((q + 2.0) * a2)
    below = 3.0 * q + 2.0 * (1.0 - g)
    v0, v1, v2 = 1.0 + g / below * b, 1.0 - (q - g) / below * b, 1.0 - (q + 2.0 - g) / below * b
    v0 = 0.0 if abs(v0) < _ROUNDING else v0
    left = 1.0 - a2 / q
    ratio = 1.0 if max(abs(left), abs(v1)) < _ROUNDING else left / v1
    df = 4.0 + (q + 2.0) / (ratio**2 * v0 / v2 - 1.0)
    return df, 1.0 if abs(df - 2.0) < _TWO else df * left / (df - 2.0)


def _pseudo_inverse(information: FloatArray) -> FloatArray:
    """Of a positive semidefinite matrix, by way of one with ones on the diagonal."""
    scale = 1.0 / np.sqrt(np.diag(information))
    inverse = np.linalg.pinv(information * scale[:, None] * scale, rcond=_FLAT, hermitian=True)
    return np.asarray(inverse * scale[:, None] * scale, dtype=np.float64)
