"""Writes answers to prompts whose beginnings have been read: their rests by passes of their own, then a token of every
answer a pass, whatever beginning it continues.

Answers that are finished leave the batch. For want of memory a batch begins anew as two halves, one after the other:
every answer draws by a generator of its own, so it comes out the same.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import torch

from bias_platform.inference.engines import shared_cache
from bias_platform.inference.engines.adapters_in_batch import AdaptedModel
from bias_platform.inference.engines.base import EngineStats, GeneratedBatch
from bias_platform.inference.engines.pass_limits import PassLimits
from bias_platform.inference.engines.prefix_tree import length_batches
from bias_platform.inference.engines.prefix_walk import Reached
from bias_platform.inference.engines.shared_cache import NOTHING, Rows
from bias_platform.inference.engines.shared_sequences import Continued, memory_failure
from bias_platform.inference.engines.token_choice import TokenChooser
from bias_platform.inference.engines.writing_cache import Begun, WritingCache
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

    def write(self, walk: Iterable[Reached]) -> Iterator[GeneratedBatch]:
        """Yields every prompt that is reached, continued or failed."""
        waiting: list[Begun] = []
        for reached in walk:
            if reached.above is None:
                yield self._out_of_memory(reached.rows)
                continue
            continued = Continued(reached.above, dict(zip(reached.rows, reached.places, strict=True)))
            for rows in self._batches(reached.rows, continued):
                begun = self._begin(rows, continued)
                if waiting and (begun is None or not self._go_together([*waiting, begun])):
                    yield from self._finish(waiting)
                    waiting = []
                    begun = begun or self._begin(rows, continued)
                if begun is None:
                    yield from self._begin_anew(rows)
                else:
                    waiting.append(begun)
        if waiting:
            yield from self._finish(waiting)

    def _batches(self, rows: list[int], continued: Continued) -> Iterator[list[int]]:
        groups: dict[str | None, list[int]] = {}
        for row in rows:
            groups.setdefault(self._model.pass_key(self._order.adapters[row]), []).append(row)
        for members in groups.values():
            most = max(self._order.longest[row] for row in members)
            together = self._limits.writers(continued.above.columns, most)
            yield from length_batches(
                members,
                lambda row: len(continued.rest(self._order.prompts, row)),
                lambda width, together=together: min(self._limits.rows(width), together),  # type: ignore[misc]
                self._limits.call_cost,
            )

    def _go_together(self, begun: list[Begun]) -> bool:
        """Whether memory holds these answers, and one adapter, or any mixture, may write them."""
        rows = [row for some in begun for row in some.rows]
        columns, most = max(some.columns for some in begun), max(self._order.longest[row] for row in rows)
        keys = {self._model.pass_key(self._order.adapters[row]) for row in rows}
        return len(rows) <= self._limits.writers(columns, most) and len(keys) == 1

    def _finish(self, begun: list[Begun]) -> Iterator[GeneratedBatch]:
        """Writes to the end; for want of memory, the answers that are not finished begin anew."""
        rows = [row for some in begun for row in some.rows]
        try:
            for done in self._steps(begun):
                rows = [row for row in rows if row not in {answer.row for answer in done}]
                yield finished_batch(done, self._tokenizer, self._stats)
        except torch.OutOfMemoryError:
            begun.clear()
        if rows:
            yield from self._begin_anew(rows)

    def _begin_anew(self, rows: list[int]) -> Iterator[GeneratedBatch]:
        """Halves of a batch for which memory did not suffice, from their first token."""
        if len(rows) == 1:
            yield self._out_of_memory(rows)
            return
        self._limits.shrink(len(rows) * max(len(self._order.prompts[row]) + self._order.longest[row] for row in rows))
        self._stats.halved_batches += 1
        middle = len(rows) // 2
        for half in (rows[:middle], rows[middle:]):
            begun = self._begin(half, Continued(NOTHING, dict.fromkeys(half, 0)))
            yield from self._begin_anew(half) if begun is None else self._finish([begun])

    def _steps(self, begun: list[Begun]) -> Iterator[list[Answer]]:
        """Yields answers when they leave the batch."""
        answers = [Answer(row, self._order) for some in begun for row in some.rows]
        chooser = TokenChooser(self._order.decoding, [self._order.seeds[answer.row] for answer in answers])
        present = list(range(len(answers)))
        logits = torch.cat([some.logits for some in begun])
        cache = WritingCache(begun)
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
    def _begin(self, rows: list[int], continued: Continued) -> Begun | None:
        """Reads the prompts; None for want of memory."""
        rests = [continued.rest(self._order.prompts, row) for row in rows]
        asked = Rows(rests, [continued.places[row] for row in rows], [self._order.adapters[row] for row in rows])
        try:
            batch = shared_cache.row_batch(self._model, continued.above, asked)
            cache = shared_cache.continued_cache(continued.above, batch.places, keeps=True)
            logits = shared_cache.forward(self._model, batch, cache, keep=1)[:, -1]
        except torch.OutOfMemoryError:
            return None
        sent = sum(map(len, rests))
        self._stats.forward_passes += 1
        self._stats.sent_tokens += sent
        self._stats.padding_tokens += batch.ids.numel() - sent
        # a row's last token sees all there is of the row
        return Begun(rows, logits, shared_cache.kept_layers(cache), batch.mask[:, 0, -1])

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
