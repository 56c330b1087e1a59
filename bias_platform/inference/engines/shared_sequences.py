"""Scores options of prompts whose beginnings have been read: the rests and the options' tree in one pass."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from bias_platform.inference.engines import shared_cache
from bias_platform.inference.engines.adapters_in_batch import AdaptedModel
from bias_platform.inference.engines.base import EngineStats, Failure, FloatArray, ScoredBatch, TokenArray
from bias_platform.inference.engines.chat_tokens import EncodedPrompts
from bias_platform.inference.engines.option_tree import OptionTree
from bias_platform.inference.engines.pass_limits import PassLimits
from bias_platform.inference.engines.prefix_tree import length_batches
from bias_platform.inference.engines.prefix_walk import Reached
from bias_platform.inference.engines.shared_cache import Beginnings, Rows


class Continued(NamedTuple):
    """Prompts and the beginnings they continue."""

    above: Beginnings
    places: dict[int, int]
    """prompt -> which beginning"""

    def rest(self, prompts: list[TokenArray], row: int) -> TokenArray:
        """What of a prompt is still to be read."""
        return prompts[row][self.above.lengths[self.places[row]] :]


class SharedScorer:
    """Scores what a `PrefixWalk` reaches.

    Args:
        model: reads.
        encoded: prompts and options.
        adapters: of each prompt.
        limits: of a pass.
        stats: counts passes and tokens.
    """

    def __init__(
        self,
        model: AdaptedModel,
        encoded: EncodedPrompts,
        adapters: list[str | None],
        limits: PassLimits,
        stats: EngineStats,
    ) -> None:
        self._model, self._encoded, self._adapters = model, encoded, adapters
        self._limits, self._stats = limits, stats

    def score(self, reached: Reached) -> Iterator[ScoredBatch]:
        """Yields every prompt that was reached, scored or failed."""
        if reached.above is None:
            yield out_of_memory(self._encoded.prompts, reached.rows)
            return
        continued = Continued(reached.above, dict(zip(reached.rows, reached.places, strict=True)))
        groups: dict[tuple[int, str | None], list[int]] = {}
        for row in reached.rows:
            key = (self._encoded.tree_of[row], self._model.pass_key(self._adapters[row]))
            groups.setdefault(key, []).append(row)
        for (number, _), members in groups.items():
            yield from self._score_group(members, self._encoded.trees[number], continued)

    def _score_group(self, members: list[int], tree: OptionTree, continued: Continued) -> Iterator[ScoredBatch]:
        batches = length_batches(
            members,
            lambda row: len(continued.rest(self._encoded.prompts, row)),
            lambda width: self._limits.rows(width + tree.read_tokens, 1 + tree.read_tokens),
            self._limits.call_cost,
        )
        for batch in batches:
            yield from self._score_batch(batch, tree, continued)

    def _score_batch(self, rows: list[int], tree: OptionTree, continued: Continued) -> Iterator[ScoredBatch]:
        """One pass; for want of memory, halves, one after the other, and smaller batches from then on."""
        rests = [continued.rest(self._encoded.prompts, row) for row in rows]
        try:
            scores = self._read(rows, rests, tree, continued)
        except torch.OutOfMemoryError:
            scores = None
        if scores is not None:
            yield ScoredBatch(rows, scores)
        elif len(rows) == 1:
            yield out_of_memory(self._encoded.prompts, rows)
        else:
            self._limits.shrink(len(rows) * (max(map(len, rests)) + tree.read_tokens))
            self._stats.halved_batches += 1
            middle = len(rows) // 2
            for half in (rows[:middle], rows[middle:]):
                yield from self._score_batch(half, tree, continued)

    @torch.inference_mode()
    def _read(self, rows: list[int], rests: list[TokenArray], tree: OptionTree, continued: Continued) -> FloatArray:
        asked = Rows(rests, [continued.places[row] for row in rows], [self._adapters[row] for row in rows])
        batch = shared_cache.row_batch(self._model, continued.above, asked, tree)
        logits = shared_cache.read_rows(self._model, continued.above, batch, 1 + tree.read_tokens)
        scores = shared_cache.option_scores(logits, tree)
        sent = sum(map(len, rests)) + len(rests) * tree.read_tokens
        self._stats.forward_passes += 1
        self._stats.sent_tokens += sent
        self._stats.padding_tokens += batch.ids.numel() - sent
        return scores


def out_of_memory(prompts: list[TokenArray], rows: list[int]) -> ScoredBatch:
    """Failures of prompts for which memory does not suffice."""
    return ScoredBatch([], np.zeros((0, 0)), {row: memory_failure(len(prompts[row])) for row in rows})


def memory_failure(tokens: int) -> Failure:
    """Why a prompt of so many tokens was not read."""
    return Failure(f"out of memory: a single prompt of {tokens:,} tokens", transient=True)
