"""Contrasts that know their weights on the fixed effects, and tables of them with degrees of freedom of their own."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.degrees_of_freedom import DegreesOfFreedom, small_sample_tests
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.estimates import LINK, RESPONSE, Estimates, EstimateSet
from bias_platform.statistics.families import NONE
from bias_platform.statistics.mixed_model_fit import MixedModelFit
from bias_platform.statistics.response import GAUSSIAN
from bias_platform.statistics.small_sample import SmallSampleTests


def fixed_contrasts(fit: MixedModelFit, matrix: ArrayLike, labels: pd.DataFrame | Sequence[str]) -> EstimateSet:
    """Linear combinations of the fixed effects, on the link scale (if Gaussian, also as ``response``).

    Args:
        matrix: (k, p) weights in the order of ``fit.fixed_effects``.
        labels: a frame with one row a contrast, or one name each.

    Raises:
        ModelError: shapes that do not fit.

    >>> import numpy as np, pandas as pd
    >>> from bias_platform.statistics import fit_mixed_model, marginal_means
    >>> data = pd.DataFrame({"item": np.repeat(np.arange(30), 4), "persona": ["a", "b"] * 60})
    >>> data["margin"] = np.random.default_rng(0).normal(size=120)
    >>> fit = fit_mixed_model("margin ~ persona + (1 | item)", data, family="gaussian")
    >>> fixed_contrasts(fit, [[0, 1]], ["b - a"]).frame()["contrast"].tolist()
    ['b - a']
    """
    weights = np.atleast_2d(np.asarray(matrix, dtype=np.float64))
    effects = fit.fixed_effects["estimate"].to_numpy(dtype=np.float64)
    frame = labels if isinstance(labels, pd.DataFrame) else pd.DataFrame({"contrast": list(labels)})
    if weights.shape != (len(frame), len(effects)):
        raise ModelError(
            f"The contrast matrix has shape {weights.shape}, but {len(frame)} labels and the {len(effects)} fixed "
            f"effects of {fit.formula!r} need {(len(frame), len(effects))}."
        )
    found = Estimates(effects, fit.covariance.to_numpy(dtype=np.float64)).combined(weights)
    scales = dict.fromkeys([LINK, RESPONSE] if fit.family == GAUSSIAN else [LINK], found)
    return EstimateSet(frame.reset_index(drop=True), scales, weights)


def contrast_degrees_of_freedom(
    fit: MixedModelFit, contrasts: EstimateSet, df: DegreesOfFreedom | SmallSampleTests = "satterthwaite"
) -> FloatArray:
    """Degrees of freedom (k,) of estimates that know their weights on the fixed effects; NaN if not estimable.

    They go into ``contrasts.frame(degrees_of_freedom = ...)``; with Kenward and Roger's the covariance changes too, for
    which there is `contrast_table`.

    Args:
        contrasts: from `marginal_means` or `fixed_contrasts`, or made of these by `contrast`, `all_pairs` and so on.
        df: a method, or tests that were made before by `small_sample_tests`.

    Raises:
        ModelError: estimates that do not know their weights, or what the methods raise.

    >>> import numpy as np, pandas as pd
    >>> from bias_platform.statistics import fit_mixed_model, marginal_means
    >>> data = pd.DataFrame({"persona": np.repeat(np.arange(12), 10), "group": np.repeat(["a", "b", "c"], 40)})
    >>> rng = np.random.default_rng(0)
    >>> data["margin"] = rng.normal(0, 1, 12)[data["persona"]] + rng.normal(0, 1, 120)
    >>> fit = fit_mixed_model("margin ~ group + (1 | persona)", data, family="gaussian")
    >>> contrast_degrees_of_freedom(fit, marginal_means(fit, by="group")).round(3).tolist()
    [9.0, 9.0, 9.0]
    """
    tests = small_sample_tests(fit, df) if isinstance(df, str) else df
    return tests.degrees_of_freedom(_weights(contrasts))


def contrast_table(
    fit: MixedModelFit,
    contrasts: EstimateSet,
    df: DegreesOfFreedom | SmallSampleTests = "satterthwaite",
    *,
    level: float = 0.95,
    adjust: str = NONE,
    families: str | Sequence[str] = (),
    number_of_means: int | None = None,
) -> pd.DataFrame:
    """Contrasts of a Gaussian fit by REML, each with degrees of freedom of its own.

    Args:
        contrasts: as in `contrast_degrees_of_freedom`.
        df: a method, or tests that were made before by `small_sample_tests`; Kenward and Roger's have standard errors
            of their own.
        level, adjust, families, number_of_means: as in `EstimateSet.frame`.

    Returns:
        The columns of `EstimateSet.frame`, and ``df`` after ``standard_error``.

    Raises:
        ModelError: as in `contrast_degrees_of_freedom` and `EstimateSet.frame`.

    >>> import numpy as np, pandas as pd
    >>> from bias_platform.statistics import all_pairs, fit_mixed_model, marginal_means
    >>> data = pd.DataFrame({"persona": np.repeat(np.arange(12), 10), "group": np.repeat(["a", "b", "c"], 40)})
    >>> rng = np.random.default_rng(0)
    >>> data["margin"] = rng.normal(0, 1, 12)[data["persona"]] + rng.normal(0, 1, 120)
    >>> fit = fit_mixed_model("margin ~ group + (1 | persona)", data, family="gaussian")
    >>> table = contrast_table(fit, all_pairs(marginal_means(fit, by="group"), "group"), "kenward_roger", adjust="holm")
    >>> table["contrast"].tolist(), table["df"].round(3).tolist()
    (['b - a', 'c - a', 'c - b'], [9.0, 9.0, 9.0])
    """
    tests = small_sample_tests(fit, df) if isinstance(df, str) else df
    weights = _weights(contrasts)
    degrees = tests.degrees_of_freedom(weights)
    effects = fit.fixed_effects["estimate"].to_numpy(dtype=np.float64)
    lost = np.asarray(np.isnan(weights).any(axis=1))
    found = Estimates(effects, tests.covariance.to_numpy(dtype=np.float64)).combined(np.nan_to_num(weights))
    table = EstimateSet(contrasts.labels, {RESPONSE: found.without(lost)}).frame(
        level=level,
        degrees_of_freedom=degrees,
        adjust=adjust,
        families=families,
        number_of_means=number_of_means,
    )
    table.insert(contrasts.labels.shape[1] + 2, "df", degrees)
    return table


def _weights(contrasts: EstimateSet) -> FloatArray:
    if contrasts.fixed_weights is None:
        raise ModelError(
            "Degrees of freedom need the weights of the fixed effects, which these estimates do not know: make them "
            "from marginal_means(fit, by) or fixed_contrasts(fit, matrix, labels)."
        )
    return contrasts.fixed_weights
