"""How an answer is read off scores."""

import numpy as np

from bias_platform.inference.engines.base import Failure
from bias_platform.inference.outcomes import choose, failed_outcome, scored_outcome

OPTIONS = ("Yes", "Maybe", "No")


def test_the_highest_score_wins() -> None:
    assert choose(np.array([-3.0, -1.0, -2.0]), OPTIONS) == ("answered", "Maybe", None)


def test_a_tie_is_no_answer() -> None:
    assert choose(np.array([-1.0, -2.0, -1.0]), OPTIONS) == ("invalid", None, "tie: Yes = No")


def test_a_tie_below_the_best_does_not_matter() -> None:
    assert choose(np.array([-2.0, -2.0, -1.0]), OPTIONS).answer == "No"


def test_numbers_that_are_none_are_a_failure() -> None:
    for bad in (np.nan, np.inf, -np.inf):
        assert choose(np.array([bad, -2.0, -1.0]), OPTIONS) == ("failed", None, "scores are not finite")


def test_outcomes_carry_what_they_came_from() -> None:
    scored = scored_outcome("c", "i", np.array([-1.0, -2.0, -3.0]), OPTIONS)
    assert (scored.cell_id, scored.item_id, scored.outcome, scored.answer, scored.transient) == (
        "c", "i", "answered", "Yes", False,
    )  # fmt: skip
    failed = failed_outcome("c", "i", Failure("out of memory: 7 tokens", transient=True))
    assert (failed.outcome, failed.answer, failed.option_logprobs, failed.transient) == ("failed", None, None, True)
