"""Asks a transformers model, to score options or to write, reading every shared beginning once.

Three levels: beginnings that many prompts share (persona and template, then the instruction) are read by themselves,
those of one generation together, and their keys and values kept; the rests of the prompts (the items) continue them in
batches sorted by length, each row its own beginning; the options of a prompt follow in the same pass as one small tree,
each seeing only the prompt and itself, or the answer is written token by token. Beginnings may nest. Adapters are the
outermost level: what one reads is of no use to another, but their rows go in the same passes. In float32 the scores
agree with whole sequences to about 1e-6; the first questions of every load are scored both ways, and a model for which
they disagree is asked by whole sequences.

What a batch holds changes a score by rounding only: about 1e-6 in float32 and with 4-bit weights (measured on a random
1.4M Llama of ordinary and of wild weights). Not so with bitsandbytes' int8: rounding of activations to 8 bits turns it
into 0.004 (0.1 with wild weights), and where activations pass `llm_int8_threshold` the columns that stay in 16 bits are
chosen from the whole batch: 0.2, and 3 of 120 answers, between two batch sizes, whole sequences or not.
"""

import logging
from collections.abc import Iterator, Sequence

import numpy as np

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.errors import UserError
from bias_platform.inference.engines.adapters_in_batch import AdaptedModel
from bias_platform.inference.engines.base import (
    Decoding,
    EngineIdentity,
    EngineStats,
    GeneratedBatch,
    LoadedModel,
    Prompt,
    ScoredBatch,
    Scoring,
    TokenArray,
)
from bias_platform.inference.engines.chat_tokens import ChatEncoder, EncodedPrompts, full_lengths
from bias_platform.inference.engines.context_limits import longest_answers, too_long, without_room
from bias_platform.inference.engines.full_sequences import WholeScorer
from bias_platform.inference.engines.model_traits import ModelTraits, model_traits
from bias_platform.inference.engines.pass_limits import PassLimits
from bias_platform.inference.engines.picture_prompts import Asked, PicturePrompts, renumbered
from bias_platform.inference.engines.plain_generation import PlainWriter
from bias_platform.inference.engines.prefix_tree import PrefixNode, PrefixPlan, plan_prefixes
from bias_platform.inference.engines.prefix_walk import PrefixWalk
from bias_platform.inference.engines.registry import EngineOrder, engine_identity
from bias_platform.inference.engines.repeated_prompts import find_repetitions
from bias_platform.inference.engines.shared_generation import SharedWriter
from bias_platform.inference.engines.shared_sequences import SharedScorer
from bias_platform.inference.engines.sharing_check import SharingCheck, probe_options
from bias_platform.inference.engines.token_choice import seeds_of, stop_tokens
from bias_platform.inference.engines.vision_prompts import PictureReader
from bias_platform.inference.engines.writing_order import WritingOrder
from bias_platform.models.loading import load_system

_LONG_SUFFIX = 2048


def load_engine(order: EngineOrder) -> "TransformersEngine":
    """Loads the system and makes its engine."""
    return engine_on(load_system(order.system, dtype=order.settings.dtype), order.settings)


def engine_on(loaded: LoadedModel, settings: EngineSettings) -> "TransformersEngine":
    """An engine on a system that is in memory already. A peft model may hold several adapters, which prompts name."""
    return TransformersEngine(loaded, settings, engine_identity(settings, loaded.chat_template_hash))


class TransformersEngine:
    """A `Engine` on a loaded transformers or peft model.

    Args:
        loaded: the system; with a `processor`, if it reads pictures.
        settings: `batch_tokens` bounds rows x padded columns of a pass.
        identity: made by the registry.
    """

    def __init__(self, loaded: LoadedModel, settings: EngineSettings, identity: EngineIdentity) -> None:
        self.identity = identity
        self.stats = EngineStats()
        self._model = loaded.model
        self._asked = AdaptedModel(loaded.model)
        self._encoder = ChatEncoder(loaded.tokenizer)
        self._traits: ModelTraits = model_traits(loaded.model)
        self._limits = PassLimits(loaded.model.device.type, settings.batch_tokens, self._traits.vocabulary)
        self._sharing = SharingCheck(self._asked, self._traits, self._limits, self.stats)
        reader = PictureReader(getattr(loaded, "processor", None), self._encoder)
        self._pictures = PicturePrompts(self._asked, reader, self._encoder, self._traits, self._limits, self.stats)
        loaded.model.eval()
        # bitsandbytes' int8 layers say in every pass, each of them, that they cast their input
        logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)

    @property
    def adapters(self) -> tuple[str, ...]:
        """What a prompt may name as its adapter; empty: the system has none."""
        return self._asked.adapters

    def score_choices(
        self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]], scoring: Scoring
    ) -> Iterator[ScoredBatch]:
        """See `Engine.score_choices`. A prompt longer than the model's context fails, alone and for good."""
        adapters = self._asked.adapters_of(prompts)
        seen, unseen = _with_pictures(prompts)
        if seen:
            yield from self._pictures.score(Asked(prompts, adapters, seen), options, scoring)
        encoded = self._encoder.encode([prompts[row] for row in unseen], [options[row] for row in unseen], scoring)
        for batch in self._score_texts(encoded, [adapters[row] for row in unseen]):
            yield renumbered(batch, unseen) if seen else batch

    def score_naive(
        self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]], scoring: Scoring
    ) -> Iterator[ScoredBatch]:
        """The same scores by whole sequences: the yardstick, for text. Nothing is refused for its length."""
        adapters = self._asked.adapters_of(prompts)
        encoded = self._encoder.encode(prompts, options, scoring)
        yield from self._whole_scorer(encoded, adapters).score(range(len(encoded.prompts)))

    def generate(self, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[GeneratedBatch]:
        """See `Engine.generate`. An answer also ends where the model's context does; a prompt that leaves no room for
        one fails, alone and for good."""
        if decoding.allowed:
            raise UserError(
                "engine 'transformers' cannot hold a model to the allowed answers; set engine.structured to false, "
                "engine.ask to 'score', or engine.name to 'vllm'"
            )
        adapters, seeds = self._asked.adapters_of(prompts), seeds_of(prompts, decoding)
        stops = stop_tokens(self._asked.transformers_model, self._encoder)
        seen, unseen = _with_pictures(prompts)
        if seen:
            yield from self._pictures.write(Asked(prompts, adapters, seen), decoding, seeds, stops)
        ids = self._encoder.encode_prompts([prompts[row] for row in unseen])
        longest = longest_answers(ids, decoding, self._traits.context)
        order = WritingOrder(
            ids, [adapters[row] for row in unseen], [seeds[row] for row in unseen], longest, decoding, stops
        )
        for batch in self._write_texts(order):
            yield renumbered(batch, unseen) if seen else batch

    def _score_texts(self, encoded: EncodedPrompts, adapters: list[str | None]) -> Iterator[ScoredBatch]:
        failures = too_long(encoded, self._traits.context)
        if failures:
            yield ScoredBatch([], np.zeros((0, 0)), failures)
        rows = [row for row in range(len(encoded.prompts)) if row not in failures]
        self.stats.prompts += len(rows)
        self.stats.full_tokens += sum(sum(full_lengths(encoded, row)) for row in rows)
        ways = list(zip(encoded.tree_of, adapters, strict=True))
        repetitions = find_repetitions(encoded.prompts, ways, rows)
        if rows:
            for batch in self._score_distinct(encoded, repetitions.firsts, adapters):
                yield repetitions.spread(batch)

    def _score_distinct(
        self, encoded: EncodedPrompts, rows: list[int], adapters: list[str | None]
    ) -> Iterator[ScoredBatch]:
        plan = self._plan([encoded.prompts[row] for row in rows], [adapters[row] for row in rows])
        trees = sum(encoded.trees[encoded.tree_of[row]].read_tokens for row in rows)
        self.stats.distinct_tokens += plan.distinct_tokens + trees
        whole = self._to_be_read_whole(encoded, rows, adapters, {row: max(full_lengths(encoded, row)) for row in rows})
        if whole:
            yield from self._whole_scorer(encoded, adapters).score([row for row in rows if row in whole])
        scorer = SharedScorer(self._asked, encoded, adapters, self._limits, self.stats)
        if len(whole) < len(rows):
            for reached in self._walk(_with_rows(plan.nodes, rows, whole), encoded.prompts, adapters):
                yield from scorer.score(reached)

    def _write_texts(self, order: WritingOrder) -> Iterator[GeneratedBatch]:
        failures = without_room(order.prompts, self._traits.context)
        if failures:
            yield GeneratedBatch([], [], failures)
        rows = [row for row in range(len(order.prompts)) if row not in failures]
        self.stats.prompts += len(rows)
        self.stats.full_tokens += sum(len(order.prompts[row]) for row in rows)
        repetitions = find_repetitions(order.prompts, list(zip(order.adapters, order.seeds, strict=True)), rows)
        if rows:
            for batch in self._write_distinct(order, repetitions.firsts):
                yield repetitions.spread_generated(batch)

    def _write_distinct(self, order: WritingOrder, rows: list[int]) -> Iterator[GeneratedBatch]:
        plan = self._plan([order.prompts[row] for row in rows], [order.adapters[row] for row in rows])
        self.stats.distinct_tokens += plan.distinct_tokens
        lengths = {row: len(order.prompts[row]) + order.longest[row] for row in rows}
        whole = self._to_be_read_whole(probe_options(order.prompts), rows, order.adapters, lengths)
        tokenizer = self._encoder.tokenizer
        if whole:
            plain = PlainWriter(self._asked, tokenizer, order, self._limits, self.stats)
            yield from plain.write([row for row in rows if row in whole])
        writer = SharedWriter(self._asked, tokenizer, order, self._limits, self.stats)
        if len(whole) < len(rows):
            yield from writer.write(self._walk(_with_rows(plan.nodes, rows, whole), order.prompts, order.adapters))

    def _to_be_read_whole(
        self, encoded: EncodedPrompts, rows: list[int], adapters: list[str | None], lengths: dict[int, int]
    ) -> set[int]:
        """All rows if the model's state cannot be shared, else those longer than what some layer looks back."""
        if not self._sharing.allows(encoded, rows, adapters):
            return set(rows)
        window = self._traits.window
        return {row for row in rows if lengths[row] > window} if window else set()

    def _whole_scorer(self, encoded: EncodedPrompts, adapters: list[str | None]) -> WholeScorer:
        return WholeScorer(self._asked, encoded, adapters, self._limits, self.stats)

    def _plan(self, prompts: list[TokenArray], adapters: list[str | None]) -> PrefixPlan:
        numbers = {adapter: number for number, adapter in enumerate(dict.fromkeys(adapters))}
        groups = [numbers[adapter] for adapter in adapters]
        costs = self._limits.node_cost, 2 * self._limits.call_cost
        return plan_prefixes(prompts, costs[0], _LONG_SUFFIX, groups=groups, level_cost=costs[1])

    def _walk(self, nodes: list[PrefixNode], prompts: list[TokenArray], adapters: list[str | None]) -> PrefixWalk:
        return PrefixWalk(self._asked, nodes, prompts, adapters, self._limits, self.stats, _LONG_SUFFIX)


def _with_pictures(prompts: Sequence[Prompt]) -> tuple[list[int], list[int]]:
    """Positions of the prompts with pictures, and of those without."""
    seen = [row for row, prompt in enumerate(prompts) if prompt.images]
    return seen, [row for row, prompt in enumerate(prompts) if not prompt.images]


def _with_rows(nodes: Sequence[PrefixNode], rows: list[int], left_out: set[int]) -> list[PrefixNode]:
    """Nodes of a plan of some rows, with these rows' own numbers."""
    return [
        PrefixNode(
            node.parent, node.depth, rows[node.exemplar], [rows[row] for row in node.rows if rows[row] not in left_out]
        )
        for node in nodes
    ]
