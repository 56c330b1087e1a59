"""Writes answers to prompts whose beginnings have been read: their rests in one pass, then a token of each a pass.

Answers that are finished leave the batch. For want of memory a batch begins anew as two halves, one after the other:
every answer draws by a generator of its own, so it comes out the same.
"""

from collections.abc import Iterator
from typing import Any

import torch

from bias_platform.inference.engines import shared_cache
from bias_platform.inference.engines.adapters_in_batch import AdaptedModel
from bias_platform.inference.engines.base import EngineStats, GeneratedBatch
from bias_platform.inference.engines.pass_limits import PassLimits
from bias_platform.inference.engines.prefix_tree import length_batches
from bias_platform.inference.engines.prefix_walk import Reached
from bias_platform.inference.engines.shared_cache import Rows
from bias_platform.inference.engines.shared_sequences import Continued, memory_failure
from bias_platform.inference.engines.token_choice import TokenChooser
from bias_platform.inference.engines.writing_cache import WritingCache
from bias_platform.inference.engines.writing_order import Answer, WritingOrder

_LEAVING_SHARE = 0.25
"""Finished answers leave when they are this share of the batch: leaving copies the keys and values of all others."""


class SharedWriter:
    """Continues what a `PrefixWalk` reaches.

    Args:
        model: writes.
        tokenizer: turns tokens into text.
        order: what is asked.
        limits: of a pass.
        stats: counts passes and tokens.
    """

    def __init__(
        self, model: AdaptedModel, tokenizer: Any, order: WritingOrder, limits: PassLimits, stats: EngineStats
    ) -> None:
        self._model, self._tokenizer, self._order = model, tokenizer, order
        self._limits, self._stats = limits, stats

    def write(self, reached: Reached) -> Iterator[GeneratedBatch]:
        """Yields every prompt that was reached, continued or failed."""
        if reached.above is None:
            yield self._out_of_memory(reached.rows)
            return
        continued = Continued(reached.above, dict(zip(reached.rows, reached.places, strict=True)))
        groups: dict[str | None, list[int]] = {}
        for row in reached.rows:
            groups.setdefault(self._model.pass_key(self._order.adapters[row]), []).append(row)
        for members in groups.values():
            for batch in self._batches(members, continued):
                yield from self._write_batch(batch, continued)

    def _batches(self, rows: list[int], continued: Continued) -> Iterator[list[int]]:
        most, columns = max(self._order.longest[row] for row in rows), continued.above.columns
        return length_batches(
            rows,
            lambda row: len(continued.rest(self._order.prompts, row)),
            lambda width: self._limits.writers(columns + width, width, most),
            self._limits.call_cost * most,  # a batch more is a pass more for every token of its answers
        )

    def _write_batch(self, rows: list[int], continued: Continued) -> Iterator[GeneratedBatch]:
        open_rows = list(rows)
        try:
            for done in self._steps(rows, continued):
                open_rows = [row for row in open_rows if row not in {answer.row for answer in done}]
                yield finished_batch(done, self._tokenizer, self._stats)
            return
        except torch.OutOfMemoryError:
            self._stats.halved_batches += len(open_rows) > 1
        if len(open_rows) == 1:
            yield self._out_of_memory(open_rows)
            return
        most = max(len(self._order.prompts[row]) + self._order.longest[row] for row in open_rows)
        self._limits.shrink(len(open_rows) * most)
        middle = len(open_rows) // 2
        for half in (open_rows[:middle], open_rows[middle:]):
            yield from self._write_batch(half, continued)

    def _steps(self, rows: list[int], continued: Continued) -> Iterator[list[Answer]]:
        """Yields answers when they leave the batch."""
        answers = [Answer(row, self._order) for row in rows]
        chooser = TokenChooser(self._order.decoding, [self._order.seeds[row] for row in rows])
        present = list(range(len(rows)))
        logits, cache = self._begin(rows, continued)
        while present:
            tokens = chooser.choose(logits, present)
            for place, token in zip(present, tokens, strict=True):
                answers[place].add(token)
            done = [place for place in present if answers[place].finish]
            if len(done) >= _LEAVING_SHARE * len(present):
                yield [answers[place] for place in done]
                staying = [column for column, place in enumerate(present) if not answers[place].finish]
                present, tokens = [present[column] for column in staying], [tokens[column] for column in staying]
                cache.keep(staying)
            if present:
                logits = self._step([answers[place] for place in present], tokens, cache)

    @torch.inference_mode()
    def _begin(self, rows: list[int], continued: Continued) -> tuple[torch.Tensor, WritingCache]:
        """Logits of the first token of every answer, and what the answers continue."""
        rests = [continued.rest(self._order.prompts, row) for row in rows]
        asked = Rows(rests, [continued.places[row] for row in rows], [self._order.adapters[row] for row in rows])
        batch = shared_cache.row_batch(self._model, continued.above, asked)
        cache = shared_cache.continued_cache(continued.above, batch.places, keeps=True)
        logits = shared_cache.forward(self._model, batch, cache, keep=1)[:, -1]
        sent = sum(map(len, rests))
        self._stats.forward_passes += 1
        self._stats.sent_tokens += sent
        self._stats.padding_tokens += batch.ids.numel() - sent
        # a row's last token sees all there is of the row
        return logits, WritingCache(shared_cache.kept_layers(cache), batch.mask[:, 0, -1])

    @torch.inference_mode()
    def _step(self, answers: list[Answer], tokens: list[int], cache: WritingCache) -> torch.Tensor:
        """Logits of the token after `tokens`, one row each answer."""
        device = self._model.device
        # an answer that is finished and has not left goes on with whatever comes
        steps = max(len(answer.tokens) for answer in answers)
        positions = [
            len(self._order.prompts[answer.row]) + min(steps, self._order.longest[answer.row]) - 1 for answer in answers
        ]
        output = self._model(
            [self._order.adapters[answer.row] for answer in answers],
            input_ids=torch.tensor(tokens, device=device)[:, None],
            attention_mask=cache.step_mask(),
            position_ids=torch.tensor(positions, device=device)[:, None],
            past_key_values=cache.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        self._stats.forward_passes += 1
        return output.logits[:, -1]

    def _out_of_memory(self, rows: list[int]) -> GeneratedBatch:
        return GeneratedBatch([], [], {row: memory_failure(len(self._order.prompts[row])) for row in rows})


def finished_batch(answers: list[Answer], tokenizer: Any, stats: EngineStats) -> GeneratedBatch:
    """Finished answers as text."""
    stats.written_tokens += sum(answer.written for answer in answers)
    return GeneratedBatch([answer.row for answer in answers], [answer.generation(tokenizer) for answer in answers])
