"""Estimates with the two sources of their uncertainty kept apart: items, and wordings."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

from bias_platform.statistics.estimates import EstimateSet

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class ScopedMeans:
    """Estimates (cells or contrasts) of one scope.

    The covariance of a scale is that over items. A wording term k of variance v_k adds v_k times the covariance found
    on the scale named by `part(scale, k)`. Degrees of freedom follow Satterthwaite: few wordings, few degrees.
    """

    means: EstimateSet
    item_df: float
    variances: FloatArray
    """(wording terms,); empty for claims about these wordings only."""
    variance_covariance: FloatArray
    """(wording terms, wording terms)."""

    @classmethod
    def of_items(cls, means: EstimateSet, item_df: float) -> "ScopedMeans":
        """Uncertainty over items only."""
        return cls(means, float(item_df), np.zeros(0), np.zeros((0, 0)))

    @classmethod
    def with_wording(
        cls, means: EstimateSet, item_df: float, variances: FloatArray, covariance: FloatArray
    ) -> "ScopedMeans":
        """Uncertainty over items and wordings."""
        return cls(means, float(item_df), variances, covariance)

    @staticmethod
    def part(scale: str, term: int) -> str:
        """Name of the scale that holds what one wording term adds."""
        return f"{scale}:wording-{term}"

    def replaced(self, means: EstimateSet) -> "ScopedMeans":
        """The same uncertainty for contrasts made from these estimates."""
        return ScopedMeans(means, self.item_df, self.variances, self.variance_covariance)

    def total_covariance(self, scale: str) -> FloatArray:
        """(k, k) over items and wordings."""
        total = self.means.on(scale).covariance.copy()
        for k, variance in enumerate(self.variances):
            total += variance * self.means.on(self.part(scale, k)).covariance
        return total

    def degrees_of_freedom(self, scale: str) -> FloatArray:
        """(k,) Satterthwaite: 2 Var^2 / Var(Var)."""
        over_items = np.diag(self.means.on(scale).covariance)
        units = np.array([np.diag(self.means.on(self.part(scale, k)).covariance) for k in range(len(self.variances))])
        total = over_items + (self.variances @ units if len(units) else 0.0)
        noise = 2.0 * over_items**2 / self.item_df
        if len(units):
            noise = noise + np.einsum("ak,ab,bk->k", units, self.variance_covariance, units)
        with np.errstate(invalid="ignore", divide="ignore"):
            df: FloatArray = np.where(noise > 0, 2.0 * total**2 / noise, self.item_df)
        return np.maximum(df, 1.0)

    def frame(self, scale: str, confidence: float) -> pd.DataFrame:
        """Columns estimate, standard_error, lower, upper, df, p_value; one row an estimate, NaN where not estimable."""
        values = self.means.on(scale).values
        errors = np.sqrt(np.maximum(np.diag(self.total_covariance(scale)), 0.0))
        df = self.degrees_of_freedom(scale)
        reach = student.ppf(0.5 + confidence / 2, df) * errors
        with np.errstate(invalid="ignore", divide="ignore"):
            p = 2.0 * student.sf(np.abs(values) / errors, df)
        return pd.DataFrame(
            {
                "estimate": values,
                "standard_error": errors,
                "lower": values - reach,
                "upper": values + reach,
                "df": np.where(np.isfinite(values), df, np.nan),
                "p_value": p,
            }
        )
