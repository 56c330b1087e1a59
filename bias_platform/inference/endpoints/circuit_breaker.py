"""Notices that an endpoint answers nothing at all, so that a run ends with a sentence instead of burning requests."""

from bias_platform.inference.endpoints.clock import Clock

_DOUBTFUL_AFTER = 10
_LEAST = 20
"""Requests in a row that must have gone wrong before a run is ended."""


class CircuitBreaker:
    """Counts what went wrong since the last good reply.

    Args:
        clock: tells the time.
        patience: seconds without any good reply after which an endpoint that could not answer is given up.
    """

    def __init__(self, clock: Clock, patience: float = 180.0) -> None:
        self._clock = clock
        self._patience = patience
        self._answered = False
        self._errors = 0
        self._refusals = 0
        self._since = 0.0

    @property
    def doubtful(self) -> bool:
        """Whether requests should go one at a time: nothing was ever answered, or nothing any more."""
        return not self._answered or self._errors >= _DOUBTFUL_AFTER

    def good(self) -> None:
        """A request was answered."""
        self._answered = True
        self._errors = self._refusals = 0

    def error(self, detail: str) -> str | None:
        """A request could not be answered for now.

        Returns:
            why the endpoint is given up; None: it is not.
        """
        self._since = self._since if self._errors else self._clock.now()
        self._errors += 1
        waited = self._clock.now() - self._since
        if self._errors < _LEAST or waited < self._patience:
            return None
        return f"none of the last {self._errors} requests was answered in {waited:.0f} seconds, the last one: {detail}"

    def refusal(self, detail: str) -> str | None:
        """A request was refused for what it is; the endpoint works.

        Returns:
            why the endpoint is given up: it has refused everything from the start; None: it is not.
        """
        self._errors = 0
        self._refusals += 1
        if self._answered or self._refusals < _LEAST:
            return None
        return f"all of the first {self._refusals} requests were refused, the last one: {detail}"
