"""Tests of contrasts of the fixed effects of a Gaussian fit whose variances were estimated: what its methods share."""

from abc import ABC, abstractmethod
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import f as fisher

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.mixed_model_fit import MixedModelFit
from bias_platform.statistics.variance_directions import VarianceDirections

SATTERTHWAITE, KENWARD_ROGER = "satterthwaite", "kenward_roger"
_DEPENDENT = float(np.sqrt(np.finfo(float).eps))
"""Eigenvalues of the contrasts' covariance below this share of the largest are rounding, as in lmerTest."""


class FTest(NamedTuple):
    """A test that several contrasts are zero together; NaN where there is nothing to test."""

    statistic: float
    numerator_df: int
    denominator_df: float
    p: float


class IndependentContrasts(NamedTuple):
    """Contrasts that span the same as those asked for and are uncorrelated at the model's own covariance."""

    matrix: FloatArray
    """(q, p)."""
    variances: FloatArray
    """(q,) in units of the residual variance."""


class SmallSampleTests(ABC):
    """Degrees of freedom and F tests of contrasts; from `satterthwaite` or `kenward_roger`."""

    method: str

    def __init__(self, fit: MixedModelFit, directions: VarianceDirections) -> None:
        self.fit = fit
        self.directions = directions
        self._beta = fit.fixed_effects["estimate"].to_numpy(dtype=np.float64)

    @cached_property
    def covariance(self) -> pd.DataFrame:
        """Of the fixed effects, (p, p), named on both sides: what standard errors by this method come from."""
        basis = self.directions.to_basis(np.eye(len(self._beta)))
        names = self.fit.design.fixed.columns
        return pd.DataFrame(self.fit.residual_sd**2 * basis @ self._basis_covariance() @ basis.T, names, names)

    def degrees_of_freedom(self, matrix: ArrayLike) -> FloatArray:
        """Of Student's t for each contrast, (k,); NaN where its weights are NaN or all zero.

        Args:
            matrix: (k, p) or (p,) weights of the fixed effects, in the order of ``fit.fixed_effects``.

        Raises:
            ModelError: another number of columns.
        """
        rows = self._checked(matrix)
        df = np.full(len(rows), np.nan)
        known = np.isfinite(rows).all(axis=1) & (rows != 0.0).any(axis=1)
        df[known] = self._row_df(self.directions.to_basis(rows[known]))
        return df

    def f_test(self, matrix: ArrayLike) -> FTest:
        """Test that all contrasts are zero; linearly dependent ones count once.

        Args:
            matrix: as in `degrees_of_freedom`.
        """
        rows = self._checked(matrix)
        contrasts = self._independent(self.directions.to_basis(rows)) if np.isfinite(rows).all() else None
        if contrasts is None:
            return FTest(np.nan, 0, np.nan, np.nan)
        statistic, df = self._f(contrasts)
        q = len(contrasts.variances)
        return FTest(statistic, q, df, float(fisher.sf(statistic, q, df)))

    def _checked(self, matrix: ArrayLike) -> FloatArray:
        """The weights as (k, p)."""
        rows = np.atleast_2d(np.asarray(matrix, dtype=np.float64))
        if rows.ndim != 2 or rows.shape[1] != len(self._beta):
            raise ModelError(
                f"The contrast matrix has {rows.shape[-1]} columns, but {self.fit.formula!r} has {len(self._beta)} "
                "fixed effects: give one weight for each row of fit.fixed_effects."
            )
        return rows

    def _independent(self, rows: FloatArray) -> IndependentContrasts | None:
        values, vectors = np.linalg.eigh(rows @ self.directions.covariance @ rows.T)
        kept = values > _DEPENDENT * max(float(values[-1]), 0.0)
        return IndependentContrasts(vectors[:, kept].T @ rows, values[kept]) if kept.any() else None

    def _estimates(self, rows: FloatArray) -> FloatArray:
        """Estimates of contrasts (k, p) of the basis, in units of the residual deviation."""
        found: FloatArray = rows @ (self.directions.root @ self._beta) / self.fit.residual_sd
        return found

    @abstractmethod
    def _basis_covariance(self) -> FloatArray:
        """Of the fixed effects of the basis, in units of the residual variance."""

    @abstractmethod
    def _row_df(self, rows: FloatArray) -> FloatArray:
        """Degrees of freedom of contrasts (k, p) of the basis, none of them zero."""

    @abstractmethod
    def _f(self, contrasts: IndependentContrasts) -> tuple[float, float]:
        """F and its denominator degrees of freedom."""
