"""Intervals by profile likelihood: for deviations, which Wald's intervals describe badly, and for single coefficients.

Sources: W. N. Venables and B. D. Ripley (2002), Modern Applied Statistics with S, 4th ed., section 8.4; D. Bates,
M. Maechler, B. Bolker and S. Walker (2015), Journal of Statistical Software 67(1), section 5.1 (``profile`` and
``confint`` of lme4).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import norm

from bias_platform.statistics.errors import ModelError, spell_check
from bias_platform.statistics.estimates import check_confidence
from bias_platform.statistics.mixed_model import by_maximum_likelihood, require_laplace
from bias_platform.statistics.mixed_model_fit import MixedModelFit, require_mixed_fit
from bias_platform.statistics.one_thread import one_blas_thread
from bias_platform.statistics.profile_targets import COEFFICIENT, Paths, Target, named, targets_of


def profile_intervals(
    fit: MixedModelFit,
    parameters: Sequence[str] | str | None = None,
    *,
    level: float = 0.95,
    restricted: bool = False,
) -> pd.DataFrame:
    """Profile-likelihood intervals of single parameters.

    The interval holds the values at which the likelihood, maximised over all other parameters, is not so far below its
    maximum that a likelihood-ratio test against chi-square with one degree of freedom rejects. It needs no standard
    error, follows the parameter's own scale, and is lopsided where the likelihood is. Fits by REML are refitted by
    maximum likelihood first, whose estimates are then shown, as restricted likelihoods of different fixed parts
    do not compare. Where a grouping has few levels and the fixed part takes some of them, maximum likelihood puts its
    deviation too low: of 400 simulated studies of 6 items in two groups, 82 % of intervals at 95 % held the true one
    (Monte-Carlo interval 78 to 85 %), of their restricted likelihood (`restricted`) 93 % (90 to 95 %); of binomial ones
    of 8 items in two groups 87 % (83 to 90 %).

    A deviation's lower bound is 0 where a deviation of 0 is not rejected. On that boundary the likelihood ratio
    is distributed as half chi-square with one degree of freedom and half 0 (S. G. Self and K.-Y. Liang, 1987, Journal
    of the American Statistical Association 82, 605-610), so an interval at 95 % holds a deviation that truly is 0 in
    97.5 % of studies; `bootstrap_likelihood_ratio_test` tests it.

    Args:
        fit: a converged fit of any family.
        parameters: coefficients (``group[T.b]``), random terms as in ``fit.variance_components`` for all of their
            deviations and correlations (``item``, ``1 + x | item``, ``residual``), or single ones as in the column
            ``parameter``; None means all. Each takes some 10 to 60 evaluations of the likelihood.
        level: confidence.
        restricted: of a fit by REML, profile the restricted likelihood itself; deviations and correlations only.

    Returns:
        Columns ``parameter`` (such as ``sd(Intercept | item)``, ``cor(Intercept, x | item)``, ``sd(residual)``, or the
        coefficient), ``kind`` (``sd``, ``correlation``, ``coefficient``), ``estimate``, ``lower``, ``upper``,
        ``lower_limited``, ``upper_limited`` (the likelihood does not fall off that far: the bound is the parameter's
        own limit, 0 for a deviation and -1 or 1 for a correlation, or infinite, as for a separated coefficient),
        ``converged`` (False: a search did not end, or found a likelihood above that of the fit).

    Raises:
        ModelError: an unknown parameter, a level outside (0, 1), a fit that did not converge, or coefficients or a fit
            that have no restricted likelihood.

    >>> import numpy as np, pandas as pd
    >>> from bias_platform.statistics import fit_mixed_model
    >>> rng = np.random.default_rng(1)
    >>> data = pd.DataFrame({"item": np.repeat(np.arange(12), 10), "group": ["a", "b"] * 60})
    >>> data["margin"] = rng.normal(0, 1, 12)[data["item"]] + (data["group"] == "b") + rng.normal(0, 1, 120)
    >>> fit = fit_mixed_model("margin ~ group + (1 | item)", data, family="gaussian", method="ML")
    >>> found = profile_intervals(fit, ["item", "group[T.b]"]).set_index("parameter")
    >>> found.index.tolist(), found["kind"].tolist()
    (['sd(Intercept | item)', 'group[T.b]'], ['sd', 'coefficient'])
    >>> sd = found.loc["sd(Intercept | item)"]
    >>> bool(sd["upper"] - sd["estimate"] > sd["estimate"] - sd["lower"] > 0)
    True
    """
    require_mixed_fit(fit, "A profile")
    check_confidence(level)
    if not fit.converged:
        raise ModelError(
            f"The fit of {fit.formula!r} did not converge, so it has no maximum to profile from: see its messages."
        )
    require_laplace(fit, "A profile")
    targets = _with_restricted(fit, _asked(fit, parameters), parameters) if restricted else _asked(fit, parameters)
    with one_blas_thread():
        paths = Paths(fit if restricted else by_maximum_likelihood(fit))
        return pd.DataFrame([_interval(paths, target, level) for target in targets])


def _asked(fit: MixedModelFit, parameters: Sequence[str] | str | None) -> list[Target]:
    known = targets_of(fit)
    if parameters is None:
        return known
    found: dict[str, Target] = {}
    for wanted in [parameters] if isinstance(parameters, str) else parameters:
        meant = {one.name: one for one in named(known, wanted)}
        if not meant:
            names = dict.fromkeys([*(one.owner for one in known), *(one.name for one in known)])
            raise ModelError(f"The model {fit.formula!r} has no parameter {wanted!r} ({spell_check(wanted, names)}).")
        found |= meant
    return list(found.values())


def _with_restricted(fit: MixedModelFit, targets: list[Target], parameters: Sequence[str] | str | None) -> list[Target]:
    """Those that a restricted likelihood is a function of."""
    coefficients = [one.name for one in targets if one.kind == COEFFICIENT]
    if fit.method != "REML" or (coefficients and parameters is not None):
        what = f"the coefficient {coefficients[0]!r}" if fit.method == "REML" else f"the fit of {fit.formula!r}"
        raise ModelError(
            f"There is no restricted likelihood of {what}: ask for deviations and correlations of a fit by REML, or "
            "leave out restricted=True."
        )
    return [one for one in targets if one.kind != COEFFICIENT]


def _interval(paths: Paths, target: Target, level: float) -> dict[str, object]:
    depth = float(norm.isf(0.5 * (1.0 - level)))
    path = paths.path_of(target)
    lower, upper = path.crossing(-1, depth), path.crossing(1, depth)
    return {
        "parameter": target.name,
        "kind": target.kind,
        "estimate": path.held.shown(path.top.value),
        "lower": path.held.shown(lower.value),
        "upper": path.held.shown(upper.value),
        "lower_limited": lower.limited,
        "upper_limited": upper.limited,
        "converged": path.converged and not np.isnan([lower.value, upper.value]).any(),
    }
