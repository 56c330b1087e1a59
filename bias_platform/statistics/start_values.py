"""Where the optimiser starts: damped joint Newton steps for (beta, u) with EM updates of the deviations."""

from dataclasses import dataclass

import numpy as np
import scipy.linalg as sla

from bias_platform.statistics.arrays import FloatArray, bin_sums
from bias_platform.statistics.laplace import (
    BlockFactor,
    Modes,
    Point,
    Scales,
    dense_cholesky,
    penalised_gradient,
    point_at,
    scales,
    zero_modes,
)
from bias_platform.statistics.layout import CrossInformation, Layout

_STEPS = 7
_FIRST_LOCAL, _FIRST_DENSE = 0.7, 0.15
"""Crossed wording terms are often near zero: starting them small saves evaluations."""


@dataclass(frozen=True)
class StartValues:
    """First guess of beta, the standard deviations and the modes, with the scales of beta and sd there."""

    beta: FloatArray
    sd: FloatArray
    modes: Modes
    dense_factor: FloatArray
    beta_root: FloatArray
    """(p, p) with ``beta_root @ beta_root.T`` about the covariance of beta."""
    sd_scale: FloatArray
    """(terms,): about the standard error of each standard deviation."""


def find_start(layout: Layout, terms: int) -> StartValues:
    """A few steps towards the optimum, cheap because no mode is searched to the end."""
    rate = layout.successes.sum() / layout.trials.sum()
    sd = np.full(terms, _FIRST_DENSE)
    sd[list(layout.plan.local_terms)] = _FIRST_LOCAL
    beta, modes = _constant_start(layout, float(np.log(rate / (1 - rate)))), zero_modes(layout)
    scale = scales(layout, sd)
    point = point_at(layout, beta, scale, modes)
    for _ in range(_STEPS):
        blocks = BlockFactor(layout, scale, point.weights)
        information = layout.cross_information(blocks.root, point.weights)
        factor = dense_cholesky(blocks.scaled(information.dense))
        step = _joint_step(layout, blocks, information=information, factor=factor, point=point, modes=modes)
        beta, modes, point, moved = _damped_joint(layout, scale, beta=beta, modes=modes, point=point, step=step)
        variance = posterior_variance(layout, blocks, factor)
        sd, modes, ratio = _expectation_step(layout, sd, modes, variance)
        scale = scales(layout, sd)
        if moved < 0.1 and ratio < 1.05:
            break
    joint = joint_information(blocks, information, factor)
    return StartValues(beta, sd, modes, factor, _inverse_root(joint), _sd_scale(layout, sd, variance))


def _constant_start(layout: Layout, logit: float) -> FloatArray:
    """The beta nearest to a constant predictor; exact where X spans the constant."""
    ones = np.ones_like(layout.trials)
    gram = layout.cross_information(np.zeros((layout.groups, layout.width, layout.width)), ones).fixed
    beta = np.linalg.lstsq(gram, layout.sum_fixed(ones) * logit, rcond=None)[0]
    return np.asarray(beta, dtype=np.float64)


def joint_information(blocks: BlockFactor, information: CrossInformation, dense_factor: FloatArray) -> FloatArray:
    """Information on beta with u profiled out, at fixed deviations: X'WX - X'WZ lam H^-1 lam Z'WX."""
    if len(dense_factor) == 0:
        return information.fixed
    scaled = blocks.scale.dense[:, None] * information.dense_fixed
    half = sla.solve_triangular(dense_factor, scaled, lower=True)
    joint: FloatArray = information.fixed - half.T @ half
    return joint


def _joint_step(
    layout: Layout,
    blocks: BlockFactor,
    *,
    information: CrossInformation,
    factor: FloatArray,
    point: Point,
    modes: Modes,
) -> tuple[FloatArray, Modes, float]:
    """Newton step in (beta, u) and its squared decrement."""
    gradient = penalised_gradient(layout, blocks.scale, point, modes)
    alone = blocks.solve_all(gradient, factor)
    carried = layout.spread_local(alone.local * blocks.scale.local)
    carried = point.weights * (carried + layout.spread_dense(alone.dense * blocks.scale.dense))
    score = layout.sum_fixed(point.residual - carried)
    joint = joint_information(blocks, information, factor)
    joint[np.diag_indices_from(joint)] *= 1.0 + 1e-10
    beta = sla.solve(joint, score, assume_a="pos")
    rows = point.weights * layout.predictor(beta, np.zeros_like(modes.local), np.zeros_like(modes.dense))
    answer = blocks.solve_all(
        Modes(layout.sum_local(rows) * blocks.scale.local, layout.sum_dense(rows) * blocks.scale.dense), factor
    )
    step = alone.moved(answer, -1.0)
    return beta, step, float(score @ beta) + gradient.dot(alone)


def _damped_joint(
    layout: Layout,
    scale: Scales,
    *,
    beta: FloatArray,
    modes: Modes,
    point: Point,
    step: tuple[FloatArray, Modes, float],
) -> tuple[FloatArray, Modes, Point, float]:
    size = min(1.0, 4.0 / max(1e-12, float(np.abs(step[0]).max())))
    for _ in range(20):
        ahead_beta, ahead_modes = beta + size * step[0], modes.moved(step[1], size)
        ahead = point_at(layout, ahead_beta, scale, ahead_modes)
        if ahead.objective > point.objective:
            return ahead_beta, ahead_modes, ahead, step[2]
        size *= 0.5
    return beta, modes, point, 0.0


def posterior_variance(layout: Layout, blocks: BlockFactor, factor: FloatArray) -> tuple[FloatArray, FloatArray]:
    """diag H^-1, inside the blocks (groups, width) and of the dense part."""
    inverse = sla.cho_solve((factor, True), np.eye(len(factor))) if len(factor) else factor
    lam = blocks.scale.dense
    _, crossed = layout.leverage(blocks.root, blocks.weights, lam[:, None] * inverse * lam)
    root = blocks.inverse_root
    return np.einsum("gij,gij->gj", root, root + crossed @ root), np.diag(inverse).copy()


def _expectation_step(
    layout: Layout, sd: FloatArray, modes: Modes, variance: tuple[FloatArray, FloatArray]
) -> tuple[FloatArray, Modes, float]:
    """EM update of the deviations, the effects themselves (sd * u) left where they are."""
    terms = len(sd)
    local, dense = layout.local_term, layout.dense_term
    total = bin_sums(local, (modes.local**2 + variance[0]).sum(axis=0), terms)
    total += bin_sums(dense, modes.dense**2 + variance[1], terms)
    count = np.bincount(local, minlength=terms) * layout.groups + np.bincount(dense, minlength=terms)
    factor = np.clip(np.sqrt(total / count), 0.5, 2.0)
    moved = Modes(modes.local / factor[local], modes.dense / factor[dense])
    return sd * factor, moved, float(np.maximum(factor, 1 / factor).max())


def _inverse_root(information: FloatArray) -> FloatArray:
    information = information.copy()
    information[np.diag_indices_from(information)] *= 1.0 + 1e-10
    factor = sla.cholesky(information, lower=True)
    root: FloatArray = sla.solve_triangular(factor, np.eye(len(factor)), lower=True).T
    return root


def _sd_scale(layout: Layout, sd: FloatArray, variance: tuple[FloatArray, FloatArray]) -> FloatArray:
    """From the expected information on sd, 2 sum (1 - posterior variance)^2 / sd^2, at most 0.3."""
    terms = len(sd)
    known = bin_sums(layout.local_term, ((1 - variance[0]) ** 2).sum(axis=0), terms)
    known += bin_sums(layout.dense_term, (1 - variance[1]) ** 2, terms)
    return np.minimum(np.abs(sd) / np.sqrt(2.0 * np.maximum(known, 1e-12)), 0.3)
