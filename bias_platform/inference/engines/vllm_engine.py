"""Puts prompts to a system in vllm, offline, inside this process.

Prompts go in as the token ids every other engine uses. They are sent sorted, so that prompts with a common beginning
follow each other and vllm's prefix cache holds it; how options are scored on top of it is said in `vllm_choices`.

What happens when vllm fails: a single request it gives up on is a transient failure of that prompt. Want of memory is a
sentence for the user, since the next run would meet it again. Anything else ends the worker with its traceback, because
a vllm that has raised cannot be trusted with the next prompt; outcomes yielded before are kept, and whoever started the
worker decides about another try.
"""

import logging
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bias_platform.errors import UserError
from bias_platform.inference.engines.base import (
    Decoding,
    EngineIdentity,
    EngineStats,
    Failure,
    FloatArray,
    GeneratedBatch,
    Generation,
    Prompt,
    ScoredBatch,
    Scoring,
    TokenArray,
)
from bias_platform.inference.engines.chat_tokens import ChatEncoder, EncodedPrompts, full_lengths
from bias_platform.inference.engines.prefix_tree import plan_prefixes
from bias_platform.inference.engines.registry import EngineOrder, engine_identity
from bias_platform.inference.engines.repeated_prompts import find_repetitions
from bias_platform.inference.engines.vllm_choices import (
    PartialScores,
    Parts,
    parts_of_whole_sequences,
    parts_on_cache,
    scored_batches,
)
from bias_platform.inference.engines.vllm_decoding import LEAST_TEMPERATURE, sampling
from bias_platform.inference.engines.vllm_images import open_images, tokens_with_places
from bias_platform.inference.engines.vllm_loading import NO_ADAPTERS, LoadedVllm, load_vllm
from bias_platform.inference.engines.vllm_requests import Finished, Request, in_portions, run_requests

FIRST_TOKENS = "options scored by their first tokens"
WHOLE_OPTIONS = "options scored by all their tokens"
UNCACHED = "vllm keeps no prefix cache for this model: every prompt is read from its start"
WARMER = "vllm samples at temperature 0.01 where less is declared"

_NO_PLAN = 1 << 40
"""A pass that costs so much that no plan is made: only the distinct tokens are counted."""

_log = logging.getLogger(__name__)


def load_engine(order: EngineOrder, adapters: Mapping[str, Path] = NO_ADAPTERS) -> "VllmEngine":
    """Starts vllm on a system and makes its engine.

    Args:
        order: what to load and how to ask it.
        adapters: further adapters for the same base, by the name prompts call them.

    Raises:
        ModelLoadError: see `vllm_loading.load_vllm`.
    """
    loaded = load_vllm(order.system, order.settings, adapters)
    return VllmEngine(loaded, engine_identity(order.settings, loaded.chat_template_hash))


class VllmEngine:
    """A `Engine` on a running vllm. One call at a time: vllm's scores of chosen tokens allow no other requests beside.

    Args:
        loaded: the system in vllm.
        identity: made by the registry.
    """

    def __init__(self, loaded: LoadedVllm, identity: EngineIdentity) -> None:
        self.identity = identity
        self.stats = EngineStats()
        self._loaded = loaded
        self._encoder = ChatEncoder(loaded.tokenizer)
        if not loaded.llm.llm_engine.vllm_config.cache_config.enable_prefix_caching:
            _log.warning("%s", UNCACHED)
            self._note(UNCACHED)

    def score_choices(
        self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]], scoring: Scoring
    ) -> Iterator[ScoredBatch]:
        """See `Engine.score_choices`. A prompt longer than the model's context fails, alone and for good."""
        yield from self._score(prompts, options, scoring, parts_on_cache)

    def score_naive(
        self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]], scoring: Scoring
    ) -> Iterator[ScoredBatch]:
        """The same scores from vllm's own log-probabilities of whole sequences, without its cache: the yardstick."""
        yield from self._score(prompts, options, scoring, parts_of_whole_sequences)

    def generate(self, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[GeneratedBatch]:
        """See `Engine.generate`. An answer that reaches the end of the model's context ends there, by length."""
        adapters = self._adapters_of(prompts)
        if 0 < decoding.temperature < LEAST_TEMPERATURE:
            self._note(WARMER)
        tokens = self._tokens(prompts)
        failures = self._too_long([len(ids) for ids in tokens])
        if failures:
            yield GeneratedBatch([], [], failures)
        rows = [row for row in range(len(prompts)) if row not in failures]
        ways = [_way(prompt, decoding) for prompt in prompts]
        repetitions = find_repetitions(tokens, ways, rows)
        self._count(tokens, adapters, repetitions.firsts)
        self.stats.prompts += len(rows)
        self.stats.full_tokens += sum(len(tokens[row]) for row in rows)
        for some in in_portions(self._written(prompts, tokens, repetitions.firsts, decoding)):
            written = {row: result for row, result in some if isinstance(result, Generation)}
            failed = {row: result for row, result in some if isinstance(result, Failure)}
            yield repetitions.spread_generated(GeneratedBatch(list(written), list(written.values()), failed))

    def _tokens(self, prompts: Sequence[Prompt]) -> list[TokenArray]:
        shown = [prompt for prompt in prompts if prompt.images]
        if shown and not self._loaded.takes_images:
            raise UserError("a prompt shows a picture, and this system takes none; use a model that takes pictures")
        plain = iter(self._encoder.encode_prompts([prompt for prompt in prompts if not prompt.images]))
        with_places = iter(tokens_with_places(self._loaded.tokenizer, shown))
        return [next(with_places if prompt.images else plain) for prompt in prompts]

    def _adapters_of(self, prompts: Sequence[Prompt]) -> list[str | None]:
        """The adapter of each prompt; None: of the system as loaded."""
        known = self._loaded.adapters
        for name in {prompt.adapter for prompt in prompts}:
            if name is not None and name not in known:
                allowed = ", ".join(each for each in known if each) or "none; the system was loaded without adapters"
                raise UserError(f"adapter '{name}' is not among those of the loaded system (it has: {allowed})")
        return [prompt.adapter for prompt in prompts]

    def _score(
        self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]], scoring: Scoring, parts: Parts
    ) -> Iterator[ScoredBatch]:
        if any(prompt.images for prompt in prompts):
            raise UserError("engine 'vllm' scores no options of prompts with pictures; set engine.ask to 'generate'")
        adapters = self._adapters_of(prompts)
        encoded = self._encoder.encode(prompts, options, scoring)
        for tree in encoded.trees:
            self._note(WHOLE_OPTIONS if tree.read_tokens else FIRST_TOKENS)
        failures = self._too_long([max(full_lengths(encoded, row)) for row in range(len(prompts))])
        if failures:
            yield ScoredBatch([], np.zeros((0, 0)), failures)
        rows = [row for row in range(len(prompts)) if row not in failures]
        repetitions = find_repetitions(encoded.prompts, list(zip(encoded.tree_of, adapters, strict=True)), rows)
        self._count(encoded.prompts, adapters, repetitions.firsts)
        self.stats.prompts += len(rows)
        self.stats.full_tokens += sum(sum(full_lengths(encoded, row)) for row in rows)
        trees = (encoded.trees[encoded.tree_of[row]] for row in repetitions.firsts)
        self.stats.distinct_tokens += sum(tree.read_tokens for tree in trees)
        for some in in_portions(self._scored(encoded, adapters, repetitions.firsts, parts)):
            for batch in scored_batches(some):
                yield repetitions.spread(batch)

    def _scored(
        self, encoded: EncodedPrompts, adapters: Sequence[str | None], rows: Sequence[int], parts: Parts
    ) -> Iterator[list[tuple[int, FloatArray | Failure]]]:
        """Scores as they are complete; a prompt has failed with the first of its requests that has."""
        plans = [parts(tree, options) for tree, options in zip(encoded.trees, encoded.option_tokens, strict=True)]
        pending = {
            row: PartialScores(len(plans[encoded.tree_of[row]]), encoded.trees[encoded.tree_of[row]].weights.shape[1])
            for row in rows
        }
        requests = (
            self._request((row, place), encoded.prompts[row], part.parameters, adapters[row], part.tokens)
            for row in self._adjacent(encoded.prompts, adapters, rows)
            for place, part in enumerate(plans[encoded.tree_of[row]])
        )
        for finished in run_requests(self._loaded.llm, requests):
            self._count_pass(finished)
            results: list[tuple[int, FloatArray | Failure]] = []
            for each in finished:
                row, place = each.request.key
                if each.failure and pending.pop(row, None):
                    results.append((row, each.failure))
                elif row in pending:
                    scores = pending[row].add(plans[encoded.tree_of[row]][place].scores(each.output))
                    if scores is not None:
                        results.append((row, scores))
            yield results

    def _written(
        self, prompts: Sequence[Prompt], tokens: Sequence[TokenArray], rows: Sequence[int], decoding: Decoding
    ) -> Iterator[list[tuple[int, Generation | Failure]]]:
        """Answers as they end."""
        unreadable: list[tuple[int, Generation | Failure]] = []

        def requests() -> Iterator[Request]:
            for row in self._adjacent(tokens, [prompt.adapter for prompt in prompts], rows):
                parameters = sampling(decoding, prompts[row].seed, self._loaded.context - len(tokens[row]))
                request = self._request((row, 0), tokens[row], parameters, prompts[row].adapter)
                try:
                    yield request._replace(images=open_images(prompts[row].images))
                except OSError as error:
                    unreadable.append((row, Failure(f"picture unreadable: {error}", transient=False)))

        for finished in run_requests(self._loaded.llm, requests()):
            self._count_pass(finished)
            yield [(each.request.key[0], each.failure or self._generation(each)) for each in finished]
        yield unreadable

    def _generation(self, finished: Finished) -> Generation:
        """Text of the tokens, as every engine makes it; the token that ends an answer is none of it."""
        written = finished.output.outputs[0]
        ids = list(written.token_ids)
        kept = ids[:-1] if written.finish_reason == "stop" else ids
        text = self._loaded.tokenizer.decode(kept, skip_special_tokens=True)
        return Generation(text, written.finish_reason, len(finished.output.prompt_token_ids), len(ids))

    def _too_long(self, sizes: Sequence[int]) -> dict[int, Failure]:
        """vllm always writes a token, so a prompt must leave room for one."""
        held, declared = self._loaded.context, self._loaded.declared_context or 0
        failures = {}
        for row, size in enumerate(sizes):
            if size >= max(held, declared):
                detail = f"prompt too long: {size:,} tokens, the model's context holds {max(held, declared) - 1:,}"
                failures[row] = Failure(f"{detail} and the one that is written", transient=False)
            elif size >= held:
                detail = f"out of memory: a prompt of {size:,} tokens, {held:,} of the model's {declared:,} fit"
                failures[row] = Failure(detail, transient=True)
        return failures

    def _request(
        self,
        key: tuple[int, int],
        tokens: TokenArray,
        parameters: Any,
        adapter: str | None,
        more: Sequence[int] = (),
    ) -> Request:
        return Request(key, [*tokens.tolist(), *more], parameters, self._loaded.adapters.get(adapter))

    def _adjacent(self, tokens: Sequence[TokenArray], adapters: Sequence[str | None], rows: Sequence[int]) -> list[int]:
        """Rows in an order in which common beginnings follow each other, rows without an adapter first."""

        def key(row: int) -> tuple[bool, str, bytes]:
            adapted = self._loaded.adapters.get(adapters[row]) is not None
            return adapted, adapters[row] or "", tokens[row].astype(">u4").tobytes()  # such bytes sort like the tokens

        return sorted(rows, key=key)

    def _count(self, tokens: Sequence[TokenArray], adapters: Sequence[str | None], rows: Sequence[int]) -> None:
        """The distinct tokens of the prompts; adapters share none."""
        numbers = {adapter: number for number, adapter in enumerate(dict.fromkeys(adapters))}
        groups = [numbers[adapters[row]] for row in rows]
        plan = plan_prefixes([tokens[row] for row in rows], _NO_PLAN, _NO_PLAN, groups=groups)
        self.stats.distinct_tokens += plan.distinct_tokens

    def _count_pass(self, finished: Sequence[Finished]) -> None:
        self.stats.forward_passes += 1
        self.stats.sent_tokens += sum(each.sent_tokens for each in finished)
        self.stats.written_tokens += sum(each.written_tokens for each in finished)

    def _note(self, text: str) -> None:
        if text not in self.stats.notes:
            self.stats.notes.append(text)


def _way(prompt: Prompt, decoding: Decoding) -> tuple[Hashable, ...]:
    """All but its tokens that decides what is written to a prompt."""
    seed = prompt.seed if decoding.temperature > 0 else None
    return (prompt.adapter, seed, tuple(image.digest for image in prompt.images))
