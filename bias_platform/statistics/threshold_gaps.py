"""What the gaps between neighbouring thresholds add to the likelihood of a cumulative-logit model.

With F the logistic function, thresholds ``alpha_1 < alpha_2 < ...`` and ``F(eta - alpha_k) = P(y > k)``, the
probability of a category between two thresholds is a product:
``F(eta - a) - F(eta - b) = F(eta - a) F(b - eta) (1 - exp(-(b - a)))`` for a < b. So the likelihood is that of one
binary answer at each threshold next to the category (yes at the one below it, no at the one above), times a factor that
depends on nothing but the gap b - a. The binary answers are fitted as any others; the factor is here.
"""

from dataclasses import dataclass

import numpy as np

from bias_platform.statistics.arrays import FloatArray


@dataclass(frozen=True)
class ThresholdGaps:
    """``sum_g n_g log(1 - exp(-d_g'beta))`` over gaps: concave in beta, and minus infinity where a gap is not positive.

    >>> import numpy as np
    >>> one = ThresholdGaps(np.array([[-1.0, 1.0]]), np.array([10.0]))
    >>> bool(np.isclose(one.loglik(np.array([0.0, np.log(2.0)])), 10 * np.log(0.5)))
    True
    >>> one.loglik(np.array([1.0, 0.0]))
    -inf
    """

    rows: FloatArray
    """(gaps, p): d, the threshold above less the one below in terms of beta."""
    answers: FloatArray
    """(gaps,): answers between the two."""

    @classmethod
    def none(cls, n_fixed: int) -> "ThresholdGaps":
        """Of a model without thresholds."""
        return cls(np.zeros((0, n_fixed)), np.zeros(0))

    def loglik(self, beta: FloatArray) -> float:
        """What is added to the log-likelihood."""
        gaps = self.rows @ beta
        if len(gaps) and gaps.min() <= 0.0:
            return -np.inf
        return float(self.answers @ np.log(-np.expm1(-gaps)))

    def gradient(self, beta: FloatArray) -> FloatArray:
        """Its gradient, (p,)."""
        slope: FloatArray = (self.answers * self._pull(beta)) @ self.rows
        return slope

    def information(self, beta: FloatArray) -> FloatArray:
        """Its negative second derivatives, (p, p)."""
        pull = self._pull(beta)
        found: FloatArray = self.rows.T @ ((self.answers * pull * (1.0 + pull))[:, None] * self.rows)
        return found

    def _pull(self, beta: FloatArray) -> FloatArray:
        """1 / (exp(gap) - 1); of no use, but finite, where a gap is not positive."""
        gaps = np.maximum(self.rows @ beta, 1e-8)
        pull: FloatArray = 1.0 / np.expm1(gaps)
        return pull
