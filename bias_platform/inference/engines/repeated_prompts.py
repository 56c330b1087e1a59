"""Prompts that are the same tokens with the same options are asked once."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bias_platform.inference.engines.base import ScoredBatch
from bias_platform.inference.engines.chat_tokens import EncodedPrompts


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
        sources = [place for place, row in enumerate(batch.indices) for _ in range(1 + len(self.copies.get(row, ())))]
        rows = [other for row in batch.indices for other in (row, *self.copies.get(row, ()))]
        failures = {
            other: failure for row, failure in batch.failures.items() for other in (row, *self.copies.get(row, ()))
        }
        return ScoredBatch(rows, batch.logprobs[np.array(sources, dtype=np.int64)], failures)


def find_repetitions(encoded: EncodedPrompts, rows: Sequence[int]) -> Repetitions:
    """Groups equal rows."""
    seen: dict[tuple[bytes, int], int] = {}
    copies: dict[int, list[int]] = {}
    for row in rows:
        first = seen.setdefault((encoded.prompts[row].tobytes(), encoded.tree_of[row]), row)
        if first != row:
            copies.setdefault(first, []).append(row)
    return Repetitions(list(seen.values()), copies)
