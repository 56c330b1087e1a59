"""A batch as a whole gives what its prompts give one by one."""

import numpy as np
import pytest

from bias_platform.catalog.entries import OptionEntry, TaskEntry
from bias_platform.inference.batch_outcomes import batch_outcomes
from bias_platform.inference.engines.base import Failure, GeneratedBatch, Generation, ScoredBatch
from bias_platform.inference.outcomes import failed_outcome, scored_outcome, written_outcome

OPTIONS = ("Yes", "Maybe", "No")
TASK = TaskEntry(question="{content}", options=tuple(OptionEntry(value=value) for value in OPTIONS), positive=("Yes",))
IDS = [f"{number:032x}" for number in range(500)]
ITEMS = [f"item{number:05}" for number in range(500)]


def test_scores_in_bulk_are_scores_one_by_one() -> None:
    random = np.random.default_rng(0)
    scores = random.integers(-4, 0, (400, 3)).astype(np.float64)  # many ties
    scores[random.random((400, 3)) < 0.02] = np.nan
    scores[random.random((400, 3)) < 0.02] = -np.inf
    scores[random.random((400, 3)) < 0.02] = np.inf
    places = random.permutation(500)[:400].tolist()
    failure = Failure("too long: 9 tokens", transient=False)
    rest = [at for at in range(500) if at not in places][:3]
    made = batch_outcomes(ScoredBatch(places, scores, dict.fromkeys(rest, failure)), IDS, ITEMS, TASK)
    expected = [scored_outcome(IDS[at], ITEMS[at], row, OPTIONS) for at, row in zip(places, scores, strict=True)]
    expected += [failed_outcome(IDS[at], ITEMS[at], failure) for at in rest]
    assert len({outcome.outcome for outcome in expected}) == 3
    assert sum(outcome.outcome == "invalid" for outcome in expected) > 100
    for left, right in zip(made, expected, strict=True):
        np.testing.assert_array_equal(left.option_logprobs, right.option_logprobs)
        assert left._replace(option_logprobs=None) == right._replace(option_logprobs=None)


def test_nothing_but_failures() -> None:
    batch = ScoredBatch([], np.zeros((0, 0)), {2: Failure("refused: no", transient=True)})
    assert [(outcome.cell_id, outcome.transient) for outcome in batch_outcomes(batch, IDS, ITEMS, TASK)] == [
        (IDS[2], True)
    ]


def test_texts_are_parsed() -> None:
    written = [Generation("No", "stop", 9, 1), Generation("Well", "length", 8, 4)]
    made = batch_outcomes(GeneratedBatch([7, 3], written), IDS, ITEMS, TASK)
    assert made == [written_outcome(IDS[at], ITEMS[at], text, TASK) for at, text in zip((7, 3), written, strict=True)]
    assert [outcome.outcome for outcome in made] == ["answered", "truncated"]


def test_a_batch_that_does_not_add_up_is_a_bug() -> None:
    with pytest.raises(ValueError, match="zip"):
        batch_outcomes(ScoredBatch([0, 1], np.zeros((1, 3)) - 1), IDS, ITEMS, TASK)
