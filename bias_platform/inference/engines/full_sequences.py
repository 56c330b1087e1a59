"""Every option as a sequence of its own: the plain way, slow and right for any architecture.

The yardstick of the tests and the way out for models whose state cannot be shared (recurrent layers, windows shorter
than the prompt, attention without an explicit mask). Only sequences of one length go together, so nothing is padded.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from bias_platform.inference.engines.adapters_in_batch import AdaptedModel
from bias_platform.inference.engines.base import EngineStats, FloatArray, ScoredBatch
from bias_platform.inference.engines.chat_tokens import EncodedPrompts, full_lengths
from bias_platform.inference.engines.pass_limits import PassLimits
from bias_platform.inference.engines.shared_sequences import out_of_memory
from bias_platform.models.row_inputs import Inputs, joined, lengthened, shapes

_FEWEST_PROMPTS = 64
"""Prompts between two yields, or as many as fill some passes: sequences of equal length are looked for among them."""


class _Option(NamedTuple):
    place: int
    """of the prompt among the rows"""
    option: int


class WholeScorer:
    """Scores prompts by whole sequences.

    Args:
        model: reads.
        encoded: prompts and options.
        adapters: of each prompt.
        limits: of a pass.
        stats: counts passes and tokens.
        inputs: of each prompt, beside its tokens; None: nothing. With them, the model places its tokens itself.
    """

    def __init__(
        self,
        model: AdaptedModel,
        encoded: EncodedPrompts,
        adapters: list[str | None],
        limits: PassLimits,
        stats: EngineStats,
        inputs: Sequence[Inputs] | None = None,
    ) -> None:
        self._model, self._encoded, self._adapters = model, encoded, adapters
        self._limits, self._stats, self._inputs = limits, stats, inputs

    def score(self, rows: Sequence[int]) -> Iterator[ScoredBatch]:
        """Yields every row, scored or, for want of memory, failed."""
        groups: dict[tuple[int, str | None], list[int]] = {}
        for row in rows:
            key = (self._encoded.tree_of[row], self._model.pass_key(self._adapters[row]))
            groups.setdefault(key, []).append(row)
        size = max(_FEWEST_PROMPTS, self._limits.pass_tokens // _FEWEST_PROMPTS)
        for members in groups.values():
            for start in range(0, len(members), size):
                yield from self._score_chunk(members[start : start + size])

    def _score_chunk(self, rows: list[int]) -> Iterator[ScoredBatch]:
        """For want of memory in smaller batches; if single sequences are too long, each prompt by itself."""
        shortest = min(min(full_lengths(self._encoded, row)) for row in rows)
        while True:
            try:
                yield ScoredBatch(rows, self.scores(rows))
                return
            except torch.OutOfMemoryError:
                if self._limits.pass_tokens < 2 * shortest:
                    break
                self._limits.shrink(self._limits.pass_tokens)
                self._stats.halved_batches += 1
        if len(rows) == 1:
            yield out_of_memory(self._encoded.prompts, rows)
        else:
            for row in rows:
                yield from self._score_chunk([row])

    @torch.inference_mode()
    def scores(self, rows: Sequence[int]) -> FloatArray:
        """Scores of prompts with the same options, len(rows) x options.

        Raises:
            torch.OutOfMemoryError: a pass was too large.
        """
        tree = self._encoded.trees[self._encoded.tree_of[rows[0]]]
        scores = np.zeros((len(rows), tree.weights.shape[1]))
        for batch in self._batches(rows):
            for (place, option), values in zip(batch, self._read_batch(rows, batch), strict=True):
                weights = tree.weights[tree.weights[:, option] > 0, option]
                scores[place, option] = float(values @ weights)
        return scores

    def _batches(self, rows: Sequence[int]) -> Iterator[list[_Option]]:
        alike: dict[tuple[int, Any], list[_Option]] = {}
        for place, row in enumerate(rows):
            shape = shapes(self._inputs[row]) if self._inputs else ()
            for option, length in enumerate(full_lengths(self._encoded, row)):
                alike.setdefault((length, shape), []).append(_Option(place, option))
        for (length, _), members in sorted(alike.items(), key=lambda group: -group[0][0]):
            size = max(1, self._limits.pass_tokens // length)
            for start in range(0, len(members), size):
                yield members[start : start + size]

    def _read_batch(self, rows: Sequence[int], batch: list[_Option]) -> Iterator[FloatArray]:
        sequences, kept = [], []
        for place, option in batch:
            tokens = self._encoded.option_tokens[self._encoded.tree_of[rows[place]]][option]
            sequences.append(np.concatenate([self._encoded.prompts[rows[place]], np.array(tokens, dtype=np.int32)]))
            kept.append(len(tokens))
        self._stats.forward_passes += 1
        self._stats.sent_tokens += sum(len(sequence) - 1 for sequence in sequences)
        adapters = [self._adapters[rows[place]] for place, _ in batch]
        ids = torch.from_numpy(np.stack(sequences).astype(np.int64)).to(self._model.device)
        inputs = self._inputs_of([rows[place] for place, _ in batch], ids.shape[1] - 1)
        return _last_log_probabilities(self._model, adapters, ids, kept, inputs)

    def _inputs_of(self, rows: list[int], tokens: int) -> Inputs:
        if self._inputs:
            return joined([lengthened(self._inputs[row], tokens) for row in rows], self._model.device)
        return {"position_ids": torch.arange(tokens, device=self._model.device).expand(len(rows), -1)}


def _last_log_probabilities(
    model: AdaptedModel, adapters: Sequence[str | None], ids: torch.Tensor, kept: Sequence[int], inputs: Inputs
) -> Iterator[FloatArray]:
    """Of each sequence, the log-probabilities of its last tokens.

    Args:
        model: reads.
        adapters: of each sequence.
        ids: sequences x tokens, none padded.
        kept: how many tokens of each sequence, at its end.
        inputs: other arguments of the model.
    """
    most = max(kept)
    logits = model(adapters, input_ids=ids[:, :-1], use_cache=False, logits_to_keep=most, **inputs).logits
    values = logits[:, -most:].float().log_softmax(dim=-1)
    picked: npt.NDArray[np.float64] = values.gather(-1, ids[:, -most:, None])[..., 0].cpu().numpy().astype(np.float64)
    return (picked[row, most - count :] for row, count in enumerate(kept))
