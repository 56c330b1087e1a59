"""Scores closed answers with a transformers model, reading every shared beginning once.

Three levels: a beginning that many prompts share (persona and template, then the instruction) is read by itself and its
keys and values kept; the rests of the prompts (the items) continue it in batches sorted by length; the options of a
prompt follow in the same pass as one small tree, each seeing only the prompt and itself. Beginnings may nest. In
float32 the scores agree with whole sequences to about 1e-6; the first questions of every load are scored both ways,
and a model for which they disagree is asked by whole sequences.

What a batch holds changes a score by rounding only: about 1e-6 in float32 and with 4-bit weights (measured on a random
1.4M Llama of ordinary and of wild weights). Not so with bitsandbytes' int8: rounding of activations to 8 bits turns it
into 0.004 (0.1 with wild weights), and where activations pass `llm_int8_threshold` the columns that stay in 16 bits are
chosen from the whole batch: 0.2, and 3 of 120 answers, between two batch sizes, whole sequences or not.
"""

import logging
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.errors import UserError
from bias_platform.inference.engines import shared_cache
from bias_platform.inference.engines.base import (
    EngineIdentity,
    EngineStats,
    Failure,
    FloatArray,
    LoadedModel,
    Prompt,
    ScoredBatch,
    Scoring,
)
from bias_platform.inference.engines.chat_tokens import ChatEncoder, EncodedPrompts
from bias_platform.inference.engines.full_sequences import full_lengths, score_full_sequences
from bias_platform.inference.engines.model_traits import ModelTraits, model_traits
from bias_platform.inference.engines.option_tree import OptionTree
from bias_platform.inference.engines.prefix_tree import PrefixNode, length_batches, plan_prefixes
from bias_platform.inference.engines.registry import EngineOrder, engine_identity
from bias_platform.inference.engines.repeated_prompts import find_repetitions
from bias_platform.models.loading import load_system

_LONG_SUFFIX = 2048
_CALL_COST = {"cpu": 64, "cuda": 1024}
"""What a forward pass costs beyond its tokens, in tokens: decides how small a shared beginning is worth a pass."""
_LARGEST_LOGITS = 1 << 27
"""Numbers in the logits of one pass (512 MB in float32)."""
_WHOLE_PROMPTS = 64
"""Prompts between two yields when sequences are read whole."""

_log = logging.getLogger(__name__)


def load_engine(order: EngineOrder) -> "TransformersEngine":
    """Loads the system and makes its engine."""
    return engine_on(load_system(order.system, dtype=order.settings.dtype), order.settings)


def engine_on(loaded: LoadedModel, settings: EngineSettings) -> "TransformersEngine":
    """An engine on a system that is in memory already."""
    return TransformersEngine(loaded, settings, engine_identity(settings, loaded.chat_template_hash))


class TransformersEngine:
    """A `Engine` on a loaded transformers or peft model.

    Args:
        loaded: the system.
        settings: `batch_tokens` bounds rows x padded columns of a pass.
        identity: made by the registry.
    """

    def __init__(self, loaded: LoadedModel, settings: EngineSettings, identity: EngineIdentity) -> None:
        self.identity = identity
        self.stats = EngineStats()
        self._model = loaded.model
        self._encoder = ChatEncoder(loaded.tokenizer)
        self._traits: ModelTraits = model_traits(loaded.model)
        self._batch_tokens = settings.batch_tokens
        self._shares: bool | None = None if self._traits.obstacle is None else False
        if self._traits.obstacle:
            self._note(self._traits.obstacle)
        loaded.model.eval()
        # bitsandbytes' int8 layers say in every pass, each of them, that they cast their input
        logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)

    def score_choices(
        self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]], scoring: Scoring
    ) -> Iterator[ScoredBatch]:
        """See `Engine.score_choices`. A prompt longer than the model's context fails, alone and for good."""
        encoded = self._encoder.encode(prompts, options, scoring)
        failures = self._too_long(encoded)
        if failures:
            yield ScoredBatch([], np.zeros((0, 0)), failures)
        rows = [row for row in range(len(encoded.prompts)) if row not in failures]
        self._count(encoded, rows)
        repetitions = find_repetitions(encoded, rows)
        for batch in self._score(encoded, repetitions.firsts):
            yield repetitions.spread(batch)

    def score_naive(
        self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]], scoring: Scoring
    ) -> Iterator[ScoredBatch]:
        """The same scores by whole sequences: the yardstick. Nothing is refused for its length."""
        encoded = self._encoder.encode(prompts, options, scoring)
        yield from self._score_whole(encoded, list(range(len(encoded.prompts))))

    def _too_long(self, encoded: EncodedPrompts) -> dict[int, Failure]:
        context = self._traits.context
        if context is None:
            return {}
        longest = [max(len(ids) for ids in options) - 1 for options in encoded.option_tokens]
        sizes = {row: len(ids) + longest[encoded.tree_of[row]] for row, ids in enumerate(encoded.prompts)}
        return {
            row: Failure(f"prompt too long: {size:,} tokens, the model's context holds {context:,}", transient=False)
            for row, size in sizes.items()
            if size > context
        }

    def _count(self, encoded: EncodedPrompts, rows: list[int]) -> None:
        self.stats.prompts += len(rows)
        for row in rows:
            self.stats.full_tokens += sum(full_lengths(encoded, row))

    def _score(self, encoded: EncodedPrompts, rows: list[int]) -> Iterator[ScoredBatch]:
        if not rows:
            return
        plan = plan_prefixes([encoded.prompts[row] for row in rows], self._call_cost(), _LONG_SUFFIX)
        trees = sum(encoded.trees[encoded.tree_of[row]].read_tokens for row in rows)
        self.stats.distinct_tokens += plan.distinct_tokens + trees
        whole = set(rows if not self._may_share(encoded, rows) else self._beyond_window(encoded, rows))
        if whole:
            yield from self._score_whole(encoded, [row for row in rows if row in whole])
        if len(whole) < len(rows):
            nodes = [
                PrefixNode(node.parent, node.depth, rows[node.exemplar], [rows[row] for row in node.rows])
                for node in plan.nodes
            ]
            yield from self._score_nodes(encoded, nodes, whole)

    def _may_share(self, encoded: EncodedPrompts, rows: list[int]) -> bool:
        if self._shares is None:
            self._shares = self._sharing_is_right(encoded, rows)
        return self._shares

    def _beyond_window(self, encoded: EncodedPrompts, rows: list[int]) -> list[int]:
        window = self._traits.window
        return [row for row in rows if max(full_lengths(encoded, row)) > window] if window else []

    def _call_cost(self) -> int:
        return _CALL_COST.get(self._model.device.type, _CALL_COST["cuda"])

    def _score_nodes(
        self, encoded: EncodedPrompts, nodes: Sequence[PrefixNode], left_out: set[int]
    ) -> Iterator[ScoredBatch]:
        """Depth first; on the way only the beginnings above the present node are held."""
        held: list[tuple[int, shared_cache.KeyValues | None]] = []
        for number, node in enumerate(nodes):
            while held and held[-1][0] != node.parent:
                held.pop()
            start = nodes[node.parent].depth if held else 0
            above = held[-1][1] if held else []
            prefix = self._extend(above, encoded.prompts[node.exemplar][start : node.depth], start)
            held.append((number, prefix))
            rows = [row for row in node.rows if row not in left_out]
            if prefix is None and rows:
                yield _out_of_memory(encoded, rows)
            elif prefix is not None:
                yield from self._score_rows(encoded, rows, node.depth, prefix)

    @torch.inference_mode()
    def _extend(self, above: shared_cache.KeyValues | None, tokens: Any, start: int) -> shared_cache.KeyValues | None:
        """The beginning prolonged; None for want of memory, here or above."""
        if not len(tokens) or above is None:
            return above
        self.stats.forward_passes += 1
        self.stats.sent_tokens += len(tokens)
        try:
            return shared_cache.extend(self._model, above, tokens, start)
        except torch.OutOfMemoryError:
            return None

    def _score_rows(
        self, encoded: EncodedPrompts, rows: list[int], depth: int, prefix: shared_cache.KeyValues
    ) -> Iterator[ScoredBatch]:
        for tree, members in _by_tree(encoded, rows):
            batches = length_batches(
                members,
                lambda row: len(encoded.prompts[row]) - depth,
                partial(self._rows_per_pass, tree),
                self._call_cost(),
            )
            for batch in batches:
                yield from self._score_batch(encoded, batch, tree, depth, prefix)

    def _rows_per_pass(self, tree: OptionTree, width: int) -> int:
        by_logits = _LARGEST_LOGITS // ((1 + tree.read_tokens) * self._traits.vocabulary)
        return max(1, min(self._batch_tokens // (width + tree.read_tokens), by_logits))

    def _score_batch(
        self, encoded: EncodedPrompts, rows: list[int], tree: OptionTree, depth: int, prefix: shared_cache.KeyValues
    ) -> Iterator[ScoredBatch]:
        """One pass; for want of memory, halves, one after the other, and smaller batches from then on."""
        rests = [encoded.prompts[row][depth:] for row in rows]
        try:
            scores = self._read(rests, tree, depth, prefix)
        except torch.OutOfMemoryError:
            scores = None
        if scores is not None:
            yield ScoredBatch(rows, scores)
        elif len(rows) == 1:
            yield _out_of_memory(encoded, rows)
        else:
            self._shrink(len(rows) * (max(map(len, rests)) + tree.read_tokens))
            middle = len(rows) // 2
            for half in (rows[:middle], rows[middle:]):
                yield from self._score_batch(encoded, half, tree, depth, prefix)

    @torch.inference_mode()
    def _read(self, rests: list[Any], tree: OptionTree, depth: int, prefix: shared_cache.KeyValues) -> FloatArray:
        batch = shared_cache.row_batch(rests, tree, depth, self._model)
        logits = shared_cache.read_rows(self._model, prefix, batch, 1 + tree.read_tokens)
        scores = shared_cache.option_scores(logits, tree)
        sent = sum(len(rest) for rest in rests) + len(rests) * tree.read_tokens
        self.stats.forward_passes += 1
        self.stats.sent_tokens += sent
        self.stats.padding_tokens += batch.ids.numel() - sent
        return scores

    def _shrink(self, tried: int) -> None:
        self._batch_tokens = max(1, tried // 2)
        self.stats.halved_batches += 1
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _score_whole(self, encoded: EncodedPrompts, rows: Sequence[int]) -> Iterator[ScoredBatch]:
        for _, members in _by_tree(encoded, rows):
            for start in range(0, len(members), _WHOLE_PROMPTS):
                chunk = members[start : start + _WHOLE_PROMPTS]
                try:
                    yield ScoredBatch(chunk, self._read_whole(encoded, chunk))
                except torch.OutOfMemoryError:
                    yield _out_of_memory(encoded, chunk)

    def _read_whole(self, encoded: EncodedPrompts, rows: list[int]) -> FloatArray:
        longest = max(max(full_lengths(encoded, row)) for row in rows)
        while True:
            try:
                with torch.inference_mode():
                    return score_full_sequences(self._model, encoded, rows, self._batch_tokens, self.stats)
            except torch.OutOfMemoryError:
                if self._batch_tokens < 2 * longest:
                    raise
                self._shrink(self._batch_tokens)

    @torch.inference_mode()
    def _sharing_is_right(self, encoded: EncodedPrompts, rows: list[int]) -> bool:
        """Scores the two shortest prompts with one set of options both ways."""
        shortest = sorted(rows, key=lambda row: len(encoded.prompts[row]))
        pair = [row for row in shortest if encoded.tree_of[row] == encoded.tree_of[shortest[0]]][:2]
        tree = encoded.trees[encoded.tree_of[pair[0]]]
        first, last = encoded.prompts[pair[0]], encoded.prompts[pair[-1]]
        alike = int((first == last[: len(first)]).cumprod().sum())
        depth = min(alike, max(1, len(first) // 2), len(first) - 1)
        uncounted, self.stats = self.stats, EngineStats()
        whole = score_full_sequences(self._model, encoded, pair, self._batch_tokens, self.stats)
        prefix = self._extend([], first[:depth], 0)
        if prefix is None:
            raise UserError("the graphics memory does not even hold one prompt; use a smaller or quantized system")
        shared = self._read([encoded.prompts[row][depth:] for row in pair], tree, depth, prefix)
        self.stats = uncounted
        off = float(np.abs(shared - whole).max())
        right = bool(np.all(np.abs(shared - whole) <= self._traits.tolerance * (1 + 0.1 * np.abs(whole))))
        if not right:
            self._note(f"whole sequences: with shared beginnings scores of this model differ by {off:.2g}")
        return right

    def _note(self, text: str) -> None:
        _log.warning("%s", text)
        self.stats.notes.append(text)


def _by_tree(encoded: EncodedPrompts, rows: Sequence[int]) -> Iterator[tuple[OptionTree, list[int]]]:
    groups: dict[int, list[int]] = {}
    for row in rows:
        groups.setdefault(encoded.tree_of[row], []).append(row)
    return ((encoded.trees[number], members) for number, members in groups.items())


def _out_of_memory(encoded: EncodedPrompts, rows: Sequence[int]) -> ScoredBatch:
    failures = {
        row: Failure(f"out of memory: a single prompt of {len(encoded.prompts[row]):,} tokens", transient=True)
        for row in rows
    }
    return ScoredBatch([], np.zeros((0, 0)), failures)
