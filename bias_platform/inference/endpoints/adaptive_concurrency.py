"""How many requests an endpoint is sent at once: found out by asking, as the endpoint does not tell.

It grows until the endpoint says "too many" (429) for the first time: by one with every answer, which doubles it with
every round. Then it is cut to four fifths, held for a while, and grows by one a round. While it is held it is cut again
only if most of what was sent since is still too much: one burst of 429s is one sign, not many. What goes wrong
otherwise (5xx, silence) only holds it, shortly: a server that always loses a few requests can still be asked as fast as
it goes.
"""

from bias_platform.inference.endpoints.clock import Clock

_CUT = 0.8
_HELD_BY_ERROR = 2.0


class AdaptiveConcurrency:
    """The present limit.

    Args:
        most: upper bound.
        clock: tells the time.
        start: first limit.
        hold: seconds without growth after a cut.
    """

    def __init__(self, most: int, clock: Clock, start: int = 4, hold: float = 15.0) -> None:
        self._most = most
        self._clock = clock
        self._hold = hold
        self._limit = float(min(start, most))
        self._held_until = self._paused_until = self._cut_at = clock.now()
        self._answered_since = self._refused_since = 0
        self.rate_limited_requests = 0
        self.highest = int(self._limit)
        """the limit was never above this"""

    @property
    def limit(self) -> int:
        """Requests that may be under way, 1 or more."""
        return int(self._limit)

    @property
    def pause(self) -> float:
        """Seconds for which the endpoint wants nothing more; 0: it may be asked."""
        return max(0.0, self._paused_until - self._clock.now())

    def succeeded(self) -> None:
        """A request was answered."""
        self._answered_since += 1
        if self._clock.now() < self._held_until:
            return
        growth = 1.0 if not self.rate_limited_requests else 1.0 / self.limit
        self._limit = min(self._limit + growth, float(self._most))
        self.highest = max(self.highest, self.limit)

    def rate_limited(self, sent_at: float, wait: float | None) -> None:
        """A request was one too many.

        Args:
            sent_at: when it was sent. What was sent before the last cut tells nothing new.
            wait: seconds for which the endpoint wants nothing more; None: it did not say.
        """
        now = self._clock.now()
        first = not self.rate_limited_requests
        self.rate_limited_requests += 1
        self._paused_until = max(self._paused_until, now + (wait or 0.0))
        if first or sent_at >= self._cut_at:
            self._refused_since += 1
            mostly = self._refused_since > max(1, self._answered_since)
            if first or mostly or now >= self._held_until:
                self._cut(now)

    def failed(self) -> None:
        """A request was not answered for another reason than its being one too many."""
        self._held_until = max(self._held_until, self._clock.now() + _HELD_BY_ERROR)

    def _cut(self, now: float) -> None:
        self._limit = max(1.0, self._limit * _CUT)
        self._cut_at, self._held_until = now, now + self._hold
        self._answered_since = self._refused_since = 0
