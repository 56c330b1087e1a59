"""Prompts that are the same tokens, asked in the same way, are asked once."""

from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from bias_platform.inference.engines.base import Failure, GeneratedBatch, ScoredBatch, TokenArray


class Repetitions(NamedTuple):
    """Which rows stand for which."""

    firsts: list[int]
    """one row of each kind"""
    copies: dict[int, list[int]]
    """first row -> the other rows of its kind"""

    def spread(self, batch: ScoredBatch) -> ScoredBatch:
        """The batch with every scored or failed row repeated for its copies."""
        if not self.copies:
            return batch
        sources = np.array([place for place, row in enumerate(batch.indices) for _ in self._kind(row)], dtype=np.int64)
        return ScoredBatch(self._all(batch.indices), batch.logprobs[sources], self._failures(batch))

    def spread_generated(self, batch: GeneratedBatch) -> GeneratedBatch:
        """The batch with every written or failed row repeated for its copies."""
        if not self.copies:
            return batch
        pairs = zip(batch.indices, batch.generations, strict=True)
        generations = [generation for row, generation in pairs for _ in self._kind(row)]
        return GeneratedBatch(self._all(batch.indices), generations, self._failures(batch))

    def _kind(self, row: int) -> tuple[int, ...]:
        return (row, *self.copies.get(row, ()))

    def _all(self, rows: Iterable[int]) -> list[int]:
        return [other for row in rows for other in self._kind(row)]

    def _failures(self, batch: ScoredBatch | GeneratedBatch) -> dict[int, Failure]:
        return {other: failure for row, failure in batch.failures.items() for other in self._kind(row)}


def find_repetitions(prompts: Sequence[TokenArray], ways: Sequence[Hashable], rows: Iterable[int]) -> Repetitions:
    """Groups equal rows.

    Args:
        prompts: token ids.
        ways: all else that decides what comes of each prompt.
        rows: positions in both that are looked at.
    """
    seen: dict[tuple[bytes, Hashable], int] = {}
    copies: dict[int, list[int]] = {}
    for row in rows:
        first = seen.setdefault((prompts[row].tobytes(), ways[row]), row)
        if first != row:
            copies.setdefault(first, []).append(row)
    return Repetitions(list(seen.values()), copies)
