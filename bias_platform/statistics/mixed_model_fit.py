"""What a fitted mixed model knows."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from bias_platform.statistics.design import Design
from bias_platform.statistics.diagnostics import Diagnostics


@dataclass(frozen=True)
class MixedModelFit:
    """A fitted model: everything is on the link scale, which is the logit or, if Gaussian, that of the outcome."""

    formula: str
    family: str
    """``binomial`` or ``gaussian``."""
    method: str
    """What was maximised: ``Laplace``, or for a Gaussian model ``REML`` or ``ML``."""
    loglik: float
    """At the maximum, by `method`; binomial coefficients included for count outcomes. Restricted log-likelihoods
    compare only between models with the same fixed part."""
    fixed_effects: pd.DataFrame
    """Index: coefficient; columns ``estimate``, ``standard_error``, ``z``, ``p`` (two-sided, normal)."""
    variance_components: pd.DataFrame
    """Columns ``term``, ``levels``, ``sd``, ``variance``, ``sd_standard_error``, ``singular`` (zero). If Gaussian, the
    last row is ``residual`` (its levels are the observations)."""
    covariance: pd.DataFrame
    """Covariance of the fixed effects, named on both sides."""
    diagnostics: Diagnostics
    standard_errors: str
    """``full`` or ``joint``; ``joint`` also where the full information could not be inverted. If Gaussian, the fixed
    effects' are the same for both, sigma^2 (X'V^-1X)^-1 as in lme4, and ``joint`` leaves out those of deviations."""
    n_rows: int
    n_observations: int
    """Answers: rows, or the trials of count outcomes."""
    n_levels: dict[str, int]
    df_model: int
    """Parameters: fixed effects and variance components, zero ones and the residual included."""
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
    def random_sd(self) -> float:
        """Standard deviation of all random intercepts of one answer together."""
        return float(np.sqrt(self.variance_components["variance"].iloc[: len(self.n_levels)].sum()))
