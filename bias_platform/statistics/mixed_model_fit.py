"""What a fitted mixed model knows."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.design import Design
from bias_platform.statistics.diagnostics import Diagnostics
from bias_platform.statistics.errors import ModelError


@dataclass(frozen=True)
class MixedModelFit:
    """A fitted model: everything is on the link scale, which is the logit (if ordinal, of being above a threshold) or,
    if Gaussian, that of the outcome."""

    formula: str
    family: str
    """``binomial``, ``gaussian`` or ``ordinal``."""
    method: str
    """What was maximised: ``Laplace``, ``adaptive Gauss-Hermite quadrature, n nodes``, or for a Gaussian model ``REML``
    or ``ML``."""
    loglik: float
    """At the maximum, by `method`; binomial coefficients included for count outcomes. Restricted log-likelihoods
    compare only between models with the same fixed part."""
    fixed_effects: pd.DataFrame
    """Index: coefficient; columns ``estimate``, ``standard_error``, ``z``, ``p`` (two-sided, normal). If ordinal, the
    thresholds (``No|Maybe``) come first, in place of an intercept: ``logit P(y <= k) = threshold_k - predictor``."""
    variance_components: pd.DataFrame
    """Columns ``term``, ``effect``, ``levels``, ``sd``, ``variance``, ``sd_standard_error``, ``singular``: one row an
    effect of a random term, which is ``Intercept`` or a slope. Singular: the variance is zero, or the correlations of
    the term are at their limit. If Gaussian, the last row is ``residual`` (its levels are the observations)."""
    random_correlations: pd.DataFrame
    """Columns ``term``, ``effect``, ``other``, ``correlation``, ``standard_error``: the pairs of effects of each term
    that has several."""
    covariance: pd.DataFrame
    """Covariance of the fixed effects, named on both sides."""
    parameter_covariance: FloatArray | None = field(repr=False)
    """Covariance of the fixed effects and the free entries of theta together, in this order; None where it is not
    known, and for a Gaussian model, where they are uncorrelated."""
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
    conditional_modes: dict[str, pd.Series | pd.DataFrame] = field(repr=False)
    """Modes of the random effects, by term: a value a level, or of a term with slopes a frame (levels x effects)."""
    theta: FloatArray = field(repr=False)
    """Entries of the factors of the random terms' covariances (see `random_terms`); if Gaussian, relative to the
    residual's deviation."""
    residual_sd: float
    """Of a Gaussian model; 1 otherwise."""
    quadrature_nodes: int
    """Of the likelihood that was maximised; 1 is Laplace, or exact if Gaussian."""
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

    def predictor_sd(self, rows: pd.DataFrame) -> FloatArray:
        """Standard deviation of all random effects together in the predictor of new rows, (n,).

        Args:
            rows: the fixed variables; a slope of a variable that is not among them has its variance averaged over the
                observations.
        """
        variance = np.zeros(len(rows))
        for k, term in enumerate(self.design.terms):
            factor = self.residual_sd * self.design.shape.matrix(self.theta, k)
            if term.basis is None:
                variance += factor[0, 0] ** 2
            elif set(term.slope_variables) <= set(rows.columns):
                variance += ((term.basis.of_new_rows(rows) @ factor) ** 2).sum(axis=1)
            else:
                variance += (factor**2).sum()
        return np.sqrt(variance)


def require_mixed_fit(fit: object, what: str) -> None:
    """Raise `ModelError` where something else than a fitted mixed model is given."""
    if not isinstance(fit, MixedModelFit):
        raise ModelError(
            f"{what} takes a fit by fit_mixed_model, not a {type(fit).__name__}"
            f"{': its means are average_probabilities' if hasattr(fit, 'working_correlation') else ''}."
        )
