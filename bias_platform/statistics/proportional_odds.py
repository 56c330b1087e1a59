"""Are the effects of an ordinal model the same at each threshold? Proportional odds against partially so."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import chi2, norm

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.choose_layout import lay_out
from bias_platform.statistics.curvature import conditional_information
from bias_platform.statistics.design import Design
from bias_platform.statistics.diagnostics import FAR, VAGUE
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.estimates import check_confidence
from bias_platform.statistics.fixed_part import FixedPart
from bias_platform.statistics.mixed_model import require_laplace
from bias_platform.statistics.mixed_model_fit import MixedModelFit, require_mixed_fit
from bias_platform.statistics.one_thread import one_blas_thread
from bias_platform.statistics.optimum import Optimum, find_optimum
from bias_platform.statistics.ordinal_design import BARRIER, rows_at_thresholds, threshold_names
from bias_platform.statistics.response import ORDINAL
from bias_platform.statistics.start_values import find_start
from bias_platform.statistics.term_tests import find_term

ALL_TERMS = "all terms"


def proportional_odds_test(fit: MixedModelFit, terms: Sequence[str] | str | None = None) -> pd.DataFrame:
    """Likelihood-ratio tests of proportional odds, one row a fixed term, and last of all terms at once.

    The model is fitted again with effects of the term that may differ from threshold to threshold (*nominal* effects in
    the terms of R. H. B. Christensen's `ordinal`, whose `nominal_test` this is but for the random effects): a small p
    says that one log-odds ratio a term does not describe the answers. An interaction is tested against effects of the
    terms it contains that differ as well, so that the coding of factors does not matter. With thousands of answers
    small departures are detected; `effects_by_threshold` shows how large they are.

    Thresholds stay in order. Where a level has no answer in a middle category, the wider model puts its thresholds
    next to each other. Chi-square is rough there: of 25 simulated studies with 2 % middle answers and proportional
    odds, 5 had p below 0.05.

    Args:
        fit: of family ``ordinal``.
        terms: as in the formula; None means each, and all together.

    Returns:
        Columns ``term``, ``df``, ``lr``, ``p``, ``converged``; ``lr`` and ``p`` are NaN where the wider model did not
        converge.

    Raises:
        ModelError: a fit of another family, an unknown term, or a model without fixed terms.

    >>> import numpy as np, pandas as pd
    >>> from bias_platform.statistics import fit_mixed_model
    >>> rng = np.random.default_rng(0)
    >>> data = pd.DataFrame({"item": np.repeat(np.arange(60), 8), "group": ["a", "b"] * 240})
    >>> latent = rng.normal(0, 1, 60)[data["item"]] + (data["group"] == "b") + rng.logistic(size=480)
    >>> data["answer"] = np.digitize(latent, [0, 1])
    >>> fit = fit_mixed_model("answer ~ group + (1 | item)", data, family="ordinal")
    >>> tests = proportional_odds_test(fit)
    >>> tests["term"].tolist(), tests["df"].tolist(), bool(tests["p"][0] > 0.05)
    (['group'], [1], True)
    """
    names, fixed = _asked_terms(fit, terms), fit.design.fixed
    with one_blas_thread():
        rows = [_tested(fit, name, _contained(fixed, name), list(fixed.terms[name])) for name in names]
        if terms is None and len(names) > 1:
            rows.append(_tested(fit, ALL_TERMS, [], [column for name in names for column in fixed.terms[name]]))
    return pd.DataFrame(rows)


def effects_by_threshold(fit: MixedModelFit, term: str, *, level: float = 0.95) -> pd.DataFrame:
    """Effects of a term at each threshold: log-odds of being above it.

    Standard errors are by the joint information (commonly 1-3 % too small). NaN where there is no finite estimate: a
    level that never, or always, gets past a threshold.

    Args:
        fit: of family ``ordinal``.
        term: as in the formula.
        level: confidence of the intervals.

    Returns:
        Columns ``coefficient``, ``threshold``, ``estimate``, ``standard_error``, ``lower``, ``upper``.

    Raises:
        ModelError: as `proportional_odds_test`; or effects that cannot be told apart.

    >>> import numpy as np, pandas as pd
    >>> from bias_platform.statistics import fit_mixed_model
    >>> rng = np.random.default_rng(0)
    >>> data = pd.DataFrame({"item": np.repeat(np.arange(60), 8), "group": ["a", "b"] * 240})
    >>> latent = rng.normal(0, 1, 60)[data["item"]] + (data["group"] == "b") + rng.logistic(size=480)
    >>> data["answer"] = np.digitize(latent, [0, 1])
    >>> fit = fit_mixed_model("answer ~ group + (1 | item)", data, family="ordinal")
    >>> effects_by_threshold(fit, "group")[["coefficient", "threshold"]].values.tolist()
    [['group[T.b]', '0|1'], ['group[T.b]', '1|2']]
    """
    check_confidence(level)
    name = _asked_terms(fit, term)[0]
    columns = list(fit.design.fixed.terms[name])
    with one_blas_thread():
        wider = _partial(fit.design, columns)
    thresholds = threshold_names(fit.design)
    matrix = _sums_by_threshold(wider.design, columns, thresholds)
    estimate = matrix @ wider.beta
    error = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", matrix, wider.covariance(), matrix), 0.0))
    lost = (np.abs(estimate) > FAR) & (error > VAGUE) if wider.converged else np.ones(len(estimate), dtype=bool)
    estimate, error = np.where(lost, np.nan, estimate), np.where(lost, np.nan, error)
    reach = float(norm.ppf(0.5 + level / 2.0)) * error
    return pd.DataFrame(
        {
            "coefficient": np.repeat(columns, len(thresholds)),
            "threshold": np.tile(thresholds, len(columns)),
            "estimate": estimate,
            "standard_error": error,
            "lower": estimate - reach,
            "upper": estimate + reach,
        }
    )


class _Partial(NamedTuple):
    """A fit in which the effects of some columns differ by threshold; without an optimum where it cannot be made."""

    design: Design
    optimum: Optimum | None

    @property
    def converged(self) -> bool:
        return self.optimum is not None and self.optimum.converged

    @property
    def loglik(self) -> float:
        return self.optimum.evaluation.loglik if self.optimum is not None and self.converged else np.nan

    @property
    def beta(self) -> FloatArray:
        return np.full(self.design.n_fixed, np.nan) if self.optimum is None else self.optimum.evaluation.beta

    def covariance(self) -> FloatArray:
        if self.optimum is None:
            return np.full((self.design.n_fixed,) * 2, np.nan)
        found = self.optimum.evaluation
        joint, _ = conditional_information(found.blocks.layout, found)
        return np.asarray(np.linalg.pinv(joint, hermitian=True), dtype=np.float64)


def _partial(design: Design, columns: Sequence[str]) -> _Partial:
    """With thresholds kept in order only where they would cross: elsewhere nothing pushes them apart."""
    found, ordered = _fitted(rows_at_thresholds(design, columns)), rows_at_thresholds(design, columns, BARRIER)
    assert ordered.gaps is not None, "a design at thresholds has gaps"
    if found.converged and float((ordered.gaps.rows @ found.beta).min()) > 0.0:
        return found
    return _fitted(ordered)


def _fitted(wider: Design) -> _Partial:
    layout = lay_out(wider)
    try:
        return _Partial(wider, find_optimum(layout, find_start(layout)))
    except np.linalg.LinAlgError:  # a level that only ever has one answer: its effects run away at once
        return _Partial(wider, None)


def _contained(fixed: FixedPart, name: str) -> list[str]:
    """Columns of the terms that a term contains."""
    mine = set(fixed.term_variables[name])
    inner = [other for other, variables in fixed.term_variables.items() if set(variables) < mine and other != "1"]
    return [column for other in inner for column in fixed.terms[other]]


def _tested(fit: MixedModelFit, name: str, contained: Sequence[str], columns: Sequence[str]) -> dict[str, object]:
    narrow = _partial(fit.design, contained).loglik if contained else fit.loglik
    wider = _partial(fit.design, [*contained, *columns])
    df = len(columns) * (len(fit.design.categories) - 2)
    lr = max(0.0, 2.0 * (wider.loglik - narrow)) if np.isfinite(wider.loglik - narrow) else np.nan
    return {"term": name, "df": df, "lr": lr, "p": float(chi2.sf(lr, df)), "converged": bool(np.isfinite(lr))}


def _sums_by_threshold(design: Design, columns: Sequence[str], thresholds: Sequence[str]) -> FloatArray:
    """(columns x thresholds, p): an effect at the first threshold, and what further ones add."""
    place = {name: k for k, name in enumerate(design.fixed.columns)}
    matrix = np.zeros((len(columns), len(thresholds), len(place)))
    for row, column in enumerate(columns):
        matrix[row, :, place[column]] = 1.0
        for k, threshold in enumerate(thresholds[1:], start=1):
            matrix[row, k, place[f"{column}:{threshold}"]] = 1.0
    return matrix.reshape(-1, len(place))


def _asked_terms(fit: MixedModelFit, terms: Sequence[str] | str | None) -> list[str]:
    require_mixed_fit(fit, "A test of proportional odds")
    if fit.family != ORDINAL:
        raise ModelError(
            f"Proportional odds are an assumption of ordinal models; this fit is of family {fit.family!r}: fit with "
            "family='ordinal'."
        )
    require_laplace(fit, "A test of proportional odds")
    if terms is not None:
        names = [find_term(fit.design, term) for term in ([terms] if isinstance(terms, str) else terms)]
        lost = [name for name in names if not fit.design.fixed.terms[name]]
        if lost:
            raise ModelError(f"The term {lost[0]!r} of {fit.formula!r} has no column that can be estimated.")
        return names
    names = [name for name, columns in fit.design.fixed.terms.items() if name != "1" and columns]
    if not names:
        raise ModelError(f"The model {fit.formula!r} has no fixed term whose effect could differ by threshold.")
    return names
