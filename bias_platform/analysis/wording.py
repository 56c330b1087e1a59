"""How much wordings of the persona instruction move the answers, estimated without the bias of maximum likelihood.

With three wordings, maximum likelihood takes a third to a half of the wording variance away, because the persona and
wording effects are estimated from the same few cells. Here the variances maximise the restricted (REML) likelihood of
the scores of a model without wording effects: each cell (one row of X) has a score s and an information A, items
profiled out; what the fixed effects explain is projected away; a quadratic expansion at the fit does the rest. It is
what one step of penalised quasi-likelihood does, which is accurate here because a cell has many answers.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg as sla
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from bias_platform.statistics import MixedModelFit
from bias_platform.statistics.design import Design

FloatArray = NDArray[np.float64]
_CHUNK = 32
"""Items handled at once, so that memory stays flat."""


class WordingVariances(NamedTuple):
    """Variances of the wording terms and what they do to the fixed effects."""

    terms: tuple[str, ...]
    variances: FloatArray
    """(terms,), on the logit scale."""
    covariance: FloatArray
    """(terms, terms): of the estimated variances, from their expected information."""
    unit: tuple[FloatArray, ...]
    """By term (p, p): covariance of the fixed effects that a variance of one adds."""


def wording_variances(fit: MixedModelFit, terms: Sequence[tuple[str, ...]]) -> WordingVariances:
    """Restricted variances of wording terms that `fit` leaves out.

    Args:
        fit: a model of answers with random effects of items only (item, item:system, item:persona).
        terms: columns of each wording term, such as ``("persona", "template")``; fixed variables of the model.
    """
    score, information = cell_scores(fit)
    fixed = fit.design.fixed.patterns
    inverse = np.linalg.pinv(fixed.T @ information @ fixed, hermitian=True)
    carry = inverse @ fixed.T @ information
    projected = information - information @ fixed @ carry
    residual = score - carry.T @ (fixed.T @ score)
    members = [_indicators(fit.design, term) for term in terms]
    variances, covariance = _restricted_maximum(projected, residual, members)
    return WordingVariances(
        terms=tuple(":".join(term) for term in terms),
        variances=variances,
        covariance=covariance,
        unit=tuple((carry @ member) @ (carry @ member).T for member in members),
    )


def cell_scores(fit: MixedModelFit) -> tuple[FloatArray, FloatArray]:
    """Score (cells,) and information (cells, cells) of the log-odds of each row of X, item effects profiled out."""
    design, columns = fit.design, _item_columns(fit)
    item = design.column_codes["item"]
    items, cells = int(item.max()) + 1, len(design.fixed.patterns)
    mean, weight = _fitted(fit)
    at = item * cells + design.pattern
    score: FloatArray = np.bincount(design.pattern, design.successes - design.trials * mean, cells).astype(float)
    weights = np.bincount(at, weight, items * cells).reshape(items, cells)
    information = np.diag(weights.sum(axis=0))
    identity = np.eye(columns.shape[1])
    for start in range(0, items, _CHUNK):
        part = weights[start : start + _CHUNK]
        scaled = part[:, :, None] * columns
        inner = identity + columns.T @ scaled
        explained = np.linalg.solve(np.linalg.cholesky(inner), scaled.transpose(0, 2, 1)).reshape(-1, cells)
        information -= explained.T @ explained
    return score, information


def _item_columns(fit: MixedModelFit) -> FloatArray:
    """(cells, columns): what an item's random effects add to each cell, scaled to unit variance."""
    variables = fit.design.fixed.variables
    blocks = []
    for term, sd in zip(fit.design.terms, fit.variance_components["sd"], strict=True):
        rest = [name for name in term.columns if name != "item"]
        if not rest:
            blocks.append(np.full((len(variables), 1), sd))
        elif sd > 0:
            codes = variables.groupby(rest, observed=True, sort=False).ngroup().to_numpy()
            blocks.append(sd * np.eye(int(codes.max()) + 1)[codes])
    return np.hstack(blocks)


def _fitted(fit: MixedModelFit) -> tuple[FloatArray, FloatArray]:
    """Conditional mean and weight of each distinct row."""
    design = fit.design
    eta = (design.fixed.patterns @ fit.fixed_effects["estimate"].to_numpy())[design.pattern]
    for term in design.terms:
        eta = eta + fit.conditional_modes[term.name].to_numpy()[term.code]
    mean = expit(eta)
    return mean, design.trials * mean * (1.0 - mean)


def _indicators(design: Design, columns: tuple[str, ...]) -> FloatArray:
    codes = design.fixed.variables.groupby(list(columns), observed=True, sort=False).ngroup().to_numpy()
    members: FloatArray = np.eye(int(codes.max()) + 1)[codes]
    return members


def _restricted_maximum(
    projected: FloatArray, residual: FloatArray, members: Sequence[FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """Variances at the restricted maximum and the inverse of their expected information."""
    stacked = np.hstack(members)
    gram, score = stacked.T @ projected @ stacked, stacked.T @ residual
    owner = np.repeat(np.arange(len(members)), [member.shape[1] for member in members])

    def loss(sd: FloatArray) -> float:
        scale = np.abs(sd)[owner]
        factor = sla.cholesky(np.eye(len(scale)) + scale[:, None] * gram * scale, lower=True)
        half = sla.solve_triangular(factor, scale * score, lower=True)
        return float(np.log(np.diag(factor)).sum() - 0.5 * half @ half)

    starts = (0.05, 0.3)
    tried = [minimize(loss, [s] * len(members), method="Nelder-Mead", options=_TOLERANCES) for s in starts]
    found = min(tried, key=lambda result: result.fun)
    sd = np.where(np.abs(found.x) < 1e-3, 0.0, np.abs(found.x))
    return sd**2, _inverse_information(gram, sd[owner], owner, len(members))


_TOLERANCES: Any = {"xatol": 1e-4, "fatol": 1e-6, "maxiter": 200}


def _inverse_information(gram: FloatArray, scale: FloatArray, owner: NDArray[np.int64], terms: int) -> FloatArray:
    inner = np.eye(len(scale)) + scale[:, None] * gram * scale
    left = gram * scale
    remaining = gram - left @ np.linalg.solve(inner, left.T)
    squares = remaining**2
    information = np.array(
        [[0.5 * squares[np.ix_(owner == a, owner == b)].sum() for b in range(terms)] for a in range(terms)]
    )
    inverse: FloatArray = np.linalg.pinv(information, hermitian=True)
    return inverse
