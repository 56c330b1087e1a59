"""Scores of options from vllm: one request for every beginning of the options, each read on top of the cached prompt.

An option's log-probability is the sum over its tokens, and every token is predicted from the prompt and the tokens
before it. So the prompt, and the prompt with each beginning that some option continues, are sent as prompts of their
own, and of each the log-probabilities of exactly the tokens that continue it are taken (`logprob_token_ids`). Options
of one token, and any that are scored by their first, need one request; nothing is approximated for the others. vllm's
own scores of a prompt (`prompt_logprobs`) are the yardstick: they do not use the cache.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from bias_platform.inference.engines.base import Failure, FloatArray, ScoredBatch
from bias_platform.inference.engines.option_tree import OptionTree

_MOST_TOKENS = 128
"""vllm gives the log-probabilities of that many chosen tokens at most."""


class Beginning(NamedTuple):
    """What stands after the prompt, and which of the tree's scored tokens come next."""

    tokens: tuple[int, ...]
    places: tuple[int, ...]
    """positions in the tree's `targets`"""
    following: tuple[int, ...]
    """distinct ids of these"""


def beginnings(tree: OptionTree) -> list[Beginning]:
    """All beginnings of a tree's options, the empty one first; one with very many continuations is there repeatedly.

    >>> from bias_platform.inference.engines.option_tree import build_option_tree
    >>> tree = build_option_tree(("No", "Not me", "Not you"), [[5], [6, 7], [6, 8]], "mean")
    >>> [(each.tokens, each.following) for each in beginnings(tree)]
    [((), (5, 6)), ((6,), (7, 8))]
    """
    paths = [(), *(tuple(tree.tokens[seen].tolist()) for seen in tree.sees)]
    found = []
    for output, path in enumerate(paths):
        places = np.flatnonzero(tree.outputs == output)
        ids = list(dict.fromkeys(tree.targets[places].tolist()))
        for start in range(0, len(ids), _MOST_TOKENS):
            part = ids[start : start + _MOST_TOKENS]
            here = places[np.isin(tree.targets[places], part)]
            found.append(Beginning(path, tuple(here.tolist()), tuple(part)))
    return found


class Part(NamedTuple):
    """A request that gives a part of the scores of a prompt's options."""

    tokens: tuple[int, ...]
    """sent after the prompt's own"""
    parameters: Any
    """`vllm.SamplingParams`"""
    scores: Callable[[Any], FloatArray]
    """`vllm.RequestOutput` -> what it adds to each option's score"""


Parts = Callable[[OptionTree, Sequence[Sequence[int]]], list[Part]]
"""A tree and its options' ids -> the requests that score them."""


def parts_on_cache(tree: OptionTree, options: Sequence[Sequence[int]]) -> list[Part]:
    """One request a beginning; `options` are in the tree already."""
    return [
        Part(each.tokens, _one_token(logprob_token_ids=list(each.following)), partial(next_tokens, tree, each))
        for each in beginnings(tree)
    ]


def parts_of_whole_sequences(tree: OptionTree, options: Sequence[Sequence[int]]) -> list[Part]:
    """One request an option, whose prompt holds the option's tokens."""
    return [
        Part(tuple(ids), _one_token(prompt_logprobs=0), partial(_last_tokens, tree, option, ids))
        for option, ids in enumerate(options)
    ]


def _one_token(**wanted: Any) -> Any:
    from vllm import SamplingParams  # type: ignore[import-not-found]

    return SamplingParams(max_tokens=1, temperature=0.0, detokenize=False, **wanted)


def next_tokens(tree: OptionTree, beginning: Beginning, output: Any) -> FloatArray:
    """What the tokens after a beginning add to each option's score.

    Args:
        tree: of the options.
        beginning: that was sent after the prompt.
        output: vllm's, with the log-probabilities of `beginning.following`.
    """
    logprobs = output.outputs[0].logprobs[0]
    places = list(beginning.places)
    values = np.array([logprobs[int(token)].logprob for token in tree.targets[places]], dtype=np.float64)
    return values @ tree.weights[places]


def _last_tokens(tree: OptionTree, option: int, ids: Sequence[int], output: Any) -> FloatArray:
    last = output.prompt_logprobs[-len(ids) :]
    scores = np.zeros(tree.weights.shape[1])
    weights = tree.weights[tree.weights[:, option] > 0, option]
    scores[option] = np.array([each[token].logprob for each, token in zip(last, ids, strict=True)]) @ weights
    return scores


class PartialScores:
    """Adds up the parts of a prompt's scores.

    Args:
        parts: how many there are.
        options: of the prompt.
    """

    def __init__(self, parts: int, options: int) -> None:
        self._left = parts
        self._scores: FloatArray = np.zeros(options)

    def add(self, scores: FloatArray) -> FloatArray | None:
        """Takes a part; gives the sum when it was the last."""
        self._scores += scores
        self._left -= 1
        return self._scores if self._left == 0 else None


def scored_batches(results: Sequence[tuple[int, FloatArray | Failure]]) -> Iterator[ScoredBatch]:
    """Rows with their scores or failures as batches, one for each number of options."""
    failures = {row: result for row, result in results if isinstance(result, Failure)}
    widths: dict[int, list[tuple[int, FloatArray]]] = {}
    for row, result in results:
        if not isinstance(result, Failure):
            widths.setdefault(len(result), []).append((row, result))
    for members in widths.values():
        yield ScoredBatch([row for row, _ in members], np.stack([scores for _, scores in members]))
    if failures:
        yield ScoredBatch([], np.zeros((0, 0)), failures)
