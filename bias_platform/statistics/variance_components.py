"""Standard deviations and correlations of random effects, in the formula's own effects, with their errors.

With A = transform T (times the residual's deviation in a Gaussian model), the effects of a level have covariance A A'.
Errors are by the delta method.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from bias_platform.statistics.arrays import FloatArray, IntArray
from bias_platform.statistics.random_terms import FactorShape, RandomTerm


class Components(NamedTuple):
    """What varies, and together with what."""

    deviations: pd.DataFrame
    """``term``, ``effect``, ``levels``, ``sd``, ``variance``, ``sd_standard_error``, ``singular``; a row an effect."""
    correlations: pd.DataFrame
    """``term``, ``effect``, ``other``, ``correlation``, ``standard_error``; a row a pair of effects of one term."""


def tabulate_components(
    terms: Sequence[RandomTerm],
    shape: FactorShape,
    theta: FloatArray,
    zero: Sequence[int],
    covariance: FloatArray | None,
    unit: float = 1.0,
) -> Components:
    """The tables of a fit.

    Args:
        zero: components whose column of T is zero; a term that has one is singular.
        covariance: of the free entries of theta in their order, and last, in a Gaussian model, of twice the logarithm
            of the residual's deviation; None where it is not known.
        unit: the residual's deviation in a Gaussian model.
    """
    live = live_entries(shape, zero)
    deviations: list[dict[str, object]] = []
    correlations: list[dict[str, object]] = []
    for k, term in enumerate(terms):
        own = range(int(shape.starts[k]), int(shape.starts[k + 1]))
        found = _Spread(term, shape.matrix(theta, k), unit)
        slopes = found.slopes(shape, k, live)
        errors = _errors(slopes, covariance)
        singular = any(component in zero for component in own)
        deviations += found.deviation_rows(errors[: len(own)], singular)
        correlations += found.correlation_rows(np.full(len(errors), np.nan) if singular else errors)
    columns = ["term", "effect", "other", "correlation", "standard_error"]
    return Components(pd.DataFrame(deviations), pd.DataFrame(correlations, columns=columns))


def live_entries(shape: FactorShape, zero: Sequence[int]) -> IntArray:
    """Entries of theta in columns that are not zero."""
    return np.flatnonzero(~np.isin(shape.column, list(zero))).astype(np.int64)


class _Spread:
    """Deviations and correlations of one term, and how they follow from theta."""

    def __init__(self, term: RandomTerm, factor: FloatArray, unit: float) -> None:
        self.term, self.unit = term, unit
        self.root = unit * term.transform @ factor
        self.covariance = self.root @ self.root.T
        self.sd = np.sqrt(np.diag(self.covariance))
        self.lower = [(i, j) for j in range(len(self.sd)) for i in range(j + 1, len(self.sd))]

    @property
    def correlation(self) -> FloatArray:
        """NaN with an effect that does not vary."""
        with np.errstate(invalid="ignore", divide="ignore"):
            found: FloatArray = self.covariance / np.outer(self.sd, self.sd)
        return found

    def slopes(self, shape: FactorShape, term: int, live: IntArray) -> FloatArray:
        """(deviations and correlations, live entries of all terms and the logarithm of the residual variance)."""
        slopes = np.zeros((len(self.sd) + len(self.lower), len(live) + 1))
        start = shape.starts[term]
        for at, entry in enumerate(live):
            if shape.term[entry] == term:
                change = np.zeros_like(self.root)
                change[:, shape.column[entry] - start] = self.unit * self.term.transform[:, shape.row[entry] - start]
                half = change @ self.root.T
                slopes[:, at] = self._moved(half + half.T)
        slopes[: len(self.sd), -1] = 0.5 * self.sd
        return slopes

    def _moved(self, change: FloatArray) -> FloatArray:
        """How deviations and correlations follow a change of the covariance."""
        with np.errstate(invalid="ignore", divide="ignore"):
            sd = np.diag(change) / (2.0 * self.sd)
            relative = sd / self.sd
            scaled = change / np.outer(self.sd, self.sd)
        correlation = scaled - self.correlation * (relative[:, None] + relative)
        return np.concatenate([sd, [correlation[i, j] for i, j in self.lower]])

    def deviation_rows(self, errors: FloatArray, singular: bool) -> list[dict[str, object]]:
        return [
            {
                "term": self.term.name,
                "effect": effect,
                "levels": self.term.size,
                "sd": sd,
                "variance": sd**2,
                "sd_standard_error": error if sd > 0 else np.nan,
                "singular": singular,
            }
            for effect, sd, error in zip(self.term.effects, self.sd.tolist(), errors.tolist(), strict=True)
        ]

    def correlation_rows(self, errors: FloatArray) -> list[dict[str, object]]:
        names, found = self.term.effects, self.correlation
        return [
            {
                "term": self.term.name,
                "effect": names[j],
                "other": names[i],
                "correlation": float(found[i, j]),
                "standard_error": float(error),
            }
            for (i, j), error in zip(self.lower, errors[len(self.sd) :], strict=True)
        ]


def _errors(slopes: FloatArray, covariance: FloatArray | None) -> FloatArray:
    if covariance is None:
        return np.full(len(slopes), np.nan)
    used = slopes[:, : len(covariance)]
    variances: FloatArray = np.einsum("ij,jk,ik->i", used, covariance, used)
    return np.sqrt(np.maximum(variances, 0.0))
