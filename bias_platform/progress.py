"""Progress of long work: one line every few seconds with done, total, rate and time left."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple


class Progress(NamedTuple):
    """How far a piece of work is."""

    done: int
    total: int
    unit: str = "steps"
    note: str = ""


Report = Callable[[Progress], None]
"""What long work calls as often as it likes."""


@dataclass
class ProgressPrinter:
    """Turns frequent `Progress` reports into few lines.

    Args:
        say: where a line goes.
        title: what is being done.
        every: seconds between two lines; the last report is always said.
    """

    say: Callable[[str], None]
    title: str
    every: float = 5.0
    clock: Callable[[], float] = time.monotonic
    _start: float | None = field(default=None, init=False)
    _last: float = field(default=0.0, init=False)
    _first_done: int = field(default=0, init=False)

    def __call__(self, progress: Progress) -> None:
        """Takes a report; says a line when one is due."""
        now = self.clock()
        if self._start is None:
            self._start, self._last, self._first_done = now, now, progress.done
        if progress.done < progress.total and now - self._last < self.every:
            return
        self._last = now
        self.say(self._line(progress, now - self._start))

    def _line(self, progress: Progress, elapsed: float) -> str:
        rate = (progress.done - self._first_done) / elapsed if elapsed > 0 else 0.0
        left = f", about {_duration((progress.total - progress.done) / rate)} left" if rate > 0 else ""
        left = "" if progress.done >= progress.total else left
        speed = f", {rate:,.1f} {progress.unit}/s" if rate > 0 else ""
        note = f" ({progress.note})" if progress.note else ""
        return f"{self.title}: {progress.done:,}/{progress.total:,} {progress.unit}{speed}{left}{note}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
