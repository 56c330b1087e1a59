"""What a fitted mixed model knows."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from bias_platform.statistics.design import Design
from bias_platform.statistics.diagnostics import Diagnostics


@dataclass(frozen=True)
class MixedModelFit:
    """A fitted model: everything is on the link (logit) scale."""

    formula: str
    family: str
    loglik: float
    """Laplace log-likelihood at the maximum, binomial coefficients included for count outcomes."""
    fixed_effects: pd.DataFrame
    """Index: coefficient; columns ``estimate``, ``standard_error``, ``z``, ``p`` (two-sided, normal)."""
    variance_components: pd.DataFrame
    """Columns ``term``, ``levels``, ``sd``, ``variance``, ``sd_standard_error``, ``singular`` (zero)."""
    covariance: pd.DataFrame
    """Covariance of the fixed effects, named on both sides."""
    diagnostics: Diagnostics
    standard_errors: str
    """``full`` or ``joint``; ``joint`` also where the full information could not be inverted."""
    n_rows: int
    n_observations: int
    """Answers: rows, or the trials of count outcomes."""
    n_levels: dict[str, int]
    df_model: int
    """Parameters: fixed effects and variance components, zero ones included."""
    conditional_modes: dict[str, pd.Series] = field(repr=False)
    """Modes of the random effects, by term and level."""
    design: Design = field(repr=False)

    @property
    def aic(self) -> float:
        """-2 loglik + 2 df_model."""
        return -2.0 * self.loglik + 2.0 * self.df_model

    @property
    def converged(self) -> bool:
        """Whether the optimiser reached its tolerance."""
        return self.diagnostics.converged

    @property
    def messages(self) -> tuple[str, ...]:
        """What a reader of the fit must know, in plain sentences."""
        return self.diagnostics.messages

    @property
    def random_variance(self) -> float:
        """Total variance of the random intercepts of one answer."""
        return float(self.variance_components["variance"].sum())

    @property
    def random_sd(self) -> float:
        """Square root of `random_variance`."""
        return float(np.sqrt(self.random_variance))
