"""Which examples are seen when, and how several of them become one padded array."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bias_platform.models.example_tokens import EncodedExamples

Indices = npt.NDArray[np.int64]
_WINDOW = 32
"""Batches whose examples are sorted by length together: little padding, still nearly random order."""


class TokenBatch(NamedTuple):
    """Examples padded on the right; arrays of shape (examples, longest)."""

    tokens: npt.NDArray[np.int64]
    real: npt.NDArray[np.bool_]
    """not padding"""
    answer: npt.NDArray[np.bool_]
    """answer and end-of-turn tokens"""


def collate(encoded: EncodedExamples, chosen: Indices, pad: int) -> TokenBatch:
    """Pads the chosen examples to the longest of them."""
    lengths = encoded.lengths[chosen]
    positions = np.arange(lengths.max())[None, :]
    real = positions < lengths[:, None]
    tokens = np.full(real.shape, pad, dtype=np.int64)
    tokens[real] = np.concatenate([encoded.tokens[index] for index in chosen])
    return TokenBatch(tokens, real, real & (positions >= encoded.answer_start[chosen][:, None]))


def another_of_group(groups: npt.NDArray[np.object_], rng: np.random.Generator) -> Indices:
    """For each row another row of its group, drawn at random; the row itself where it is alone.

    >>> another_of_group(np.array(["a", "b", "a"]), np.random.default_rng(0)).tolist()
    [2, 1, 0]
    """
    shuffled = rng.permutation(len(groups))
    order = shuffled[np.argsort(groups[shuffled], kind="stable")]
    first = np.r_[True, groups[order][1:] != groups[order][:-1]]
    starts = np.flatnonzero(first)
    following = np.roll(order, -1)
    following[np.r_[starts[1:] - 1, len(order) - 1]] = order[starts]  # a group's last row is followed by its first
    result = np.empty(len(groups), dtype=np.int64)
    result[order] = following
    return result


def fixed_size_batches(n: int, size: int, steps: int, rng: np.random.Generator) -> list[Indices]:
    """`steps` batches of `size` examples: passes over all `n` in random order, one after another.

    >>> [len(batch) for batch in fixed_size_batches(5, 3, 4, np.random.default_rng(0))]
    [3, 3, 3, 3]
    """
    passes = math.ceil(size * steps / n)
    order = np.concatenate([rng.permutation(n) for _ in range(passes)])
    return list(order[: size * steps].reshape(steps, size))


def token_batches(lengths: Indices, batch_tokens: int, epochs: float, rng: np.random.Generator) -> list[Indices]:
    """Batches of at most `batch_tokens` tokens (a longer example is a batch by itself), similar lengths together.

    Args:
        lengths: tokens of each example.
        batch_tokens: bound of the summed lengths of a batch.
        epochs: passes over the examples; 2.5 sees half of them a third time.
        rng: decides the order.
    """
    plan: list[Indices] = []
    while epochs > 1e-9:
        order = rng.permutation(len(lengths))[: max(round(len(lengths) * min(epochs, 1.0)), 1)]
        plan.extend(_one_pass(order, lengths, batch_tokens, rng))
        epochs -= 1
    return plan


def _one_pass(order: Indices, lengths: Indices, batch_tokens: int, rng: np.random.Generator) -> Iterator[Indices]:
    per_batch = max(batch_tokens // max(int(lengths[order].mean()), 1), 1)
    for start in range(0, len(order), per_batch * _WINDOW):
        window = order[start : start + per_batch * _WINDOW]
        batches = list(split_by_tokens(window[np.argsort(lengths[window], kind="stable")], lengths, batch_tokens))
        for index in rng.permutation(len(batches)):
            yield batches[index]


def split_by_tokens(order: Indices, lengths: Indices, batch_tokens: int) -> Iterator[Indices]:
    """Cuts an order of examples into runs of at most `batch_tokens` tokens each, none of them empty."""
    start, total = 0, 0
    for position, index in enumerate(order):
        total += int(lengths[index])
        if total > batch_tokens and position > start:
            yield order[start:position]
            start, total = position, int(lengths[index])
    yield order[start:]
