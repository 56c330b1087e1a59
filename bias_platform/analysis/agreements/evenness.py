"""How unequal the personas of a dimension are in their agreement with the reference (the 2024 study's bias)."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from bias_platform.analysis.agreements.comparing import Comparing
from bias_platform.statistics import gini_mean_difference


def evenness_of(known: npt.NDArray[np.float64]) -> dict[str, float]:
    """How many values there are, their range and mean, and their Gini coefficient: of two values or more."""
    few = len(known) < 2
    return {
        "personas": len(known),
        "lowest": float(known.min()) if len(known) else np.nan,
        "mean": float(known.mean()) if len(known) else np.nan,
        "highest": float(known.max()) if len(known) else np.nan,
        "gini": np.nan if few else float(gini_mean_difference(known)),
    }


def persona_evenness(comparing: Comparing, table: pd.DataFrame, name: str, value: str) -> pd.DataFrame:
    """Table `PersonaEvenness` of one measure; personas without a value are left out.

    Args:
        comparing: statements.
        table: the table `ReferenceAlphas`, or `Similarities`, whose column `measure` parts it.
        name: of that table's file.
        value: its column.
    """
    named = table[table["role"] == "named"] if len(table) else table
    if named.empty:
        return pd.DataFrame()
    if "measure" not in named:
        named = named.assign(measure=value)
    rows = []
    for keys, part in named.groupby(["system", "dimension", "template_id", "measure"], sort=False):
        system, dimension, template, measure = map(str, keys)
        known = part[value].dropna().to_numpy(float)
        where = {"system": system, "dimension": dimension, "template_id": template}
        picked = where | ({"measure": measure} if "measure" in table else {})
        rows.append(
            {
                **where,
                "measure": measure,
                **evenness_of(known),
                "query": comparing.queries.table(name, picked, f"persona_id, {value}"),
            }
        )
    return pd.DataFrame(rows)
