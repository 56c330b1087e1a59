"""Likelihood-ratio tests by parametric bootstrap: of a fixed term in a small study, or of a variance.

The likelihood ratio is compared with those of studies drawn from the smaller model, both models refitted to each
(A. C. Davison and D. V. Hinkley, 1997, Bootstrap Methods and their Application, Cambridge, section 4.4; U. Halekoh and
S. Hojsgaard, 2014, Journal of Statistical Software 59(9), section 4.2). That needs no large sample, and no degrees of
freedom, which a variance at its boundary of 0 does not have.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binomtest

from bias_platform.statistics.arrays import BoolArray, FloatArray
from bias_platform.statistics.design import Design
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.estimates import check_confidence
from bias_platform.statistics.mixed_model import by_maximum_likelihood, fit_design
from bias_platform.statistics.mixed_model_fit import MixedModelFit
from bias_platform.statistics.one_thread import one_blas_thread
from bias_platform.statistics.parametric_bootstrap import fit_states, refit, simulated_design, with_response_of
from bias_platform.statistics.power_replicates import STATES
from bias_platform.statistics.smaller_designs import Kind, SmallerDesign, design_without
from bias_platform.statistics.without_variance import fit_without_variance

_AS_LARGE = 1e-5
"""Likelihood ratios so near to each other are equal: what the searches for two maxima leave."""
_FEWEST = 19


@dataclass(frozen=True)
class BootstrapTest:
    """A likelihood ratio, and those of studies in which the smaller model is true."""

    term: str
    kind: Kind
    """Of the term."""
    statistic: float
    """Twice the difference of the log-likelihoods, not below 0."""
    df: int
    """Parameters that the smaller model lacks."""
    asymptotic_p: float
    """By chi-square; of one deviation, by the equal mixture of chi-square and 0 at its boundary; NaN where the
    distribution is not known."""
    null_statistics: FloatArray = field(repr=False)
    """(replicates,); NaN where there was no refit."""
    states: NDArray[np.bool_] = field(repr=False)
    """(replicates, states of `power_replicates.STATES`): what was the matter with one of the two refits."""

    @property
    def usable(self) -> BoolArray:
        """(replicates,): both refits converged."""
        good: BoolArray = np.isfinite(self.null_statistics) & ~self.states[:, :2].any(axis=1)
        return good

    @property
    def exceeding(self) -> int:
        """Usable replicates with a likelihood ratio at least as large."""
        return int((self.null_statistics[self.usable] >= self.statistic - _AS_LARGE).sum())

    @property
    def p(self) -> float:
        """``(1 + exceeding) / (1 + usable)``: below alpha in at most alpha of null studies, however few replicates, but
        for what the smaller model's own estimates leave."""
        return (1.0 + self.exceeding) / (1.0 + int(self.usable.sum()))

    def p_interval(self, level: float = 0.95) -> tuple[float, float]:
        """Where p would be with endless replicates (Clopper and Pearson); refits that failed widen it.

        The lower bound is that if none of these had been as large, the upper that if all had.
        """
        check_confidence(level)
        replicates, lost = len(self.states), int((~self.usable).sum())
        lower = binomtest(self.exceeding, replicates).proportion_ci(level).low
        return float(lower), float(binomtest(self.exceeding + lost, replicates).proportion_ci(level).high)

    @property
    def counts(self) -> dict[str, int]:
        """How many replicates are what; singular and separated ones are used."""
        found = dict(zip(STATES, self.states.sum(axis=0).tolist(), strict=True))
        return {"replicates": len(self.states), **found, "usable": int(self.usable.sum())}

    @property
    def messages(self) -> tuple[str, ...]:
        """What a reader of p must know."""
        lost = int((~self.usable).sum())
        if not lost:
            return ()
        low, high = self.p_interval()
        return (
            f"{lost} of {len(self.states)} pairs of bootstrap refits failed or did not converge; p is of the others, "
            f"and with all of them lies between {low:.3g} and {high:.3g} at 95 %.",
        )

    def table(self, level: float = 0.95) -> pd.DataFrame:
        """One row: term, kind, statistic, df, p, p_lower, p_upper (`p_interval`), asymptotic_p, and `counts`."""
        lower, upper = self.p_interval(level)
        row = {"term": self.term, "kind": self.kind, "statistic": self.statistic, "df": self.df, "p": self.p}
        row |= {"p_lower": lower, "p_upper": upper, "asymptotic_p": self.asymptotic_p}
        return pd.DataFrame([row | self.counts])


def bootstrap_likelihood_ratio_test(
    fit: MixedModelFit,
    term: str,
    *,
    replicates: int = 1000,
    seed: int = 0,
    report: Callable[[int, int], None] | None = None,
) -> BootstrapTest:
    """Test a fixed term, a random term or one effect of a random term by parametric bootstrap.

    Each replicate is a study drawn from the fitted smaller model (`simulated_design`), to which both models are fitted
    by maximum likelihood; fits by REML are refitted first. A variance's likelihood ratio is 0 in about half of null
    studies or more, so its p is 1 where the deviation is estimated as 0.

    Args:
        fit: the larger model; converged, of any family.
        term: a fixed term as in the formula; a random term as in ``fit.variance_components`` or in the formula,
            ``(1 | item)``; or ``sd(x | item)`` for one effect of a term and its correlations. The only random term may
            be tested too. A name that is a fixed and a random term means the fixed one.
        replicates: 1,000 give p = 0.05 with a Monte-Carlo standard error of 0.007. Each takes two fits.
        seed: replicate k depends on the seed and k only.
        report: is told (replicates done, of how many) after each.

    Raises:
        ModelError: an unknown term or one that others contain, fewer than 19 replicates, a seed below zero, or a fit,
            larger or smaller, that did not converge.

    >>> import numpy as np, pandas as pd
    >>> from bias_platform.statistics import fit_mixed_model
    >>> rng = np.random.default_rng(1)
    >>> data = pd.DataFrame({"item": np.repeat(np.arange(8), 6), "group": ["a", "b"] * 24})
    >>> data["margin"] = rng.normal(0, 1, 8)[data["item"]] + (data["group"] == "b") + rng.normal(0, 1, 48)
    >>> fit = fit_mixed_model("margin ~ group + (1 | item)", data, family="gaussian")
    >>> found = bootstrap_likelihood_ratio_test(fit, "group", replicates=99, seed=1)
    >>> found.kind, found.df, bool(found.p < 0.1), found.counts["usable"]
    ('fixed', 1, True, 99)
    >>> bootstrap_likelihood_ratio_test(fit, "(1 | item)", replicates=19).kind
    'random'
    """
    if replicates < _FEWEST or seed < 0:
        raise ModelError(
            f"A bootstrap test needs {_FEWEST} or more replicates and a seed from 0 up, not {replicates} and {seed}."
        )
    smaller = design_without(fit, term)
    larger_fit = by_maximum_likelihood(fit)
    null = _null_fit(larger_fit, smaller)
    for one, which in ((larger_fit, "The fit"), (null, f"The model without {term!r}")):
        if not one.converged:
            raise ModelError(f"{which} of {fit.formula!r} did not converge, so there is no likelihood ratio to test.")
    statistic = _ratio(larger_fit, null)
    values, states = np.full(replicates, np.nan), np.zeros((replicates, len(STATES)), dtype=bool)
    for k in range(replicates):
        drawn = simulated_design(null, np.random.default_rng([seed, k]))
        values[k], states[k] = _replicate(larger_fit, null, smaller, drawn)
        if report is not None:
            report(k + 1, replicates)
    return BootstrapTest(term, smaller.kind, statistic, smaller.df, smaller.asymptotic_p(statistic), values, states)


def _null_fit(larger: MixedModelFit, smaller: SmallerDesign) -> MixedModelFit:
    with one_blas_thread():
        if smaller.at_zero:
            return fit_without_variance(larger, smaller.design)
        return fit_design(smaller.design, "joint", "ML", larger.quadrature_nodes)


def _replicate(
    larger: MixedModelFit, null: MixedModelFit, smaller: SmallerDesign, drawn: Design
) -> tuple[float, BoolArray]:
    wide = refit(larger, with_response_of(larger.design, drawn))
    if wide is None:
        return np.nan, fit_states(None)
    if smaller.at_zero:
        with one_blas_thread():
            narrow: MixedModelFit | None = fit_without_variance(wide, drawn)
    else:
        narrow = refit(null, drawn)
    if narrow is None:
        return np.nan, fit_states(None)
    return _ratio(wide, narrow), fit_states(wide) | fit_states(narrow)


def _ratio(larger: MixedModelFit, smaller: MixedModelFit) -> float:
    return max(0.0, 2.0 * (larger.loglik - smaller.loglik))
