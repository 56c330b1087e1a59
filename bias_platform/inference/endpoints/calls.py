"""One thing asked of an endpoint, until it is answered or given up: pace, budget and repetitions.

There is no other place that repeats a request. A request that the endpoint found one too many is repeated without
costing an attempt, as that says nothing about the request; what could not be answered is repeated a few times.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from bias_platform.errors import BudgetError, UserError
from bias_platform.inference.endpoints.adaptive_concurrency import AdaptiveConcurrency
from bias_platform.inference.endpoints.circuit_breaker import CircuitBreaker
from bias_platform.inference.endpoints.clock import Clock
from bias_platform.inference.endpoints.connection import EndpointConnection
from bias_platform.inference.endpoints.endpoint import Endpoint
from bias_platform.inference.endpoints.gate import Gate
from bias_platform.inference.endpoints.replies import Json, read_json, usage_told
from bias_platform.inference.endpoints.request_outcomes import (
    REQUEST_ERRORS,
    CellFailed,
    RunStopped,
    Verdict,
    verdict_on,
)
from bias_platform.inference.engines.base import NO_USAGE, EngineStats, Failure, Usage
from bias_platform.inference.spending import Spending


class Patience(NamedTuple):
    """How long one goes on asking."""

    attempts: int = 6
    """of one call; with 30 % of all requests going wrong, 7 of 10,000 calls are given up"""
    rate_limited: int = 30
    """429s of one call"""
    first_backoff: float = 0.5
    """seconds before the first repetition; doubled with each, halved at random"""
    longest_backoff: float = 30.0
    longest_wait: float = 600.0
    """an endpoint that wants to be left alone for longer ends the run"""
    silence: float = 180.0
    """seconds without any good reply after which an endpoint is given up"""
    hold: float = 15.0
    """seconds without growth of the concurrency after a 429"""


class Need(NamedTuple):
    """A field of a request that an endpoint may not know or not allow, which no request of the run can do without."""

    field: str
    remedy: str
    """what the user can do then"""


class Call(NamedTuple):
    """One thing to ask."""

    path: str
    body: Callable[[], Mapping[str, Any]] | None
    """made when it is sent, may raise `CellFailed`; None: something is fetched"""
    read: Callable[[Json], Any]
    """makes the answer out of a reply; may raise `FaultyReply`, `CellFailed` or `RunStopped`"""
    most: Usage = NO_USAGE
    """what it may cost at most"""
    on_filter: Callable[[str], Any] | None = None
    """the answer when the endpoint's content filter took the prompt; None: it has failed for good"""
    tentative: bool = False
    """a refusal with any 4xx, or 501, is an answer: the endpoint knows no such thing"""
    need: Need | None = None
    """a refusal that names its field ends the run"""


class Given(NamedTuple):
    """A call's end."""

    value: Any
    """the answer, or a `Failure`"""


class Caller:
    """Makes calls over one connection. Belongs to one event loop.

    Args:
        connection: to the endpoint.
        endpoint: for messages.
        model: name of the model there.
        spending: is asked before every request and told after it.
        stats: counts requests and tokens.
        pace: kept from one caller to the next.
        patience: how long one goes on.
        clock: time.
    """

    def __init__(
        self,
        connection: EndpointConnection,
        *,
        endpoint: Endpoint,
        model: str,
        spending: Spending,
        stats: EngineStats,
        pace: AdaptiveConcurrency,
        patience: Patience,
        clock: Clock,
    ) -> None:
        self._connection, self._endpoint, self._model = connection, endpoint, model
        self._spending, self._stats, self._pace = spending, stats, pace
        self._patience, self._clock = patience, clock
        self._breaker = CircuitBreaker(clock, patience.silence)
        self._gate = Gate(lambda: 1 if self._breaker.doubtful else pace.limit, lambda: pace.pause, clock)
        self._random = random.Random(0)
        self._settled = asyncio.Event()
        self._sending: set[asyncio.Task[Any]] = set()
        self._calling: set[asyncio.Task[Any]] = set()
        self.stopped: UserError | None = None
        """why nothing more is asked"""
        self.usage = NO_USAGE
        """told by replies since it was last reset"""

    async def call(self, call: Call) -> Given | None:
        """Asks until there is an answer or a reason why there is none.

        Returns:
            None: it was not asked to the end, because the run is stopping; see `stopped`.
        """
        task = asyncio.current_task()
        assert task is not None
        self._calling.add(task)
        try:
            return await self._ask(call)
        except asyncio.CancelledError:
            if self.stopped is None:
                raise
            return None
        finally:
            self._calling.discard(task)

    async def ask_first(self, call: Call) -> Any:
        """Asks for something that must be known before the rest is asked.

        An endpoint that does not answer at all stops the run: to guess would be to ask in another way than before.

        Returns:
            the answer; None: the endpoint knows no such thing, or the run is stopping.
        """
        given = await self.call(call._replace(tentative=True))
        if given is None or not isinstance(given.value, Failure):
            return given and given.value
        if given.value.transient:
            title, variable = self._endpoint.title, self._endpoint.url_variable
            why = f"{title} does not answer: {given.value.detail}. Start it, mend {variable}, or try again later"
            self.stop(UserError(why))
        return None

    def stop(self, error: UserError) -> None:
        """Sends nothing more; what is under way may come back."""
        if self.stopped is None:
            self.stopped = error
            for task in self._calling - self._sending - {asyncio.current_task()}:
                task.cancel()

    async def _ask(self, call: Call) -> Given | None:
        attempts = limited = 0
        while self.stopped is None:
            ended = await self._attempt(call, repeated=attempts + limited > 0)
            if not isinstance(ended, Verdict):
                return ended
            limited += ended.action == "wait"
            attempts += ended.action == "again"
            if attempts >= self._patience.attempts or limited >= self._patience.rate_limited:
                return Given(Failure(f"{ended.detail} (after {attempts + limited} requests)", transient=True))
            if self.stopped is None:
                await self._clock.sleep(self._backoff(max(attempts, limited), ended.wait))
        return None

    async def _attempt(self, call: Call, *, repeated: bool) -> Given | Verdict | None:
        """One request; None: the run is stopping."""
        async with self._gate.passage():
            try:
                body = call.body() if call.body else None
            except CellFailed as error:
                return Given(error.failure)
            if not await self._reserve(call.most):
                return None
            self._stats.requests += 1
            self._stats.repeated_requests += repeated
            sent_at = self._clock.now()
            ended = await self._exchange(call, body)
            if isinstance(ended, Verdict):
                return self._judged(call, ended, sent_at)
            self._pace.succeeded()
            if not call.tentative:
                self._breaker.good()
            if isinstance(ended, RunStopped):
                self.stop(UserError(str(ended)))
                return None
            return ended

    async def _exchange(self, call: Call, body: Mapping[str, Any] | None) -> Given | Verdict | RunStopped:
        """Sends, reads, and settles what it has cost, whatever comes of it."""
        used: Usage | None = None
        task = asyncio.current_task()
        assert task is not None
        self._sending.add(task)
        try:
            reply = read_json(*await self._connection.send(call.path, body))
            used = usage_told(reply)
            return Given(call.read(reply))
        except CellFailed as error:
            return Given(error.failure)
        except RunStopped as error:
            return error
        except REQUEST_ERRORS as error:
            verdict = verdict_on(error, self._endpoint, self._model, self._clock.date())
            used = used or (None if verdict.billed else NO_USAGE)
            return verdict
        finally:
            self._sending.discard(task)
            self._settle(call.most, used)

    def _settle(self, most: Usage, used: Usage | None) -> None:
        """What may be billed but was not told (None) counts whole towards the budget, and not as tokens used."""
        if used is None:
            self._spending.forfeit(most)
        else:
            self._spending.settle(most, used)
            self.usage = self.usage.plus(used)
            self._stats.full_tokens += used.input_tokens
            self._stats.sent_tokens += used.input_tokens - used.cached_tokens
            self._stats.written_tokens += used.output_tokens
        self._settled.set()

    async def _reserve(self, most: Usage) -> bool:
        """Sets money aside; while requests under way hold some that they may give back, waits for them."""
        while self.stopped is None:
            try:
                self._spending.reserve(most)
            except BudgetError as error:
                if not self._spending.in_flight:
                    self.stop(error)
                else:
                    self._settled.clear()
                    await self._settled.wait()
            else:
                return True
        return False

    def _judged(self, call: Call, verdict: Verdict, sent_at: float) -> Given | Verdict | None:
        """Tells pace and breaker; what is left to do: end with what is given, or ask again."""
        action, detail = verdict.action, verdict.detail
        if action == "wait":
            self._pace.rate_limited(sent_at, verdict.wait)
        elif action == "again":
            self._pace.failed()
        if call.tentative and (action in ("fail", "filter", "stop") or detail.startswith("HTTP 501")):
            return Given(Failure(detail, transient=False))
        if action == "filter" and call.on_filter is not None:
            self._breaker.good()
            return Given(call.on_filter(detail))
        why = self._why_stop(call, verdict)
        if why is not None:
            self.stop(UserError(why))
        if action == "stop":
            return None
        return Given(Failure(detail, transient=False)) if action in ("fail", "filter") else verdict

    def _why_stop(self, call: Call, verdict: Verdict) -> str | None:
        """The sentence for the user, if nothing more should be asked."""
        if verdict.action == "stop":
            return verdict.detail
        title, need = self._endpoint.title, call.need
        if verdict.action == "fail" and need is not None and need.field in verdict.detail:
            return f"{title} refuses `{need.field}` ({verdict.detail}); {need.remedy}"
        given_up = self._given_up(verdict)
        return (
            given_up and f"{title} is given up: {given_up}. What was answered is kept; look after it and run it again"
        )

    def _given_up(self, verdict: Verdict) -> str | None:
        if verdict.action in ("fail", "filter"):
            return self._breaker.refusal(verdict.detail)
        if verdict.wait is not None and verdict.wait > self._patience.longest_wait:
            return f"it asks to come back in {verdict.wait:,.0f} seconds ({verdict.detail})"
        return self._breaker.error(verdict.detail)

    def _backoff(self, repetition: int, wait: float | None) -> float:
        """Seconds; what the endpoint asks for, or longer with every repetition, at random between half and whole."""
        if wait is not None:
            return wait
        whole = min(self._patience.first_backoff * 2 ** (repetition - 1), self._patience.longest_backoff)
        return float(whole * (0.5 + 0.5 * self._random.random()))
