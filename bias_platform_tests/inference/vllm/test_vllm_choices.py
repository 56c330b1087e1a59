"""Which requests give the scores of which options."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bias_platform.inference.engines.base import Failure, Scoring
from bias_platform.inference.engines.option_tree import build_option_tree
from bias_platform.inference.engines.vllm_choices import PartialScores, beginnings, next_tokens, scored_batches

TOKENS = [[5], [6, 7, 8], [6, 7, 9], [10, 8]]
OPTIONS = ("a", "b", "c", "d")


def logprob(path: tuple[int, ...], token: int) -> float:
    """A distribution of its own after every beginning."""
    return -0.1 * (1 + sum(path)) - token / 7


def output(path: tuple[int, ...], ids: tuple[int, ...]) -> Any:
    """What vllm says after a beginning: of the asked tokens only, and of the one it would have written."""
    said = {token: SimpleNamespace(logprob=logprob(path, token)) for token in (*ids, 99)}
    return SimpleNamespace(outputs=[SimpleNamespace(logprobs=[said])])


@pytest.mark.parametrize("scoring", ["sum", "mean", "first-token"])
def test_parts_add_up_to_the_scores(scoring: Scoring) -> None:
    tokens = [[5], [6], [7], [8]] if scoring == "first-token" else TOKENS
    tree = build_option_tree(OPTIONS, tokens, scoring)
    parts = beginnings(tree)
    sums = PartialScores(len(parts), len(OPTIONS))
    said = [sums.add(next_tokens(tree, part, output(part.tokens, part.following))) for part in reversed(parts)]
    assert [scores is None for scores in said] == [True] * (len(parts) - 1) + [False]
    each = [[logprob(tuple(ids[:place]), ids[place]) for place in range(len(ids))] for ids in tokens]
    expected = [np.mean(values) if scoring == "mean" else np.sum(values) for values in each]
    np.testing.assert_allclose(said[-1], expected, rtol=1e-12)


def test_a_beginning_is_asked_once() -> None:
    parts = beginnings(build_option_tree(OPTIONS, TOKENS, "sum"))
    assert [part.tokens for part in parts] == [(), (6,), (6, 7), (10,)]
    assert [part.following for part in parts] == [(5, 6, 10), (7,), (8, 9), (8,)]


def test_options_of_one_token_are_one_request() -> None:
    assert len(beginnings(build_option_tree(OPTIONS, [[5], [6], [7], [8]], "sum"))) == 1


def test_more_continuations_than_vllm_tells_at_once_are_asked_in_turns() -> None:
    tokens = [[number] for number in range(300)]
    tree = build_option_tree([str(number) for number in range(300)], tokens, "sum")
    parts = beginnings(tree)
    assert [len(part.following) for part in parts] == [128, 128, 44]
    total = sum(next_tokens(tree, part, output((), part.following)) for part in parts)
    np.testing.assert_allclose(total, [logprob((), number) for number in range(300)])


def test_results_become_batches_of_equal_width() -> None:
    failure = Failure("vllm gave up: abort", True)
    batches = list(scored_batches([(3, np.zeros(2)), (1, np.ones(4)), (0, failure), (2, np.ones(2))]))
    assert [(batch.indices, batch.logprobs.shape, dict(batch.failures)) for batch in batches] == [
        ([3, 2], (2, 2), {}),
        ([1], (1, 4), {}),
        ([], (0, 0), {0: failure}),
    ]
