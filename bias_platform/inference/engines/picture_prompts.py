"""Asks prompts with pictures: some at a time, so that only their pictures are in memory, and by whole sequences.

In the order in which they come, because prompts of one wording are of one length and go in one pass; a picture that
comes again is not decoded again. What the encoder makes of a picture is not kept: it is a sixth of a question's time in
a reference model, less in models of billions of weights, whose encoders are small beside what reads. A picture's tokens
cannot be shared, since the persona is read before them.
"""

import logging
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from bias_platform.inference.engines.adapters_in_batch import AdaptedModel
from bias_platform.inference.engines.base import (
    Decoding,
    EngineStats,
    Failure,
    GeneratedBatch,
    Prompt,
    ScoredBatch,
    Scoring,
)
from bias_platform.inference.engines.chat_tokens import ChatEncoder, full_lengths
from bias_platform.inference.engines.context_limits import longest_answers, too_long, without_room
from bias_platform.inference.engines.full_sequences import WholeScorer
from bias_platform.inference.engines.model_traits import ModelTraits
from bias_platform.inference.engines.pass_limits import PassLimits
from bias_platform.inference.engines.plain_generation import PlainWriter
from bias_platform.inference.engines.vision_prompts import PictureReader
from bias_platform.inference.engines.writing_order import WritingOrder
from bias_platform.models.picture_chats import SeenChat

_AT_ONCE = 512
_BYTES_AT_ONCE = 256 << 20
"""Prompts whose pictures are in memory together, and bytes of these as the model takes them."""
_NOTE = "prompts with pictures are read whole: nothing is shared among them"

_log = logging.getLogger(__name__)

Batch = TypeVar("Batch", ScoredBatch, GeneratedBatch)


class Asked(NamedTuple):
    """Prompts of a call, all of the same length as the lists beside them."""

    prompts: Sequence[Prompt]
    adapters: list[str | None]
    rows: list[int]
    """positions of the prompts with pictures"""


class PicturePrompts:
    """Scores and continues prompts with pictures.

    Args:
        model: a vision-language model.
        reader: turns pictures into what the model takes.
        encoder: of the same tokenizer; tells where options begin.
        traits: of the model.
        limits: of a pass.
        stats: counts passes and tokens.
    """

    def __init__(
        self,
        model: AdaptedModel,
        reader: PictureReader,
        encoder: ChatEncoder,
        traits: ModelTraits,
        limits: PassLimits,
        stats: EngineStats,
    ) -> None:
        self._model, self._reader, self._encoder = model, reader, encoder
        self._traits, self._limits, self._stats = traits, limits, stats

    def score(self, asked: Asked, options: Sequence[Sequence[str]], scoring: Scoring) -> Iterator[ScoredBatch]:
        """Yields every one of the rows, scored or failed."""
        for rows, seen, failures in self._read(asked):
            if failures:
                yield ScoredBatch([], np.zeros((0, 0)), failures)
            encoded = self._encoder.encode_read(
                [prompt.ids for prompt in seen],
                [prompt.text for prompt in seen],
                [options[row] for row in rows],
                scoring,
            )
            refused = too_long(encoded, self._traits.context)
            if refused:
                yield renumbered(ScoredBatch([], np.zeros((0, 0)), refused), rows)
            fitting = [place for place in range(len(rows)) if place not in refused]
            self._count([sum(full_lengths(encoded, place)) for place in fitting])
            adapters, inputs = [asked.adapters[row] for row in rows], [prompt.inputs for prompt in seen]
            scorer = WholeScorer(self._model, encoded, adapters, self._limits, self._stats, inputs)
            for batch in scorer.score(fitting):
                yield renumbered(batch, rows)

    def write(
        self, asked: Asked, decoding: Decoding, seeds: list[int | None], stops: frozenset[int]
    ) -> Iterator[GeneratedBatch]:
        """Yields every one of the rows, continued or failed."""
        for rows, seen, failures in self._read(asked):
            prompts = [prompt.ids for prompt in seen]
            refused = without_room(prompts, self._traits.context)
            if failures or refused:
                yield GeneratedBatch([], [], failures | {rows[place]: why for place, why in refused.items()})
            longest = longest_answers(prompts, decoding, self._traits.context)
            adapters = [asked.adapters[row] for row in rows]
            order = WritingOrder(prompts, adapters, [seeds[row] for row in rows], longest, decoding, stops)
            fitting = [place for place in range(len(rows)) if place not in refused]
            self._count([len(prompts[place]) for place in fitting])
            inputs = [prompt.inputs for prompt in seen]
            writer = PlainWriter(self._model, self._encoder.tokenizer, order, self._limits, self._stats, inputs)
            for batch in writer.write(fitting):
                yield renumbered(batch, rows)

    def _read(self, asked: Asked) -> Iterator[tuple[list[int], list[SeenChat], dict[int, Failure]]]:
        """Some rows that could be read, what they became, and those that could not."""
        self._reader.require_pictures()
        if _NOTE not in self._stats.notes:
            _log.info("%s", _NOTE)
            self._stats.notes.append(_NOTE)
        seen: dict[int, SeenChat] = {}
        failures: dict[int, Failure] = {}
        size = 0
        for row in asked.rows:
            made = self._reader.read(asked.prompts[row])
            if isinstance(made, Failure):
                failures[row] = made
            else:
                seen[row], size = made, size + sum(value.nbytes for value in made.inputs.values())
            if len(seen) + len(failures) >= _AT_ONCE or size >= _BYTES_AT_ONCE:
                yield list(seen), list(seen.values()), failures
                seen, failures, size = {}, {}, 0
        if seen or failures:
            yield list(seen), list(seen.values()), failures

    def _count(self, tokens: list[int]) -> None:
        self._stats.prompts += len(tokens)
        self._stats.full_tokens += sum(tokens)
        self._stats.distinct_tokens += sum(tokens)


def renumbered(batch: Batch, rows: Sequence[int]) -> Batch:
    """A batch about some of a call's prompts, with their positions in the call."""
    indices = [rows[place] for place in batch.indices]
    return batch._replace(indices=indices, failures={rows[place]: why for place, why in batch.failures.items()})
