"""How the likelihood of a Gaussian fit, and the covariance of its fixed effects, answer to the covariance of the data.

The covariance of y, in units of the residual variance, is ``V = W^-1 + sum_i gamma_i G_i``, W the observations of each
row. The gammas are the entries of the covariances of the random terms, in the order of theta; with J_i the matrix that
pairs the columns of Z which an entry belongs to, ``G_i = Z J_i Z'``: of a variance, J_i is the identity on its columns.
A further direction is V itself, which stands for the residual variance. All that the methods of Satterthwaite and of
Kenward and Roger need are products of ``Z'PZ``, ``B = Z'V^-1X`` and ``e = Z'Py`` with these J_i, where
``P = V^-1 - V^-1 X C X'V^-1`` and ``C = (X'V^-1X)^-1``; no matrix over rows is ever formed.

One grouping is eliminated as in the fit; see `direction_products` for the sums and `group_parts` for a group's share.

Sources: D. A. Harville (1977), Journal of the American Statistical Association 72, 320-338, for the derivatives of the
restricted likelihood; M. G. Kenward and J. H. Roger (1997), Biometrics 53, 983-997.
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg as sla

from bias_platform.statistics.arrays import FloatArray, bin_sums
from bias_platform.statistics.design import Design
from bias_platform.statistics.direction_products import DirectionProducts
from bias_platform.statistics.elimination import Elimination, elimination_plans
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.loose_layout import LooseLayout
from bias_platform.statistics.mixed_model_fit import MixedModelFit
from bias_platform.statistics.response import GAUSSIAN

MOST_OPERATIONS = 2e12
"""Multiplications that the products may cost: some minutes of one core."""


@dataclass(frozen=True)
class VarianceDirections:
    """Products over all pairs of directions; the last one is V itself. Fixed effects in an orthonormal basis of X."""

    root: FloatArray
    """R of X = Q R, (p, p): a contrast l of the coefficients of X is l R^-1 of those of Q."""
    covariance: FloatArray
    """C, (p, p), in units of the residual variance."""
    information: FloatArray
    """X'V^-1 G_i V^-1X, (directions, p, p)."""
    traces: FloatArray
    """tr(P G_i P G_j), (directions, directions): twice the expected restricted information."""
    squares: FloatArray | None
    """y'P G_i P G_j Py by the residual variance, (directions, directions); None where ``sandwiches`` are known."""
    slopes: FloatArray
    """tr(P G_i) - y'P G_i Py by the residual variance, (directions,): of minus twice the log-likelihood."""
    sandwiches: FloatArray | None
    """X'V^-1 G_i P G_j V^-1X, (directions, directions, p, p); None where not asked for."""

    def to_basis(self, matrix: FloatArray) -> FloatArray:
        """Contrasts (k, p) of the coefficients of X as contrasts of those of Q."""
        return np.asarray(sla.solve_triangular(self.root, matrix.T, trans=1).T, dtype=np.float64)


def variance_directions(fit: MixedModelFit, method: str, with_sandwiches: bool = False) -> VarianceDirections:
    """The products at the estimates of a Gaussian fit.

    Args:
        fit: by REML.
        method: what needs them, as an error message names it.
        with_sandwiches: whether those that only Kenward and Roger's covariance needs are wanted.

    Raises:
        ModelError: another family or likelihood, or a design that would cost too much.
    """
    _refuse_other_fits(fit, method)
    design = fit.design
    plan = _cheapest_plan(design, with_sandwiches, method)
    weight = np.sqrt(bin_sums(design.pattern, design.trials, len(design.fixed.patterns)))
    root = np.asarray(np.linalg.qr(weight[:, None] * design.fixed.patterns, mode="r"), dtype=np.float64)
    basis = np.ascontiguousarray(sla.solve_triangular(root, design.fixed.patterns.T, trans=1).T)
    fitted = design.fixed.patterns @ fit.fixed_effects["estimate"].to_numpy()
    left = (design.successes - design.trials * fitted[design.pattern]) / fit.residual_sd
    standard = replace(design, fixed=replace(design.fixed, patterns=basis), successes=left)
    products = DirectionProducts(LooseLayout(standard, plan), fit.theta, with_sandwiches)
    return _with_scale(products, root, design.n_observations - design.n_fixed, with_sandwiches)


def _with_scale(products: DirectionProducts, root: FloatArray, free: int, with_sandwiches: bool) -> VarianceDirections:
    """The products and those of V itself: ``PVP = P``, so that they follow from the others.

    Args:
        free: observations less fixed effects, which is tr(PV), and y'Py by the residual variance.
    """
    p = len(root)
    seen = products.outer[:, p, p]
    return VarianceDirections(
        root=root,
        covariance=products.covariance,
        information=np.concatenate([products.outer[:, :p, :p], np.asarray(np.linalg.inv(products.covariance))[None]]),
        traces=_bordered(products.traces, products.own_traces, free),
        squares=None if with_sandwiches else _bordered(products.between[:, :, 0, 0], seen, free),
        slopes=np.append(products.own_traces - seen, 0.0),
        sandwiches=np.pad(products.between, ((0, 1), (0, 1), (0, 0), (0, 0))) if with_sandwiches else None,
    )


def _bordered(matrix: FloatArray, border: FloatArray, corner: float) -> FloatArray:
    """One row and column more."""
    return np.block([[matrix, border[:, None]], [border, np.array(corner)]])


def _refuse_other_fits(fit: MixedModelFit, method: str) -> None:
    if fit.family != GAUSSIAN:
        raise ModelError(
            f"The degrees of freedom of {method} are for Gaussian fits by REML, not for family={fit.family!r}: leave "
            "'denominator_df' out to test against the unit that carries each term (carried_df)."
        )
    if fit.method != "REML":
        raise ModelError(
            f"The degrees of freedom of {method} need a fit by REML, but {fit.formula!r} was fitted by {fit.method}: "
            "fit it with method='REML'."
        )


def _cheapest_plan(design: Design, with_sandwiches: bool, method: str) -> Elimination:
    plans = [plan for plan in elimination_plans(design) if not plan.fine.index]
    costs = [_operations(plan, design, with_sandwiches) for plan in plans]
    best = int(np.argmin(costs))
    if costs[best] > MOST_OPERATIONS:
        instead = "carried_df" if method == "satterthwaite" else "denominator_df='satterthwaite' or carried_df"
        raise ModelError(
            f"The degrees of freedom of {method} would take {costs[best]:.1g} operations for {design.formula.text!r}, "
            f"more than the {MOST_OPERATIONS:.0e} that are allowed: with so many observations use {instead}."
        )
    return plans[best]


def _operations(plan: Elimination, design: Design, with_sandwiches: bool) -> float:
    """Multiplications, roughly."""
    width, beside, p = plan.local.width, plan.dense.width + design.n_fixed + 1, design.n_fixed
    pairs = len(plan.local.index) if with_sandwiches else 0
    each = 2.0 * width**2 * beside + 3.0 * width * beside**2 + width**3 + pairs * width * (width + p) * p
    return plan.groups * each + 6.0 * float(beside) ** 3 * (1 + len(design.components))
