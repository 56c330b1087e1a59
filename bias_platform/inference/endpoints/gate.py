"""Lets as many requests through at once as may be under way now; the others wait, in the order they came."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from bias_platform.inference.endpoints.clock import Clock


class Gate:
    """A semaphore whose size changes. Belongs to one event loop.

    Args:
        limit: how many may be inside now, 1 or more.
        pause: seconds for which nobody may enter; 0: go on.
        clock: lets the pause pass.
    """

    def __init__(self, limit: Callable[[], int], pause: Callable[[], float], clock: Clock) -> None:
        self._limit, self._pause, self._clock = limit, pause, clock
        self._inside = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def passage(self) -> AsyncIterator[None]:
        """Waits for a place, and holds it for the block."""
        await self._enter()
        try:
            while (pause := self._pause()) > 0:
                await self._clock.sleep(pause)
            yield
        finally:
            self._leave()

    async def _enter(self) -> None:
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        self._admit()
        try:
            await place
        except asyncio.CancelledError:
            if not place.cancelled():  # it had been given the place already
                self._leave()
            raise

    def _leave(self) -> None:
        self._inside -= 1
        self._admit()

    def _admit(self) -> None:
        """Gives free places to those who have waited longest."""
        while self._waiting and self._inside < self._limit():
            place = self._waiting.popleft()
            if not place.done():
                self._inside += 1
                place.set_result(None)
