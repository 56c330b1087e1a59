"""How answers count in each statistic, by the report's policy for those that are not valid."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bias_platform.analysis.agreements.answer_matrix import AnswerMatrix, CodeArray
from bias_platform.analysis.agreements.inputs import AgreementInputs
from bias_platform.catalog.entries import TaskEntry
from bias_platform.schemas.results_of_agreement import BANDS
from bias_platform.statistics import PairwiseAlphas, benchmark_band, membership_probabilities, pairwise_alphas

DROP, AS_CATEGORY = "drop", "as_category"
NO_VALID_ANSWER = "(no valid answer)"
ONE_CATEGORY, NO_ITEM = "only one answer occurs", "fewer than two items to compare"


@dataclass(frozen=True)
class Counting:
    """What the statistics are told."""

    categories: int
    """Codes below it are categories of alpha."""
    invalid: str
    """Of the paired test: `drop` or `as_category` for codes from there up."""
    level: str
    confidence: float

    @property
    def of_alpha(self) -> dict[str, Any]:
        """Arguments of `pairwise_alphas`."""
        return {"categories": self.categories, "level": self.level, "confidence": self.confidence}

    @property
    def of_test(self) -> dict[str, Any]:
        """Arguments of `paired_alpha_tests`."""
        return {"categories": self.categories, "invalid": self.invalid, "level": self.level}


def categories_of(task: TaskEntry, level: str) -> tuple[str, ...]:
    """The answers that are categories: all options; on a scale only those that are a judgement, in their order."""
    return tuple(value for value in task.option_values if level == "nominal" or value not in task.set_aside)


def counting_of(inputs: AgreementInputs, matrix: AnswerMatrix) -> Counting:
    """By the report's `bad_answers`: as a category they stand behind the others, so that none may be ordered."""
    settings = inputs.settings
    extra = int(settings.bad_answers == "category" and settings.level == "nominal")
    invalid = AS_CATEGORY if settings.bad_answers == "as-published" else DROP
    return Counting(len(matrix.answers) + extra, invalid, settings.level, settings.confidence)


def alpha_rows(base: CodeArray, columns: CodeArray, asked: Sequence[int], counting: Counting) -> pd.DataFrame:
    """One row a column: its alpha with the base, as the tables of alphas hold it.

    Args:
        base: (items,) codes.
        columns: (items, k) codes.
        asked: (k,) items that could have been compared.
        counting: how.
    """
    found = pairwise_alphas(base.astype(np.int64), columns.astype(np.int64), **counting.of_alpha)
    # where all agree the error is 0 whatever the number of items: the band is then that of the interval's lower end
    judged = np.where(found.standard_error == 0, found.lower, found.coefficient)
    reached = membership_probabilities(judged, found.standard_error)
    band = benchmark_band(judged, found.standard_error)
    with np.errstate(invalid="ignore", divide="ignore"):
        coverage = found.usable / np.asarray(asked, dtype=float)
    table = pd.DataFrame(
        {
            "items": found.usable,
            "coverage": coverage,
            "agreement": _raw_agreement(found),
            "chance": found.chance_agreement,
            "alpha": found.coefficient,
            "standard_error": found.standard_error,
            "lower": found.lower,
            "upper": found.upper,
            "band": [name or None for name in band],
            "reason": [
                "" if np.isfinite(value) else NO_ITEM if usable < 2 else ONE_CATEGORY
                for value, usable in zip(found.coefficient, found.usable, strict=True)
            ],
        }
    )
    for place, name in enumerate(BANDS[:-1]):
        table[name.replace(" ", "_")] = reached[:, place]
    return table


def _raw_agreement(found: PairwiseAlphas) -> npt.NDArray[Any]:
    """Without Krippendorff's correction for small samples: a share that can be counted."""
    usable = found.usable.astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        eps = 0.5 / usable
        share = (found.observed_agreement - eps) / (1.0 - eps)
    return np.where(usable > 0, np.clip(share, 0.0, 1.0), np.nan)
