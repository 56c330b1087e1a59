"""A Gaussian mixed model made ready for evaluation: orthonormal X, standardised outcome.

X = Q R with Q'WQ = I (W counts observations) makes the fit indifferent to the units of covariates; what least
squares leaves of y, divided by its own spread, makes it indifferent to the units and the origin of y.
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg as sla

from bias_platform.statistics.arrays import FloatArray, bin_sums
from bias_platform.statistics.choose_layout import lay_out
from bias_platform.statistics.design import Design
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.layout import Layout

_ROUNDING = 1e-18
"""Share of the sum of squares that is rounding."""


@dataclass(frozen=True)
class LinearProblem:
    """What one evaluation needs, and the way back to the units of the data."""

    layout: Layout
    """With Q in place of X, and in ``successes`` the sums of the standardised residuals of least squares."""
    within: float
    """Sum of squares inside the distinct rows, standardised."""
    observations: int
    restricted: bool
    root: FloatArray
    """R, (p, p), upper triangular."""
    origin: FloatArray
    """Least squares in the basis Q, in units of y, (p,)."""
    scale: float
    """Units of y in a standardised unit."""

    @property
    def degrees(self) -> int:
        """What the residual variance is divided by: n, or n - p for restricted likelihood."""
        return self.observations - self.layout.n_fixed if self.restricted else self.observations

    @property
    def log_units(self) -> float:
        """What the units of y and X add to the deviance."""
        units = 2.0 * self.degrees * float(np.log(self.scale))
        return units + 2.0 * float(np.log(np.abs(np.diag(self.root))).sum()) if self.restricted else units

    def fixed_effects(self, beta: FloatArray) -> FloatArray:
        """Coefficients of X in the units of the data from those of Q in standardised units."""
        effects: FloatArray = sla.solve_triangular(self.root, self.origin + self.scale * beta)
        return effects

    def fixed_covariance(self, covariance: FloatArray) -> FloatArray:
        """The same for a covariance matrix (p, p)."""
        half = sla.solve_triangular(self.root, self.scale * covariance)
        full: FloatArray = sla.solve_triangular(self.root, self.scale * half.T)
        return 0.5 * (full + full.T)


def linear_problem(design: Design, restricted: bool) -> LinearProblem:
    """Standardise a design.

    Raises:
        ModelError: a grouping that cannot be told from the residual, or an outcome that X explains exactly.
    """
    _refuse_full_groupings(design)
    fixed = design.fixed
    weight = np.sqrt(bin_sums(design.pattern, design.trials, len(fixed.patterns)))
    root = np.asarray(np.linalg.qr(weight[:, None] * fixed.patterns, mode="r"), dtype=np.float64)
    basis = np.ascontiguousarray(sla.solve_triangular(root, fixed.patterns.T, trans=1).T)
    origin = bin_sums(design.pattern, design.successes, len(basis)) @ basis
    left = design.successes - design.trials * (basis @ origin)[design.pattern]
    left_squares = design.within + float((left**2 / design.trials).sum())
    _refuse_exact(design, left_squares)
    scale = float(np.sqrt(left_squares / design.n_observations))
    standard = replace(design, fixed=replace(fixed, patterns=basis), successes=left / scale)
    return LinearProblem(
        layout=lay_out(standard),
        within=design.within / scale**2,
        observations=design.n_observations,
        restricted=restricted,
        root=root,
        origin=origin,
        scale=scale,
    )


def _refuse_full_groupings(design: Design) -> None:
    full = [term for term in design.terms if term.size >= design.n_observations]
    if full:
        raise ModelError(
            f"The grouping {full[0].name!r} in {design.formula.text!r} has as many levels as there are observations "
            f"({design.n_observations:,}): its variance cannot be told from the residual; remove the term."
        )


def _refuse_exact(design: Design, left: float) -> None:
    mean = float(design.successes.sum()) / design.n_observations
    means = design.successes / design.trials
    total = design.within + float(design.trials @ (means - mean) ** 2)
    raw = float(design.trials @ means**2)
    if left <= _ROUNDING * total + 1e-8 * _ROUNDING * raw or design.n_observations <= design.n_fixed:
        raise ModelError(
            f"The fixed part of {design.formula.text!r} explains {design.formula.response!r} exactly: no variance is "
            "left for random intercepts or a residual; use fewer fixed effects, or report the values as they are."
        )
