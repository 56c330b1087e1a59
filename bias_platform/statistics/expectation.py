"""EM updates of the random terms' covariances, and about how well the data know them."""

from typing import NamedTuple

import numpy as np

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.layout import Layout
from bias_platform.statistics.modes import Modes
from bias_platform.statistics.random_terms import FactorShape

_SMALLEST_STEP, _LARGEST_STEP = 0.5, 2.0
_LEAST_DIAGONAL = 1e-4
"""Of a factor that is inverted to judge its precision."""


class Update(NamedTuple):
    """What an EM step says."""

    theta: FloatArray
    back: FloatArray
    """In the order of theta, what turns the old standardised effects into those that mean the same."""
    change: float
    """Largest factor, up or down, by which a deviation changed."""


def first_theta(layout: Layout, nested: float, dense: float) -> FloatArray:
    """Where to start: every effect alone, those that cross the grouping smaller."""
    diagonal = np.full(layout.components, nested)
    diagonal[list(layout.plan.dense.index)] = dense
    theta = np.zeros(layout.shape.parameters)
    theta[layout.shape.diagonal] = diagonal
    return theta


def expectation_step(
    layout: Layout,
    theta: FloatArray,
    modes: Modes,
    levels: FloatArray,
    determined: FloatArray,
    variance: float = 1.0,
) -> Update:
    """The covariance that the posterior of the standardised effects asks for, at most a doubling or halving away.

    Args:
        levels: (components,), from `Modes.counts`.
        determined: (parameters,), from `determined_levels`.
        variance: of the units that modes are in.
    """
    shape = layout.shape
    counts = levels[shape.row]
    total = (modes.products(layout, modes) / variance - determined) / counts
    total[shape.diagonal] += 1.0
    ratio = np.ones(shape.parameters)
    ratio[shape.diagonal] = np.clip(np.sqrt(np.maximum(total[shape.diagonal], 0.0)), _SMALLEST_STEP, _LARGEST_STEP)
    moved, back, changes = theta * ratio, 1.0 / ratio, [ratio[shape.diagonal]]
    for term in shape.vectors:
        own = shape.of_term(term)
        values, vectors = np.linalg.eigh(shape.matrix(total, term, symmetric=True))
        stretch = np.clip(values, _SMALLEST_STEP**2, _LARGEST_STEP**2)
        step = np.linalg.cholesky((vectors * stretch) @ vectors.T)
        moved[own] = shape.entries(shape.matrix(theta, term) @ step, term)
        back[own] = shape.entries(np.linalg.inv(step), term)
        changes.append(np.sqrt(stretch))
    size = np.concatenate(changes)
    return Update(moved, back, float(np.maximum(size, 1.0 / size).max()))


def theta_scale(
    shape: FactorShape, theta: FloatArray, determined: FloatArray, levels: FloatArray, largest: float | FloatArray
) -> FloatArray:
    """About the standard error of each entry of theta, (parameters,), at most ``largest``.

    From the expected information: with K the mean over levels of I - H^-1 and S_a = T^-1 dT_a + (T^-1 dT_a)', it is
    levels/2 tr(K S_a K S_b); for a single effect 2 levels K^2 / theta^2.
    """
    known = determined**2 / levels[shape.row]
    scale: FloatArray = np.abs(theta) / np.sqrt(2.0 * np.maximum(known, 1e-12))
    for term in shape.vectors:
        own, count = shape.of_term(term), float(levels[shape.starts[term]])
        shares = shape.matrix(determined, term, symmetric=True) / count
        information = count * _relative_information(shape, shape.matrix(theta, term), shares, term)
        information[np.diag_indices_from(information)] += 1.0 / np.broadcast_to(largest, scale.shape)[own] ** 2
        scale[own] = np.sqrt(np.diag(np.linalg.inv(information)))
    return np.minimum(scale, largest)


def _relative_information(shape: FactorShape, factor: FloatArray, known: FloatArray, term: int) -> FloatArray:
    """tr(K S_a K S_b) / 2 for all pairs of entries of a term's factor."""
    diagonal = np.diag(factor)
    safe = np.where(np.abs(diagonal) < _LEAST_DIAGONAL, _LEAST_DIAGONAL, diagonal)
    inverse = np.linalg.inv(factor + np.diag(safe - diagonal))
    at, start = shape.of_term(term), shape.starts[term]
    moves = []
    for row, column in zip(shape.row[at] - start, shape.column[at] - start, strict=True):
        relative = np.zeros_like(factor)
        relative[:, column] = inverse[:, row]
        moves.append(known @ (relative + relative.T))
    stacked = np.array(moves)
    information: FloatArray = 0.5 * np.einsum("aij,bji->ab", stacked, stacked)
    return information
