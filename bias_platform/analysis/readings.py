"""How an answer is read: Yes or not, in two readings, or how far the scores of its options favour Yes."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logsumexp

from bias_platform.catalog.entries import TaskEntry
from bias_platform.schemas.results import LENIENT, PRIMARY, SCORED

FloatArray = NDArray[np.float64]
JUDGED = "judged"


class Reading(NamedTuple):
    """What a number is read off a question, and what two of them may differ by."""

    name: str
    column: str
    """Of `Answers.frame`."""
    largest: float
    """Difference between two questions at most: a whole answer, or no bound."""
    rounding: float
    """Differences below this are numerical noise."""

    @property
    def of_answers(self) -> bool:
        """Whether it reads answers (0/1 where judged), not scores."""
        return self.name != SCORED


READING = {
    PRIMARY: Reading(PRIMARY, "yes", 1.0, 1e-9),
    LENIENT: Reading(LENIENT, "lenient_yes", 1.0, 1e-9),
    SCORED: Reading(SCORED, "margin", np.inf, 1e-4),
}
"""Scores of the same question differ by about 1e-5 with the batch it was computed in."""


def outcome(rows: pd.DataFrame, reading: str) -> FloatArray:
    """(rows,) of `Answers.frame`: 0 or 1, or a margin; NaN where nothing was judged or scored."""
    values = rows[READING[reading].column].to_numpy(float)
    return np.where((rows["state"] == JUDGED).to_numpy(), values, np.nan) if READING[reading].of_answers else values


def option_margins(logprobs: pd.Series, task: TaskEntry) -> FloatArray:
    """log p(positive options) - log p(the other judgements) of each question; options set aside are on neither side.

    With summed log-probabilities these are log-odds of a positive answer, given that one of these options is the
    answer; with scores by token they are differences of scores. NaN where a question has no scores, where all
    probability is on one side, or where the task has no other judgement.

    Args:
        logprobs: an array in the order of the task's options, or missing, by question.
        task: what was asked.
    """
    margins = np.full(len(logprobs), np.nan)
    positive = [option in task.positive for option in task.option_values]
    rest = [option not in (*task.positive, *task.set_aside) for option in task.option_values]
    known = logprobs.notna().to_numpy()
    if not known.any() or not any(positive) or not any(rest):
        return margins
    scores = np.stack(logprobs[known].to_list()).astype(float)
    with np.errstate(invalid="ignore"):
        found = logsumexp(scores[:, positive], axis=1) - logsumexp(scores[:, rest], axis=1)
    margins[known] = np.where(np.isfinite(found), found, np.nan)
    return margins
