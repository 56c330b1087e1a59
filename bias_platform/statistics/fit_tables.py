"""Tables that every fitted mixed model shows, whatever its family."""

import numpy as np
import pandas as pd
from scipy.stats import norm

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.design import Design
from bias_platform.statistics.layout import Layout
from bias_platform.statistics.modes import Modes, spread


def fixed_effects_table(design: Design, beta: FloatArray, covariance: FloatArray) -> pd.DataFrame:
    """Index: coefficient; columns ``estimate``, ``standard_error``, ``z``, ``p`` (two-sided, normal)."""
    errors = np.sqrt(np.diag(covariance))
    z = np.divide(beta, errors, out=np.full_like(beta, np.nan), where=errors > 0)
    return pd.DataFrame(
        {"estimate": beta, "standard_error": errors, "z": z, "p": 2.0 * norm.sf(np.abs(z))},
        index=pd.Index(design.fixed.columns, name="coefficient"),
    )


def components_table(design: Design, sd: FloatArray, errors: FloatArray, zero: tuple[int, ...]) -> pd.DataFrame:
    """One row a random term: ``term``, ``levels``, ``sd``, ``variance``, ``sd_standard_error``, ``singular``."""
    return pd.DataFrame(
        {
            "term": [term.name for term in design.terms],
            "levels": [term.size for term in design.terms],
            "sd": np.abs(sd),
            "variance": sd**2,
            "sd_standard_error": errors,
            "singular": [k in zero for k in range(len(sd))],
        }
    )


def conditional_modes(design: Design, layout: Layout, modes: Modes, sd: FloatArray) -> dict[str, pd.Series]:
    """Random effects (deviation times standardised mode) by term and level."""
    found: dict[str, pd.Series] = {}
    for k, term in enumerate(design.terms):
        alone = np.where(np.arange(layout.terms) == k, sd, 0.0)
        rows = layout.at_distinct_rows(spread(layout, modes.scaled(layout, alone)))
        values = np.zeros(term.size)
        values[term.code] = rows
        found[term.name] = pd.Series(values, index=pd.Index(term.labels, name=term.name), name="mode")
    return found
