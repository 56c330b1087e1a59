"""How much of each random term the data know: the sum over its levels of I less the posterior covariance."""

import numpy as np

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.block_factor import BlockFactor
from bias_platform.statistics.layout import Layout, Leverage
from bias_platform.statistics.scales import sums_over_levels


def determined_levels(
    layout: Layout, blocks: BlockFactor, leverage: Leverage, dense_covariance: FloatArray
) -> FloatArray:
    """(parameters,): sums over levels of I - H^-1 between the effects of a level, in the order of theta.

    All effects together make ``sum_r w_r h_r`` with h the leverages of the rows, because
    ``tr(I - H^-1) = tr(W Z T H^-1 T'Z')``. So of two fine terms only the coarser one needs its own sum.

    Args:
        dense_covariance: S^-1, (dense, dense).
    """
    plan, shape, root = layout.plan, layout.shape, blocks.inverse_root
    known = _local_sums(layout, root, root + leverage.crossed @ root)
    known += sums_over_levels(plan.dense, dense_covariance, shape)
    total = -known
    inside = [*plan.local.index, *plan.dense.index]
    counts = [layout.groups * size for size in plan.local.sizes] + list(plan.dense.sizes)
    total[shape.diagonal[inside]] += counts
    fine = shape.diagonal[list(plan.fine.index)]
    if len(fine):
        total[fine[-1]] = blocks.scales.fine[-1] ** 2 * leverage.coarsest
    if len(fine) > 1:
        total[fine[0]] = float(np.vdot(blocks.weights, leverage.values)) - total[shape.diagonal].sum()
    return total


def _local_sums(layout: Layout, root: FloatArray, crossed: FloatArray) -> FloatArray:
    """The same sums of A^-1 with the crossed part: all of it only where a term has several effects."""
    if len(layout.shape.mixed):
        covariance = root.reshape(-1, layout.width).T @ crossed.reshape(-1, layout.width)
    else:
        covariance = np.diag(np.einsum("gij,gij->j", root, crossed))
    return sums_over_levels(layout.plan.local, covariance, layout.shape)
