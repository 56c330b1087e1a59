"""Many calls at once, their answers in batches: an event loop in a thread of its own, read by an ordinary iterator.

The loop goes on while the reader is busy (a ledger is written between two batches), so that no reply waits and none
times out for it. What is held does not grow with the number of calls: a bounded number is under way, and when the
reader is far behind, nothing new is begun. Whoever stops reading ends it: what is under way is cancelled.
"""

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, NamedTuple

from bias_platform.inference.endpoints.calls import Call, Caller
from bias_platform.inference.engines.base import NO_USAGE, Usage

_BATCH = 64
_SECONDS = 0.5
"""A batch is handed over when it is full or so old."""
_UNREAD_BATCHES = 16


class NumberedCall(NamedTuple):
    """A call, and which it is."""

    number: int
    call: Call


class CallBatch(NamedTuple):
    """Answers in the order they came."""

    answers: list[tuple[int, Any]]
    """number of the call, and its answer or a `Failure`"""
    usage: Usage
    """told since the last batch, by replies that were repeated as well"""


OpenCaller = Callable[[], AbstractAsyncContextManager[Caller]]
Plan = Callable[[Caller], Awaitable[Iterable[NumberedCall]]]


def stream_calls(open_caller: OpenCaller, plan: Plan, *, most: int) -> Generator[CallBatch, None, None]:
    """Makes all calls and yields their answers.

    Args:
        open_caller: opens the connection, inside the event loop.
        plan: may ask some things first, then says what all is to be asked; read as needed.
        most: calls under way at once, those included that wait for their turn.

    Raises:
        UserError: the run was stopped; what came before and what was still under way then has been yielded.
    """
    stream = _Stream(open_caller, plan, most)
    thread = threading.Thread(target=stream.run, name="endpoint-requests", daemon=True)
    thread.start()
    try:
        while (item := stream.batches.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stream.cancel()
        thread.join()


class _Stream:
    """The side of the event loop."""

    def __init__(self, open_caller: OpenCaller, plan: Plan, most: int) -> None:
        self._open_caller, self._plan, self._most = open_caller, plan, most
        self.batches: queue.SimpleQueue[CallBatch | BaseException | None] = queue.SimpleQueue()
        self._answers: list[tuple[int, Any]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main: asyncio.Task[Any] | None = None
        self._cancelled = threading.Event()

    def run(self) -> None:
        """Body of the thread."""
        try:
            asyncio.run(self._work())
        except asyncio.CancelledError:
            pass  # nobody reads any more
        except BaseException as error:  # noqa: BLE001 - raised again where it is read
            self.batches.put(_only(error))
        self.batches.put(None)

    def cancel(self) -> None:
        """Ends the work; from another thread, at any time."""
        self._cancelled.set()
        if self._loop is not None and self._main is not None:
            with suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._main.cancel)

    async def _work(self) -> None:
        self._loop, self._main = asyncio.get_running_loop(), asyncio.current_task()
        if self._cancelled.is_set():
            return
        async with self._open_caller() as caller:
            try:
                async with asyncio.TaskGroup() as group:
                    flushing = group.create_task(self._flush_often(caller))
                    await self._make_calls(caller, group)
                    flushing.cancel()
            finally:
                self._flush(caller)
            if caller.stopped is not None:
                raise caller.stopped

    async def _make_calls(self, caller: Caller, group: asyncio.TaskGroup) -> None:
        room = asyncio.Semaphore(self._most)
        under_way: set[asyncio.Task[None]] = set()

        def ended(task: asyncio.Task[None]) -> None:
            under_way.discard(task)
            room.release()

        for numbered in await self._plan(caller):
            while self.batches.qsize() > _UNREAD_BATCHES:
                await asyncio.sleep(_SECONDS / 10)
            await room.acquire()
            if caller.stopped is not None:
                break
            task = group.create_task(self._make(caller, numbered))
            under_way.add(task)
            task.add_done_callback(ended)
        while under_way:
            await asyncio.wait(under_way)

    async def _make(self, caller: Caller, numbered: NumberedCall) -> None:
        given = await caller.call(numbered.call)
        if given is not None:
            self._answers.append((numbered.number, given.value))
        if len(self._answers) >= _BATCH:
            self._flush(caller)

    async def _flush_often(self, caller: Caller) -> None:
        while True:
            await asyncio.sleep(_SECONDS)
            self._flush(caller)

    def _flush(self, caller: Caller) -> None:
        if self._answers or caller.usage != NO_USAGE:
            self.batches.put(CallBatch(self._answers, caller.usage))
            self._answers, caller.usage = [], NO_USAGE


def _only(error: BaseException) -> BaseException:
    """The error of a group of one, as tasks of a group wrap theirs."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
