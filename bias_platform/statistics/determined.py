"""How many levels' worth of each random term the data know: the sum over its levels of 1 - posterior variance."""

import numpy as np

from bias_platform.statistics.arrays import FloatArray, bin_sums
from bias_platform.statistics.block_factor import BlockFactor
from bias_platform.statistics.layout import Layout, Leverage


def determined_levels(
    layout: Layout, blocks: BlockFactor, leverage: Leverage, dense_variance: FloatArray
) -> FloatArray:
    """(terms,): sums of 1 - diag H^-1 by term.

    All terms together make ``sum_r w_r h_r`` with h the leverages of the rows, because
    ``tr(I - H^-1) = tr(W Z lam H^-1 lam Z')``. So of two fine terms only the coarser one needs its own sum.

    Args:
        dense_variance: diagonal of S^-1, (dense,).
    """
    root = blocks.inverse_root
    variance = np.einsum("gij,gij->gj", root, root + leverage.crossed @ root)
    total = bin_sums(layout.local_term, (1.0 - variance).sum(axis=0), layout.terms)
    total += bin_sums(layout.dense_term, 1.0 - dense_variance, layout.terms)
    fine = layout.plan.fine.index
    if fine:
        total[fine[-1]] = blocks.fine_sd[-1] ** 2 * leverage.coarsest
    if len(fine) > 1:
        total[fine[0]] = float(np.vdot(blocks.weights, leverage.values)) - total.sum()
    return total
