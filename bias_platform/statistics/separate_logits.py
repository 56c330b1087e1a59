"""An outcome with unordered categories by separate logits: each category against one baseline, a model of its own.

C. B. Begg and R. Gray (1984, Biometrika 71, 11-18): the separate models estimate the log-odds of the joint multinomial
one, at little loss where the baseline is common. Each has its own random effects, which do not covary.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bias_platform.statistics.errors import ModelError, spell_check
from bias_platform.statistics.formula import parse_formula
from bias_platform.statistics.laplace_mixed_model import StandardErrors
from bias_platform.statistics.mixed_model import fit_mixed_model
from bias_platform.statistics.mixed_model_fit import MixedModelFit


@dataclass(frozen=True)
class SeparateLogits:
    """The models, by category."""

    baseline: str
    fits: dict[str, MixedModelFit]
    """Log-odds of the category against the baseline, given that it is one of the two."""
    impossible: dict[str, str]
    """Why a category has no model, in one sentence."""


def fit_separate_logits(
    formula: str, data: pd.DataFrame, *, baseline: str, standard_errors: StandardErrors = "full"
) -> SeparateLogits:
    """Fit each category of an outcome against a baseline category.

    Args:
        formula: as in `fit_mixed_model`; the outcome is a column of categories.
        data: one row an answer.
        baseline: the category that all others are compared with.
        standard_errors: as in `fit_mixed_model`.

    Raises:
        ModelError: an outcome without the baseline, or with no other category. What is wrong with the model of one
            category alone stands in `SeparateLogits.impossible`.

    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> data = pd.DataFrame({"item": np.repeat(np.arange(60), 10), "group": ["a", "b"] * 300})
    >>> share = np.where(data["group"] == "a", 0.1, 0.3)
    >>> data["came"] = np.where(rng.random(600) < share, "refused", "answered")
    >>> found = fit_separate_logits("came ~ group + (1 | item)", data, baseline="answered")
    >>> bool(0.7 < found.fits["refused"].fixed_effects.loc["group[T.b]", "estimate"] < 1.9)
    True
    """
    response = parse_formula(formula).response
    if response not in data.columns:
        raise ModelError(f"The data has no column {response!r} ({spell_check(response, map(str, data.columns))}).")
    outcome = data[response].astype(object)
    if outcome.isna().any():
        raise ModelError(f"Column {response!r} has {int(outcome.isna().sum())} missing value(s): give them a category.")
    outcome = outcome.astype(str)
    categories = sorted(outcome.unique())
    if baseline not in categories or len(categories) < 2:
        raise ModelError(
            f"The outcome {response!r} needs the baseline {baseline!r} and at least one other category, but has "
            f"{', '.join(categories)}."
        )
    fits: dict[str, MixedModelFit] = {}
    impossible: dict[str, str] = {}
    for category in categories:
        if category == baseline:
            continue
        rows = outcome.isin([category, baseline])
        two = data.loc[rows].assign(**{response: (outcome[rows] == category).to_numpy(np.int8)})
        try:
            fits[category] = fit_mixed_model(formula, two, standard_errors=standard_errors)
        except ModelError as problem:
            impossible[category] = str(problem)
    return SeparateLogits(baseline, fits, impossible)
