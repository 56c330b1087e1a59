"""Progress of long work: one line every few seconds with done, total, rate and time left."""

import math
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
class RecentRate:
    """How fast something comes: an average in which what lies `memory` seconds back counts a third of what comes now.

    What is left takes as long as what came lately took, and not as what came hours ago or from a cache.

    Args:
        memory: seconds; more than 0.
    """

    memory: float = 60.0
    _amount: float = field(default=0.0, init=False)
    _seconds: float = field(default=0.0, init=False)

    def add(self, amount: float, seconds: float) -> None:
        """Takes in how much came in the last seconds."""
        kept = math.exp(-seconds / self.memory)
        self._amount = self._amount * kept + amount
        self._seconds = self._seconds * kept + seconds

    @property
    def per_second(self) -> float | None:
        """None as long as nothing came."""
        return self._amount / self._seconds if self._amount > 0 and self._seconds > 0 else None

    def left(self, amount: float) -> float | None:
        """Seconds until so much more has come at this rate; None as long as there is none."""
        rate = self.per_second
        return None if rate is None else amount / rate


@dataclass
class ProgressPrinter:
    """Turns frequent `Progress` reports into few lines. What the first report has done already is no pace.

    Args:
        say: where a line goes.
        title: what is being done.
        every: seconds between two lines; the last report is always said.
    """

    say: Callable[[str], None]
    title: str
    every: float = 5.0
    clock: Callable[[], float] = time.monotonic
    _rate: RecentRate = field(default_factory=RecentRate, init=False)
    _before: tuple[float, int] | None = field(default=None, init=False)
    _last_line: float = field(default=0.0, init=False)

    def __call__(self, progress: Progress) -> None:
        """Takes a report; says a line when one is due."""
        now = self.clock()
        if self._before is None:
            self._last_line = now
        else:
            then, done = self._before
            self._rate.add(progress.done - done, now - then)
        self._before = (now, progress.done)
        if progress.done >= progress.total or now - self._last_line >= self.every:
            self._last_line = now
            self.say(self._line(progress))

    def _line(self, progress: Progress) -> str:
        rate, left = self._rate.per_second, self._rate.left(progress.total - progress.done)
        speed = f", {rate:,.1f} {progress.unit}/s" if rate else ""
        until = f", about {duration(left)} left" if left else ""
        note = f" ({progress.note})" if progress.note else ""
        return f"{self.title}: {progress.done:,}/{progress.total:,} {progress.unit}{speed}{until}{note}"


def duration(seconds: float) -> str:
    """A length of time for people: its two largest units.

    >>> duration(7.4), duration(276), duration(86400 * 3 + 3600 * 4.6)
    ('7 s', '4 min 36 s', '3 d 5 h')
    """
    whole = round(seconds)
    if whole >= 86_400:
        days, rest = divmod(whole, 86_400)
        hours = round(rest / 3600)
        return f"{days + hours // 24} d {hours % 24} h"
    if whole >= 3600:
        minutes = round(whole / 60)
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{whole} s"
