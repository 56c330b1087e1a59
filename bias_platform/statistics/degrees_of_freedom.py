"""Degrees of freedom that belong to a contrast and not to a unit, by the name of their method."""

from typing import Literal

from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.kenward_roger import kenward_roger
from bias_platform.statistics.mixed_model_fit import MixedModelFit
from bias_platform.statistics.satterthwaite import satterthwaite
from bias_platform.statistics.small_sample import KENWARD_ROGER, SATTERTHWAITE, SmallSampleTests

DegreesOfFreedom = Literal["satterthwaite", "kenward_roger"]
METHODS = {SATTERTHWAITE: satterthwaite, KENWARD_ROGER: kenward_roger}


def small_sample_tests(fit: MixedModelFit, method: str) -> SmallSampleTests:
    """Degrees of freedom and F tests by `satterthwaite` or `kenward_roger`.

    Args:
        fit: Gaussian, by REML.
        method: ``"satterthwaite"`` or ``"kenward_roger"``.

    Raises:
        ModelError: an unknown method, or what these functions raise.

    >>> import numpy as np, pandas as pd
    >>> from bias_platform.statistics import fit_mixed_model
    >>> data = pd.DataFrame({"item": np.repeat(np.arange(30), 4), "persona": ["a", "b"] * 60})
    >>> data["margin"] = np.random.default_rng(0).normal(0, 1, 30)[data["item"]] + np.tile([0.1, 0.5, 0.6, 0.2], 30)
    >>> fit = fit_mixed_model("margin ~ persona + (1 | item)", data, family="gaussian")
    >>> small_sample_tests(fit, "satterthwaite").degrees_of_freedom([0, 1]).round(3).tolist()
    [89.0]
    """
    if method not in METHODS:
        raise ModelError(f"Unknown degrees of freedom {method!r}: choose one of {', '.join(METHODS)}.")
    return METHODS[method](fit)
