"""Observed information of (beta, theta) at the optimum, for standard errors.

The beta block is the joint information (u profiled out) plus half the second derivative of log|H|:
``J'diag(h W''/2 - W' pull)J - (W'J)'(V o V)(W'J)/2`` with V = Z T H^-1 T'Z', h = diag V and
J = (I - V W)X the derivative of the predictor. V o V is exact within each group; its part between groups is
exact for small problems and left out where it would cost more than the fit (0.001 % of a standard error at
500 items). The theta rows are differenced gradients, one evaluation an entry.
"""

import numpy as np
import scipy.linalg as sla

from bias_platform.statistics.arrays import FloatArray, IntArray
from bias_platform.statistics.block_curvature import grid_block_curvature, is_cheaper, loose_block_curvature
from bias_platform.statistics.evaluation import Evaluation, evaluate
from bias_platform.statistics.grid_curvature import grid_curvature
from bias_platform.statistics.grid_layout import GridLayout
from bias_platform.statistics.layout import Layout
from bias_platform.statistics.loose_curvature import loose_curvature
from bias_platform.statistics.loose_layout import LooseLayout

BETWEEN_BUDGET = 1e10
"""Operations that the part of V o V between groups may cost (some 0.7 s) before it is left out."""


def conditional_information(layout: Layout, found: Evaluation) -> tuple[FloatArray, FloatArray]:
    """Joint information of beta (p, p), and -T dU_D/dbeta (dense, p) that belongs to it."""
    blocks = found.blocks
    cross = layout.cross_information(blocks.root, blocks.fine)
    answer: FloatArray = np.zeros((0, layout.n_fixed))
    if layout.dense:
        solved = sla.cho_solve((found.dense_factor, True), blocks.scaled_fixed(cross))
        answer = blocks.scales.dense.effects(solved.T).T
    return blocks.joint_information(cross, found.dense_factor) + layout.gaps.information(found.beta), answer


def observed_information(layout: Layout, found: Evaluation, live: IntArray) -> FloatArray:
    """Negative Hessian of the log-likelihood in (beta, live theta), (p + live, p + live).

    Args:
        live: entries of theta that are free: those of columns that are not zero.
    """
    joint, answer = conditional_information(layout, found)
    information = joint + _half_log_determinant(layout, found, answer)
    p = layout.n_fixed
    full = np.zeros((p + len(live),) * 2)
    full[:p, :p] = information
    here = np.concatenate([found.beta_gradient, found.theta_gradient[live]])
    for at, entry in enumerate(live):
        step = 1e-4 * max(abs(float(found.theta[entry])), 0.1)
        theta = found.theta.copy()
        theta[entry] += step
        full[:, p + at] = (here - _gradient(layout, found, theta, live)) / step
    full[p:, :p] = full[:p, p:].T
    full[p:, p:] = 0.5 * (full[p:, p:] + full[p:, p:].T)
    return full


def _gradient(layout: Layout, near: Evaluation, theta: FloatArray, live: IntArray) -> FloatArray:
    """In (beta, live theta); the rest of the evaluation, which is large, is given up at once."""
    found = evaluate(layout, near.beta, theta, near.modes, near.dense_factor)
    return np.concatenate([found.beta_gradient, found.theta_gradient[live]])


def _half_log_determinant(layout: Layout, found: Evaluation, answer: FloatArray) -> FloatArray:
    short = is_cheaper(layout)
    if isinstance(layout, GridLayout):
        if short:
            return grid_block_curvature(layout, found, answer)
        return grid_curvature(layout, found, answer, BETWEEN_BUDGET)
    if isinstance(layout, LooseLayout):
        if short:
            return loose_block_curvature(layout, found, answer)
        return loose_curvature(layout, found, answer, BETWEEN_BUDGET)
    raise TypeError(f"no curvature for {type(layout).__name__}")
