"""Conditional modes of random effects with their uncertainty: what is known of a single item, persona or wording.

With b the effects of a level and theta held at its estimate: given beta, ``Var(b | y) = s^2 T H^-1 T'``; beta being
estimated adds ``A Cov(beta) A'`` with ``A = T H^-1 T'Z'WX``, which in a Gaussian model is the prediction error variance
of C. R. Henderson (1975), Biometrics 31, 423-447, and otherwise its first-order analogue.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm

from bias_platform.statistics.arrays import FloatArray, IntArray
from bias_platform.statistics.block_factor import BlockFactor, dense_cholesky, dense_inverse, exact_solver
from bias_platform.statistics.choose_layout import lay_out
from bias_platform.statistics.errors import ModelError, spell_check
from bias_platform.statistics.estimates import check_confidence
from bias_platform.statistics.fit_tables import effects_by_level
from bias_platform.statistics.laplace import find_modes
from bias_platform.statistics.layout import Layout
from bias_platform.statistics.mixed_model_fit import MixedModelFit
from bias_platform.statistics.modes import zero_modes
from bias_platform.statistics.one_thread import one_blas_thread
from bias_platform.statistics.ordinal_design import engine_design
from bias_platform.statistics.random_terms import RandomTerm
from bias_platform.statistics.response import GAUSSIAN


def conditional_mode_table(fit: MixedModelFit, term: str, level: float = 0.95) -> pd.DataFrame:
    """The random effects of a term with intervals, one row a level and effect.

    Intervals are normal. They hold for a level that is drawn anew together with its effect; that theta is estimated is
    not in them, so with few levels they are somewhat short.

    Args:
        term: name of a random term as `MixedModelFit.variance_components` has it, such as ``item:system`` or
            ``1 + x | item``; the grouping alone where it has one term only.
        level: confidence of the intervals.

    Returns:
        Columns ``level``, ``effect``, ``mode``, ``conditional_sd`` (given the fixed effects, as lme4's ``condVar``),
        ``standard_error`` (with their uncertainty), ``lower`` and ``upper``.

    Raises:
        ModelError: an unknown term.

    >>> import numpy as np, pandas as pd
    >>> from bias_platform.statistics import fit_mixed_model
    >>> rng = np.random.default_rng(0)
    >>> data = pd.DataFrame({"item": np.repeat(np.arange(40), 8), "x": np.tile(np.arange(8.0), 40)})
    >>> data["y"] = rng.normal(0, 2, 40)[data["item"]] + 0.5 * data["x"] + rng.normal(0, 1, 320)
    >>> fit = fit_mixed_model("y ~ x + (1 | item)", data, family="gaussian")
    >>> table = conditional_mode_table(fit, "item")
    >>> len(table), bool((table["standard_error"] > table["conditional_sd"]).all())
    (40, True)
    """
    check_confidence(level)
    names = [one.name for one in fit.design.terms]
    alike = [name for name, one in zip(names, fit.design.terms, strict=True) if ":".join(one.columns) == term]
    term = alike[0] if term not in names and len(alike) == 1 else term
    if term not in names:
        raise ModelError(f"The model {fit.formula!r} has no random term {term!r} ({spell_check(term, names)}).")
    with one_blas_thread():
        found = _errors(fit, names.index(term))
    owner = fit.design.terms[names.index(term)]
    modes = np.asarray(fit.conditional_modes[term], dtype=np.float64).reshape(owner.size, -1)
    reach = float(norm.ppf(0.5 + level / 2.0)) * found.all_together
    return pd.DataFrame(
        {
            "level": np.repeat(owner.labels, len(owner.effects)),
            "effect": np.tile(owner.effects, owner.size),
            "mode": modes.ravel(),
            "conditional_sd": found.conditional.ravel(),
            "standard_error": found.all_together.ravel(),
            "lower": (modes - reach).ravel(),
            "upper": (modes + reach).ravel(),
        }
    )


class _Errors(NamedTuple):
    """(levels, effects) each."""

    conditional: FloatArray
    all_together: FloatArray


def _errors(fit: MixedModelFit, term: int) -> _Errors:
    design = engine_design(fit.design)
    owner = design.terms[term]
    layout = lay_out(design)
    own = [int(design.shape.starts[term]) + k for k in range(len(owner.effects))]
    if own[0] in layout.plan.fine.index:
        layout = lay_out(design, fine=False)
    weights = layout.trials
    if fit.family != GAUSSIAN:
        beta = fit.fixed_effects["estimate"].to_numpy()
        weights = find_modes(layout, beta, fit.theta, zero_modes(layout), None)[1].weights
    blocks = BlockFactor(layout, fit.theta, weights)
    factor = dense_cholesky(blocks.schur())
    covariance = fit.residual_sd**2 * _level_covariance(layout, blocks, dense_inverse(factor), term, owner)
    transformed = np.einsum("ij,ljk,ik->li", owner.transform, covariance, owner.transform)
    spread, vectors = np.linalg.eigh(fit.covariance.to_numpy())
    added = np.zeros(transformed.shape)
    for direction in (vectors * np.sqrt(np.maximum(spread, 0.0))).T:
        moved = blocks.posterior(weights * layout.spread_fixed(direction), exact_solver(factor)).modes
        effects = blocks.scales.effects(moved)
        values = np.column_stack([effects_by_level(layout, effects, component, owner) for component in own])
        added += (values @ owner.transform.T) ** 2
    return _Errors(np.sqrt(transformed), np.sqrt(transformed + added))


def _level_covariance(
    layout: Layout, blocks: BlockFactor, inverse: FloatArray, term: int, owner: RandomTerm
) -> FloatArray:
    """T H^-1 T' between the effects of each level, (levels, effects, effects)."""
    plan, first = layout.plan, int(layout.shape.starts[term])
    dense = first in plan.dense.index
    terms = plan.dense if dense else plan.local
    offsets = terms.offsets[[terms.index.index(first + k) for k in range(len(owner.effects))]]
    spread = blocks.scales.dense.covariance(inverse)
    if dense:
        at = np.arange(owner.size)[:, None] + offsets
        return np.asarray(spread[at[:, :, None], at[:, None, :]])
    crossed = layout.leverage(blocks.root, blocks.fine, spread).crossed
    root = blocks.inverse_root
    within = blocks.scales.local.covariance(root.transpose(0, 2, 1) @ (root + crossed @ root))
    group, column = _place(layout, owner, terms.level[:, terms.index.index(first)])
    at = column[:, None] + offsets
    return np.asarray(within[group[:, None, None], at[:, :, None], at[:, None, :]])


def _place(layout: Layout, owner: RandomTerm, columns: IntArray) -> tuple[IntArray, IntArray]:
    """Group and column in the block of each level."""
    row = np.zeros(owner.size, dtype=np.int64)
    row[owner.code] = np.arange(len(owner.code))
    return layout.plan.group[row], columns[row]
