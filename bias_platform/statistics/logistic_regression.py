"""Maximum likelihood of the logistic regression without random effects, on counts by pattern of X."""

from typing import NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.special import expit

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.marginal_data import MarginalData

_ROUNDS = 60
_SETTLED = 1e-18
"""Newton decrement (log-likelihood still to gain) below which the search ends."""
_FAR, _VAGUE = 8.0, 5.0
"""Log-odds so far from zero and with such a standard error have no finite estimate."""
_LARGEST = 25.0
"""Log-odds beyond which the search asks whether it runs away."""


class LogisticRegression(NamedTuple):
    """Estimates at the maximum."""

    beta: FloatArray
    """(columns,)."""
    mean: FloatArray
    """(patterns,) probabilities of a success."""
    information: FloatArray
    """(columns, columns) X'WX."""


def fit_logistic_regression(data: MarginalData) -> LogisticRegression:
    """Newton's method with halved steps.

    Raises:
        ModelError: the answers are separated, so that a coefficient has no finite estimate.
    """
    x, trials, won = data.fixed.patterns, data.pattern_trials, data.pattern_successes
    start = np.log((won + 0.5) / (trials - won + 0.5))
    weight = np.sqrt(trials)
    beta = np.linalg.lstsq(x * weight[:, None], start * weight, rcond=None)[0]
    likelihood = _log_likelihood(x @ beta, trials, won)
    for _ in range(_ROUNDS):
        eta = x @ beta
        mean = expit(eta)
        information = (x * (trials * mean * (1.0 - mean))[:, None]).T @ x
        score = x.T @ (won - trials * mean)
        if np.abs(eta).max() > _LARGEST:
            refuse_separation(data, eta, information)
        step = _solved(data, eta, information, score)
        if float(score @ step) < _SETTLED * trials.sum():
            refuse_separation(data, eta, information)
            return LogisticRegression(beta, mean, information)
        scale, moved = 1.0, _log_likelihood(x @ (beta + step), trials, won)
        while moved < likelihood - 1e-9 * abs(likelihood) and scale > 1e-6:
            scale /= 2.0
            moved = _log_likelihood(x @ (beta + scale * step), trials, won)
        beta, likelihood = beta + scale * step, moved
    refuse_separation(data, eta, information)
    raise ModelError(
        f"The logistic regression {data.formula.text!r} did not converge in {_ROUNDS} rounds: simplify it."
    )


def refuse_separation(data: MarginalData, eta: FloatArray, information: FloatArray) -> None:
    """Raise `ModelError` where a fitted log-odds has no finite estimate.

    Args:
        data: what is fitted.
        eta: (patterns,) linear predictor.
        information: (columns, columns).
    """
    far = np.flatnonzero(np.abs(eta) > _FAR)
    if not len(far):
        return
    x = data.fixed.patterns[far]
    solved = np.linalg.lstsq(information, x.T, rcond=1e-15)[0]
    error = np.sqrt(np.maximum((x * solved.T).sum(axis=1), 0.0))
    if (error > _VAGUE).any():
        raise _separated(data, int(far[np.argmax(error)]), float(eta[far[np.argmax(error)]]))


def _solved(data: MarginalData, eta: FloatArray, information: FloatArray, score: FloatArray) -> FloatArray:
    try:
        step: FloatArray = cho_solve(cho_factor(information), score)
    except LinAlgError:
        worst = int(np.argmax(np.abs(eta)))
        raise _separated(data, worst, float(eta[worst])) from None
    return step


def _separated(data: MarginalData, pattern: int, eta: float) -> ModelError:
    variables = data.fixed.variables.iloc[pattern]
    where = ", ".join(f"{name} = {value}" for name, value in variables.items())
    return ModelError(
        f"The answers are separated: with {where or 'these data'} nearly all are {'Yes' if eta > 0 else 'No'} in the "
        f"model {data.formula.text!r}, so a coefficient has no finite estimate; leave that level out, or compare "
        "probabilities without a model."
    )


def _log_likelihood(eta: FloatArray, trials: FloatArray, won: FloatArray) -> float:
    return float(won @ eta - trials @ np.logaddexp(0.0, eta))
