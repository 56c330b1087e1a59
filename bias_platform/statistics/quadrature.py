"""Adaptive Gauss-Hermite quadrature: the likelihood of a model with one random intercept, as exact as asked for.

Of a level with standardised effect u, ``f(u) = log p(y | u) - u^2 / 2`` has its mode at m, with h = -f''(m). With nodes
z_j and weights w_j (probabilists', summing to one) the level's likelihood is
``h^(-1/2) sum_j w_j exp(f(m + z_j / sqrt(h)) + z_j^2 / 2)``; one node is Laplace's approximation (J. C. Pinheiro and
D. M. Bates, 1995, Journal of Computational and Graphical Statistics 4, 12-35). The gradient is that of this sum, with
the derivatives of m and h.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logsumexp

from bias_platform.statistics.arrays import FloatArray, bin_sums
from bias_platform.statistics.design import Design
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.threshold_gaps import ThresholdGaps

MOST_NODES = 101
_MODE_TOLERANCE = 1e-12
_MOST_PASSES = 50


class Quadrature(NamedTuple):
    """Log-likelihood at (beta, sd) with its gradient, (p + 1,); and the modes (levels,), standardised."""

    loglik: float
    gradient: FloatArray
    modes: FloatArray


class _Rows(NamedTuple):
    """Of each row: the score and the weight in the predictor, and how the weight follows it."""

    score: FloatArray
    weight: FloatArray
    slope: FloatArray


def require_one_intercept(design: Design, nodes: int) -> None:
    """Raise `ModelError` where a model has no quadrature, or the number of nodes makes no sense."""
    if isinstance(nodes, bool) or not isinstance(nodes, int) or not 1 <= nodes <= MOST_NODES:
        raise ModelError(f"quadrature_nodes must be a whole number from 1 (Laplace) to {MOST_NODES}, not {nodes!r}.")
    if nodes > 1 and (len(design.terms) != 1 or design.terms[0].basis is not None):
        names = ", ".join(term.name for term in design.terms)
        raise ModelError(
            f"Quadrature is for one random intercept, but {design.formula.text!r} has {names}: "
            "leave quadrature_nodes out, which means Laplace's approximation."
        )


@dataclass(frozen=True)
class QuadratureModel:
    """A binomial design (of an ordinal outcome, its rows at thresholds) with one random intercept."""

    design: Design
    nodes: int

    @property
    def _gaps(self) -> ThresholdGaps:
        return ThresholdGaps.none(self.design.n_fixed) if self.design.gaps is None else self.design.gaps

    def evaluate(self, beta: FloatArray, sd: float, start: FloatArray) -> Quadrature:
        """Value and gradient; the modes are searched from ``start`` (levels,)."""
        fixed = (self.design.fixed.patterns @ beta)[self.design.pattern]
        modes = self._modes(fixed, sd, start)
        rows = self._rows(fixed + sd * self._by_row(modes))
        curvature = 1.0 + sd**2 * self._by_level(rows.weight)
        places, weights = _nodes(self.nodes)
        effects = modes[:, None] + places / np.sqrt(curvature)[:, None]
        values = np.column_stack([self._objective(fixed, sd, one) for one in effects.T])
        values += 0.5 * places**2 + np.log(weights)
        by_level = logsumexp(values, axis=1)
        loglik = float((by_level - 0.5 * np.log(curvature)).sum()) + self._gaps.loglik(beta)
        shares = np.exp(values - by_level[:, None])
        gradient = self._gradient(fixed, sd, rows, _Levels(modes, curvature, effects, shares))
        gradient[:-1] += self._gaps.gradient(beta)
        return Quadrature(loglik, gradient, modes)

    def _gradient(self, fixed: FloatArray, sd: float, rows: _Rows, at: "_Levels") -> FloatArray:
        """With d loglik / dm and d loglik / dh by level, and m and h following the parameters."""
        places, _ = _nodes(self.nodes)
        felt, by_sd = np.zeros_like(fixed), 0.0
        by_mode, by_reach = np.zeros_like(at.modes), np.zeros_like(at.modes)
        for effect, share, place in zip(at.effects.T, at.shares.T, places, strict=True):
            score = self._rows(fixed + sd * self._by_row(effect)).score
            felt += self._by_row(share) * score
            total = self._by_level(score)
            pull = share * (sd * total - effect)
            by_sd += float(share @ (effect * total))
            by_mode += pull
            by_reach += place * pull
        by_curvature = -0.5 / at.curvature - 0.5 * by_reach * at.curvature**-1.5
        third = self._by_level(rows.slope)
        through_mode = by_mode + by_curvature * sd**3 * third
        felt -= self._by_row(through_mode * sd / at.curvature) * rows.weight
        felt += self._by_row(by_curvature * sd**2) * rows.slope
        weight = self._by_level(rows.weight)
        moved = (self._by_level(rows.score) - sd * at.modes * weight) / at.curvature
        by_sd += float(through_mode @ moved + by_curvature @ (2.0 * sd * weight + sd**2 * third * at.modes))
        patterns = self.design.fixed.patterns
        return np.append(bin_sums(self.design.pattern, felt, len(patterns)) @ patterns, by_sd)

    def _modes(self, fixed: FloatArray, sd: float, start: FloatArray) -> FloatArray:
        """Newton, the step of a level halved where it overshoots."""
        modes, value = start, self._objective(fixed, sd, start)
        for _ in range(_MOST_PASSES):
            rows = self._rows(fixed + sd * self._by_row(modes))
            slope = sd * self._by_level(rows.score) - modes
            step = slope / (1.0 + sd**2 * self._by_level(rows.weight))
            if float(np.abs(slope * step).max()) < _MODE_TOLERANCE:
                return modes + step
            for _ in range(30):
                ahead = self._objective(fixed, sd, modes + step)
                worse = ahead < value - 1e-12 * (1.0 + np.abs(value))
                if not worse.any():
                    break
                step = np.where(worse, 0.5 * step, step)
            modes, value = modes + step, ahead
        return modes

    def _objective(self, fixed: FloatArray, sd: float, effects: FloatArray) -> FloatArray:
        """f(u) by level."""
        eta = fixed + sd * self._by_row(effects)
        rows = self.design.successes * eta - self.design.trials * np.logaddexp(0.0, eta)
        return self._by_level(rows) - 0.5 * effects**2

    def _rows(self, eta: FloatArray) -> _Rows:
        mean = expit(eta)
        weight = self.design.trials * mean * (1.0 - mean)
        return _Rows(self.design.successes - self.design.trials * mean, weight, weight * (1.0 - 2.0 * mean))

    def _by_level(self, rows: FloatArray) -> FloatArray:
        return bin_sums(self.design.terms[0].code, rows, self.design.terms[0].size)

    def _by_row(self, levels: FloatArray) -> FloatArray:
        found: FloatArray = levels[self.design.terms[0].code]
        return found


class _Levels(NamedTuple):
    """Modes and curvatures (levels,); effects at the nodes and their shares of the likelihood, (levels, nodes)."""

    modes: FloatArray
    curvature: FloatArray
    effects: FloatArray
    shares: FloatArray


def _nodes(count: int) -> tuple[FloatArray, FloatArray]:
    places, weights = np.polynomial.hermite_e.hermegauss(count)
    return places, weights / weights.sum()
