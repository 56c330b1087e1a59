"""What an engine says about a batch of prompts becomes outcomes, filed under their cells."""

from collections.abc import Iterator, Sequence

import numpy as np

from bias_platform.catalog.entries import TaskEntry
from bias_platform.inference.engines.base import GeneratedBatch, ScoredBatch
from bias_platform.inference.outcomes import Outcome, failed_outcome, scored_outcome, written_outcome


def batch_outcomes(
    batch: ScoredBatch | GeneratedBatch, cell_ids: Sequence[str], item_ids: Sequence[str], task: TaskEntry
) -> list[Outcome]:
    """The outcomes of a batch, failures last.

    Args:
        batch: what the engine yielded.
        cell_ids: of all prompts the engine was given; a batch names some of them by position.
        item_ids: of the same prompts.
        task: its options were scored, or what was written is parsed as its answers.
    """
    if isinstance(batch, ScoredBatch):
        outcomes = _scored(batch, cell_ids, item_ids, task)
    else:
        outcomes = _written(batch, cell_ids, item_ids, task)
    failures = [failed_outcome(cell_ids[at], item_ids[at], failure) for at, failure in batch.failures.items()]
    return [*outcomes, *failures]


def _scored(batch: ScoredBatch, cell_ids: Sequence[str], item_ids: Sequence[str], task: TaskEntry) -> Iterator[Outcome]:
    """One comparison for the whole batch; ties and scores that are no numbers, which are rare, are told one by one."""
    if not batch.indices:
        return
    options, scores = task.option_values, batch.logprobs
    highest = scores.max(axis=1, keepdims=True)
    clear = np.isfinite(scores).all(axis=1) & ((scores == highest).sum(axis=1) == 1)
    best = scores.argmax(axis=1).tolist()
    for at, row, is_clear, choice in zip(batch.indices, scores, clear.tolist(), best, strict=True):
        if is_clear:
            yield Outcome(cell_ids[at], item_ids[at], "answered", options[choice], row)
        else:
            yield scored_outcome(cell_ids[at], item_ids[at], row, options)


def _written(
    batch: GeneratedBatch, cell_ids: Sequence[str], item_ids: Sequence[str], task: TaskEntry
) -> Iterator[Outcome]:
    for at, generation in zip(batch.indices, batch.generations, strict=True):
        yield written_outcome(cell_ids[at], item_ids[at], generation, task)
