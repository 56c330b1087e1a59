"""Asks a model behind any OpenAI-compatible endpoint, with the official client.

Texts are written as everywhere. Options are scored by their first tokens only, from the log-probabilities of the
likeliest tokens that an endpoint tells: an option beyond those has no score, and its prompt fails for good. How fast
one may ask, what to do about replies that are none, and what may be spent is the business of `inference.endpoints` and
`inference.spending`. Corpus texts leave the machine here, unless the endpoint is on it: see `endpoint.leaves_machine`.
"""

from collections.abc import AsyncIterator, Generator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, closing

import numpy as np

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.errors import UserError, counted
from bias_platform.inference.endpoints.adaptive_concurrency import AdaptiveConcurrency
from bias_platform.inference.endpoints.call_stream import CallBatch, NumberedCall, Plan, stream_calls
from bias_platform.inference.endpoints.calls import Caller, Patience
from bias_platform.inference.endpoints.chat_calls import ChatCalls
from bias_platform.inference.endpoints.clock import Clock, SystemClock
from bias_platform.inference.endpoints.connection import EndpointConnection
from bias_platform.inference.endpoints.endpoint import DEFAULT_ENDPOINT, Endpoint, read_endpoint
from bias_platform.inference.engines.base import (
    NO_USAGE,
    Decoding,
    EngineIdentity,
    EngineStats,
    Failure,
    GeneratedBatch,
    Prompt,
    ScoredBatch,
    Scoring,
)
from bias_platform.inference.engines.registry import EngineOrder
from bias_platform.inference.spending import Spending


def load_engine(order: EngineOrder) -> "OpenAIEngine":
    """The engine of a system whose model is served; nothing is asked yet.

    Raises:
        UserError: the endpoint's address or key is missing, or the system has weights of its own.
    """
    source = order.system.source
    if source.kind != "api":
        raise UserError(
            f"system '{order.system.slug}' has its weights here; engine.name: openai asks models of kind api only"
        )
    endpoint = read_endpoint(source.endpoint or DEFAULT_ENDPOINT)
    return OpenAIEngine(endpoint, source.location, order.settings, order.identity, order.spending)


class OpenAIEngine:
    """A `Engine` on a served model.

    Args:
        endpoint: where it is served.
        model: its name there.
        settings: `concurrency` is the most requests at once, `timeout_seconds` the longest silence.
        identity: made by the registry.
        spending: asked before anything is bought.
        patience: how long one goes on asking.
        clock: time.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        model: str,
        settings: EngineSettings,
        identity: EngineIdentity,
        spending: Spending,
        *,
        patience: Patience = Patience(),  # noqa: B008 - a tuple
        clock: Clock | None = None,
    ) -> None:
        self.identity = identity
        self.stats = EngineStats()
        self._endpoint, self._model, self._settings = endpoint, model, settings
        self._spending, self._patience, self._clock = spending, patience, clock or SystemClock()
        self._pace = AdaptiveConcurrency(settings.concurrency, self._clock, hold=patience.hold)
        self._calls = ChatCalls(endpoint, model, settings.top_logprobs)

    def score_choices(
        self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]], scoring: Scoring
    ) -> Iterator[ScoredBatch]:
        """See `Engine.score_choices`; only the rule `first-token` can be had from an endpoint."""
        if scoring != "first-token":
            raise UserError(
                f"engine.scoring '{scoring}' needs the log-probabilities of given tokens, which an endpoint does not "
                "tell; use first-token, or engine.ask: generate"
            )
        self._refuse_adapters(prompts)
        kinds = dict(zip(map(tuple, options), prompts, strict=True))

        async def plan(caller: Caller) -> Iterable[NumberedCall]:
            if not await self._calls.prepare(caller, kinds):
                return ()
            pairs = enumerate(zip(prompts, options, strict=True))
            return (NumberedCall(number, self._calls.scoring(prompt, asked)) for number, (prompt, asked) in pairs)

        with closing(self._stream(plan if prompts else None)) as batches:
            for batch in batches:
                yield from _scored(batch)

    def generate(self, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[GeneratedBatch]:
        """See `Engine.generate`."""
        self._refuse_adapters(prompts)

        async def plan(caller: Caller) -> Iterable[NumberedCall]:
            if not await self._calls.prepare(caller, {}):
                return ()
            pairs = enumerate(prompts)
            return (NumberedCall(number, self._calls.writing(prompt, decoding)) for number, prompt in pairs)

        with closing(self._stream(plan if prompts else None)) as batches:
            for batch in batches:
                yield _generated(batch)

    def _refuse_adapters(self, prompts: Sequence[Prompt]) -> None:
        if any(prompt.adapter is not None for prompt in prompts):
            raise UserError(
                "an endpoint takes no adapter of ours; declare what it serves with one as a model of its own"
            )

    def _stream(self, plan: Plan | None) -> Generator[CallBatch, None, None]:
        """None: there is nothing to ask."""
        if plan is None:
            return
        with closing(stream_calls(self._opened, plan, most=2 * self._settings.concurrency)) as batches:
            try:
                for batch in batches:
                    self.stats.prompts += len(batch.answers)
                    yield batch
            finally:
                self.stats.notes[:] = self._notes()

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[Caller]:
        settings = self._settings
        async with EndpointConnection(
            self._endpoint, most=settings.concurrency, silence=settings.timeout_seconds
        ) as connection:
            yield Caller(
                connection,
                endpoint=self._endpoint,
                model=self._model,
                spending=self._spending,
                stats=self.stats,
                pace=self._pace,
                patience=self._patience,
                clock=self._clock,
            )

    def _notes(self) -> list[str]:
        pace, others = self._pace, [name for name in self._calls.served_as if name != self._model]
        notes = [f"up to {counted(pace.highest, 'request')} at once"]
        if pace.rate_limited_requests:
            notes.append(f"rate-limited {pace.rate_limited_requests:,} times, {pace.limit} at once at the end")
        if others:
            notes.append(f"the endpoint says it answered as {', '.join(others[:5])}")
        return notes


def _scored(batch: CallBatch) -> Iterator[ScoredBatch]:
    """One batch for each number of options; what it has cost is told with the first."""
    failures = {number: answer for number, answer in batch.answers if isinstance(answer, Failure)}
    good = [(number, answer) for number, answer in batch.answers if not isinstance(answer, Failure)]
    usage = batch.usage
    if failures or not good:
        yield ScoredBatch([], np.zeros((0, 0)), failures, usage)
        usage = NO_USAGE
    for width in sorted({len(answer) for _, answer in good}):
        same = [(number, answer) for number, answer in good if len(answer) == width]
        yield ScoredBatch([number for number, _ in same], np.array([answer for _, answer in same]), usage=usage)
        usage = NO_USAGE


def _generated(batch: CallBatch) -> GeneratedBatch:
    failures = {number: answer for number, answer in batch.answers if isinstance(answer, Failure)}
    good = [(number, answer) for number, answer in batch.answers if not isinstance(answer, Failure)]
    return GeneratedBatch([number for number, _ in good], [answer for _, answer in good], failures, batch.usage)
