"""Where the optimiser starts: damped joint Newton steps for (beta, u) with EM updates of the covariances."""

from dataclasses import dataclass

import numpy as np
import scipy.linalg as sla

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.block_factor import BlockFactor, dense_cholesky, dense_inverse, exact_solver
from bias_platform.statistics.determined import determined_levels
from bias_platform.statistics.expectation import expectation_step, first_theta, theta_scale
from bias_platform.statistics.laplace import Point, penalised_gradient, point_at
from bias_platform.statistics.layout import Layout
from bias_platform.statistics.modes import Modes, zero_modes
from bias_platform.statistics.scales import Scales, scales_of

_STEPS = 7
_FIRST_NESTED, _FIRST_DENSE = 0.7, 0.15
"""Crossed wording terms are often near zero: starting them small saves evaluations."""


@dataclass(frozen=True)
class StartValues:
    """First guess of beta, theta and the modes, with the scales of beta and theta there."""

    beta: FloatArray
    theta: FloatArray
    modes: Modes
    dense_factor: FloatArray
    beta_root: FloatArray
    """(p, p) with ``beta_root @ beta_root.T`` about the covariance of beta."""
    theta_scale: FloatArray
    """(parameters,): about the standard error of each entry of theta."""


def find_start(layout: Layout) -> StartValues:
    """A few steps towards the optimum, cheap because no mode is searched to the end."""
    theta = first_theta(layout, _FIRST_NESTED, _FIRST_DENSE)
    beta, modes = _start_without_effects(layout), zero_modes(layout)
    levels = modes.counts(layout)
    point = point_at(layout, beta, scales_of(layout, theta), modes)
    for _ in range(_STEPS):
        blocks = BlockFactor(layout, theta, point.weights)
        information = layout.cross_information(blocks.root, blocks.fine)
        factor = dense_cholesky(blocks.scaled(information.dense))
        joint = blocks.joint_information(information, factor) + layout.gaps.information(beta)
        step = _joint_step(layout, blocks, beta, joint=joint, factor=factor, point=point, modes=modes)
        beta, modes, point, moved = _damped_joint(layout, blocks.scales, beta=beta, modes=modes, point=point, step=step)
        determined = _determined(layout, blocks, factor)
        update = expectation_step(layout, theta, modes, levels, determined)
        theta, modes = update.theta, scales_of(layout, update.back).effects(modes)
        if moved < 0.1 and update.change < 1.05:
            break
    scale = theta_scale(layout.shape, theta, determined, levels, 0.3)
    return StartValues(beta, theta, modes, factor, _inverse_root(joint), scale)


def _start_without_effects(layout: Layout) -> FloatArray:
    """The beta nearest to the same predictor everywhere (or at each threshold); exact where X spans it."""
    patterns, target = layout.patterns, layout.origin
    if target is None:
        rate = layout.successes.sum() / layout.trials.sum()
        target = np.full(len(patterns), np.log(rate / (1 - rate)))
    beta = np.linalg.lstsq(patterns.T @ patterns, patterns.T @ target, rcond=None)[0]
    return np.asarray(beta, dtype=np.float64)


def _joint_step(
    layout: Layout,
    blocks: BlockFactor,
    beta: FloatArray,
    *,
    joint: FloatArray,
    factor: FloatArray,
    point: Point,
    modes: Modes,
) -> tuple[FloatArray, Modes, float]:
    """Newton step in (beta, u) and its squared decrement; ``joint`` is the information of beta."""
    solver = exact_solver(factor)
    alone = blocks.posterior(point.weights * point.effects + point.residual, solver)
    step = alone.modes.moved(modes, -1.0)
    score = layout.sum_fixed(point.residual - point.weights * (alone.rows - point.effects))
    score += layout.gaps.gradient(beta)
    firm = joint + np.diag(1e-10 * np.diag(joint))
    move = np.asarray(sla.solve(firm, score, assume_a="pos"), dtype=np.float64)
    answer = blocks.posterior(point.weights * layout.spread_fixed(move), solver).modes
    gradient = penalised_gradient(layout, blocks.scales, point, modes)
    return move, step.moved(answer, -1.0), float(score @ move) + gradient.dot(step)


def _damped_joint(
    layout: Layout,
    scales: Scales,
    *,
    beta: FloatArray,
    modes: Modes,
    point: Point,
    step: tuple[FloatArray, Modes, float],
) -> tuple[FloatArray, Modes, Point, float]:
    here = point.objective + layout.gaps.loglik(beta)
    size = min(1.0, 4.0 / max(1e-12, float(np.abs(step[0]).max())))
    for _ in range(20):
        ahead_beta, ahead_modes = beta + size * step[0], modes.moved(step[1], size)
        ahead = point_at(layout, ahead_beta, scales, ahead_modes)
        if ahead.objective + layout.gaps.loglik(ahead_beta) > here:
            return ahead_beta, ahead_modes, ahead, step[2]
        size *= 0.5
    return beta, modes, point, 0.0


def _determined(layout: Layout, blocks: BlockFactor, factor: FloatArray) -> FloatArray:
    inverse = dense_inverse(factor)
    leverage = layout.leverage(blocks.root, blocks.fine, blocks.scales.dense.covariance(inverse))
    return determined_levels(layout, blocks, leverage, inverse)


def _inverse_root(information: FloatArray) -> FloatArray:
    information = information.copy()
    information[np.diag_indices_from(information)] *= 1.0 + 1e-10
    factor = sla.cholesky(information, lower=True)
    root: FloatArray = sla.solve_triangular(factor, np.eye(len(factor)), lower=True).T
    return root
