"""Tables that every fitted mixed model shows, whatever its family."""

import numpy as np
import pandas as pd
from scipy.stats import norm

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.design import Design
from bias_platform.statistics.layout import Layout
from bias_platform.statistics.modes import Modes
from bias_platform.statistics.random_terms import RandomTerm
from bias_platform.statistics.scales import scales_of


def fixed_effects_table(design: Design, beta: FloatArray, covariance: FloatArray) -> pd.DataFrame:
    """Index: coefficient; columns ``estimate``, ``standard_error``, ``z``, ``p`` (two-sided, normal)."""
    errors = np.sqrt(np.diag(covariance))
    z = np.divide(beta, errors, out=np.full_like(beta, np.nan), where=errors > 0)
    return pd.DataFrame(
        {"estimate": beta, "standard_error": errors, "z": z, "p": 2.0 * norm.sf(np.abs(z))},
        index=pd.Index(design.fixed.columns, name="coefficient"),
    )


def conditional_modes(
    design: Design, layout: Layout, modes: Modes, theta: FloatArray, unit: float = 1.0
) -> dict[str, pd.Series | pd.DataFrame]:
    """Random effects by term: (levels,) of an intercept, (levels x effects) of a term with slopes.

    Args:
        unit: of the standardised modes.
    """
    effects = scales_of(layout, theta).effects(modes)
    found: dict[str, pd.Series | pd.DataFrame] = {}
    for k, term in enumerate(design.terms):
        own = range(int(design.shape.starts[k]), int(design.shape.starts[k + 1]))
        values = np.column_stack([effects_by_level(layout, effects, component, term) for component in own])
        values = unit * values @ term.transform.T
        index = pd.Index(term.labels, name=":".join(term.columns))
        if term.basis is None:
            found[term.name] = pd.Series(values[:, 0], index=index, name="mode")
        else:
            found[term.name] = pd.DataFrame(values, index=index, columns=list(term.effects))
    return found


def effects_by_level(layout: Layout, effects: Modes, component: int, term: RandomTerm) -> FloatArray:
    """(levels,) effects of one component."""
    plan, own = layout.plan, effects.of_component(layout, component)
    if component in plan.dense.index:
        return own
    if component in plan.local.index:
        rows = own[plan.group, plan.local.level[:, plan.local.index.index(component)]]
    else:
        spread = layout.fine[plan.fine.index.index(component)].spread(own)
        rows = layout.at_distinct_rows(np.broadcast_to(spread, layout.trials.shape))
    values = np.zeros(term.size)
    values[term.code] = rows
    return values
