"""Writes answers by transformers' own `generate`: slower, and right for any architecture and for pictures.

The yardstick of the tests and the way out for models whose state cannot be shared. Only prompts of one length go
together, so nothing is padded.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from bias_platform.inference.engines.adapters_in_batch import AdaptedModel
from bias_platform.inference.engines.base import EngineStats, GeneratedBatch
from bias_platform.inference.engines.pass_limits import PassLimits
from bias_platform.inference.engines.shared_generation import finished_batch
from bias_platform.inference.engines.shared_sequences import memory_failure
from bias_platform.inference.engines.token_choice import TokenChooser
from bias_platform.inference.engines.writing_order import Answer, WritingOrder
from bias_platform.models.row_inputs import Inputs, joined, shapes


class _Chosen(LogitsProcessor):
    """Leaves one token possible: the one our chooser takes."""

    def __init__(self, chooser: TokenChooser, answers: int) -> None:
        self._chooser, self._answers = chooser, range(answers)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        tokens = torch.tensor(self._chooser.choose(scores, self._answers), device=scores.device)
        return torch.full_like(scores, -torch.inf).scatter(1, tokens[:, None], 0.0)


class PlainWriter:
    """Continues prompts from their first token.

    Args:
        model: writes.
        tokenizer: turns tokens into text.
        order: what is asked.
        limits: of a pass.
        stats: counts tokens.
        inputs: of each row, beside its tokens; None: nothing.
    """

    def __init__(
        self,
        model: AdaptedModel,
        tokenizer: Any,
        order: WritingOrder,
        limits: PassLimits,
        stats: EngineStats,
        inputs: Sequence[Inputs] | None = None,
    ) -> None:
        self._model, self._tokenizer, self._order = model, tokenizer, order
        self._limits, self._stats = limits, stats
        self._inputs = inputs or [{}] * len(order.prompts)

    def write(self, rows: Sequence[int]) -> Iterator[GeneratedBatch]:
        """Yields every row, continued or, for want of memory, failed."""
        groups: dict[Any, list[int]] = {}
        for row in rows:
            key = (len(self._order.prompts[row]), self._order.longest[row], shapes(self._inputs[row]))
            groups.setdefault((*key, self._model.pass_key(self._order.adapters[row])), []).append(row)
        for (length, most, *_), members in sorted(groups.items(), key=lambda group: -group[0][0]):
            size = min(self._limits.writers(length, most), max(1, self._limits.batch_tokens // length))
            for start in range(0, len(members), size):
                yield from self._write_batch(members[start : start + size])

    def _write_batch(self, rows: list[int]) -> Iterator[GeneratedBatch]:
        """For want of memory, halves, one after the other, and smaller batches from then on."""
        try:
            answers = self._answers(rows)
        except torch.OutOfMemoryError:
            answers = []
        if answers:
            yield finished_batch(answers, self._tokenizer, self._stats)
        elif len(rows) == 1:
            yield GeneratedBatch([], [], {rows[0]: memory_failure(len(self._order.prompts[rows[0]]))})
        else:
            self._limits.shrink(len(rows) * (len(self._order.prompts[rows[0]]) + self._order.longest[rows[0]]))
            self._stats.halved_batches += 1
            middle = len(rows) // 2
            for half in (rows[:middle], rows[middle:]):
                yield from self._write_batch(half)

    @torch.inference_mode()
    def _answers(self, rows: list[int]) -> list[Answer]:
        prompts = np.stack([self._order.prompts[row] for row in rows]).astype(np.int64)
        ids = torch.from_numpy(prompts).to(self._model.device)
        chooser = TokenChooser(self._order.decoding, [self._order.seeds[row] for row in rows])
        with _plain_settings(self._model.transformers_model, self._order.stops):
            written = self._model.generate(
                [self._order.adapters[row] for row in rows],
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=self._order.longest[rows[0]],
                logits_processor=LogitsProcessorList([_Chosen(chooser, len(rows))]),
                **joined([self._inputs[row] for row in rows], self._model.device),
            )
        self._stats.sent_tokens += ids.numel()
        self._stats.forward_passes += written.shape[1] - ids.shape[1]
        answers = [Answer(row, self._order) for row in rows]
        for answer, tokens in zip(answers, written[:, ids.shape[1] :].tolist(), strict=True):
            for token in tokens:
                answer.add(token)
        return answers


@contextmanager
def _plain_settings(model: Any, stops: frozenset[int]) -> Iterator[None]:
    """Penalties and the like that come with a model are no part of what was declared."""
    own = model.generation_config
    ends = sorted(stops)
    model.generation_config = GenerationConfig(
        do_sample=False, eos_token_id=ends or None, pad_token_id=(ends or [0])[0]
    )
    try:
        yield
    finally:
        model.generation_config = own
