"""What one sees of a run: a line every few seconds, and the figures of every partition for the UI.

Answers that were in the ledger are counted as done but not in any rate. The time left follows from the last minutes and
from what is still to be asked in all partitions of the run. Not here: where lines and figures go (the worker).
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any, NamedTuple

from bias_platform.errors import counted
from bias_platform.inference.answering import Standing
from bias_platform.inference.engines.base import NO_USAGE, Engine, EngineStats
from bias_platform.inference.spending import Spending
from bias_platform.progress import RecentRate, duration
from bias_platform.schemas.tables import OUTCOMES


class Reading(NamedTuple):
    """Everything that only grows in a run, at one moment."""

    seconds: float
    cells: int
    """asked in the run"""
    stats: EngineStats
    money: float

    @property
    def tokens(self) -> int:
        """Read by the model, and written."""
        return self.stats.sent_tokens + self.stats.written_tokens


class RunDisplay:
    """One system's run over some partitions.

    Args:
        say: where a line goes.
        title: the system.
        total: cells of all partitions.
        known: how many of them the ledger held when the run began.
        engine: whose counts are shown.
        spending: what requests have cost; None: nothing is bought.
        every: seconds between two lines; the last one of a run is always said.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        title: str,
        *,
        total: int,
        known: int,
        engine: Engine,
        spending: Spending | None = None,
        every: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.spending = spending
        self._say, self._title, self._total, self._known = say, title, total, known
        self._engine, self._every, self._clock = engine, every, clock
        self._cells, self._tokens = RecentRate(), RecentRate()
        self._asked = 0
        self._start = self.read()
        self._before: Reading | None = None
        self._last_line = self._start.seconds
        held = f", {known:,} of them in the ledger" if known else ""
        say(f"{title}: {counted(total, 'cell')}{held}" + (f"; {total - known:,} to ask" if total > known else ""))

    def partition(self, name: str) -> "PartitionDisplay":
        """The display of the partition that comes next; give it to `ask_missing` as `on_standing`."""
        return PartitionDisplay(self, name)

    def read(self) -> Reading:
        """How things are now."""
        stats = replace(self._engine.stats, notes=list(self._engine.stats.notes))
        return Reading(self._clock(), self._asked, stats, self.spending.money if self.spending else 0.0)

    def take(self, partition: str, asked: int, outcomes: Mapping[str, int]) -> Reading:
        """So many more cells were asked since the last report.

        Args:
            partition: that is worked on.
            asked: 0: the engine is ready, and time counts from now on.
            outcomes: what has come of the partition's cells so far.
        """
        paced = self._asked or asked  # before the first cell the system may be loading
        self._asked += asked
        now = self.read()
        if self._before is not None and paced:
            seconds = now.seconds - self._before.seconds
            self._cells.add(now.cells - self._before.cells, seconds)
            self._tokens.add(now.tokens - self._before.tokens, seconds)
        self._before = now
        finished = self._known + self._asked >= self._total
        if asked and (finished or now.seconds - self._last_line >= self._every):
            self._last_line = now.seconds
            self._say(self._line(partition, outcomes, now))
        return now

    def _line(self, partition: str, outcomes: Mapping[str, int], now: Reading) -> str:
        cells, tokens = self._cells.per_second, self._tokens.per_second
        left = self._cells.left(self._total - self._known - self._asked)
        parts = [
            f"{self._title}: {self._known + self._asked:,}/{self._total:,} cells",
            f"{short(cells)} cells/s" if cells else "",
            f"{short(tokens)} tokens/s" if tokens else "",
            f"{100 * now.stats.reused_share:.0f} % of tokens reused" if now.stats.reused_share > 0 else "",
            f"{duration(left)} left" if left else "",
        ]
        came = ", ".join(f"{outcomes[kind]:,} {kind}" for kind in OUTCOMES if outcomes.get(kind))
        price = self.spending.price if self.spending else None
        money = f"{now.money - self._start.money:,.2f} {price.currency}" if price else ""
        return f"{', '.join(filter(None, parts))} ({'; '.join(filter(None, (partition, came, money)))})"


class PartitionDisplay:
    """One partition of a run: takes reports, and knows what the partition took.

    Args:
        run: that it belongs to.
        name: of the partition, for the line.
    """

    def __init__(self, run: RunDisplay, name: str) -> None:
        self._run, self._name, self._start = run, name, run.read()
        self._ready: Reading | None = None
        self._last = self._start
        self._standing = Standing(0, 0, 0, {}, NO_USAGE)

    def __call__(self, standing: Standing) -> None:
        """Takes a report of `ask_missing`, whose first one comes when the engine is ready."""
        self._last = self._run.take(self._name, standing.asked - self._standing.asked, standing.outcomes)
        self._ready = self._ready or self._last
        self._standing = standing

    def metadata(self) -> dict[str, Any]:
        """What the partition took until now, flat: cells by outcome, pace, tokens and their reuse, money.

        Paces, tokens and money are left out where nothing was asked, and where there are none.
        """
        standing = self._standing
        figures: dict[str, Any] = {
            "cells_asked": standing.asked,
            "cells_from_ledger": standing.from_ledger,
            "cells_kept": 0,
            **{f"cells_{kind}": standing.outcomes.get(kind, 0) for kind in OUTCOMES},
            "seconds": round(self._run.read().seconds - self._start.seconds, 3),
        }
        if standing.asked:
            figures |= self._pace() | stats_between(self._start.stats, self._last.stats).facts() | self._cost()
        if standing.usage != NO_USAGE:
            figures |= standing.usage._asdict()
        return figures

    def _pace(self) -> dict[str, float]:
        ready, last = self._ready or self._last, self._last
        seconds = last.seconds - ready.seconds
        if seconds <= 0:
            return {}
        return {
            "cells_per_second": round((last.cells - ready.cells) / seconds, 3),
            "tokens_per_second": round((last.tokens - ready.tokens) / seconds, 3),
        }

    def _cost(self) -> dict[str, Any]:
        price = self._run.spending.price if self._run.spending else None
        return {"cost": round(self._last.money - self._start.money, 6), "currency": price.currency} if price else {}


def stats_between(before: EngineStats, after: EngineStats) -> EngineStats:
    """What an engine did from one moment to another; its notes are those of the later one."""
    counts = [field.name for field in fields(EngineStats) if field.name != "notes"]
    done = {name: getattr(after, name) - getattr(before, name) for name in counts}
    return EngineStats(**done, notes=list(after.notes))


def short(number: float) -> str:
    """A number for people, to two or three digits.

    >>> [short(number) for number in (0.123, 3.14, 312.4, 41_234, 2_600_000)]
    ['0.12', '3.1', '312', '41k', '2.6M']
    """
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if number >= limit * 0.9995:
            scaled = number / limit
            return f"{scaled:.1f}{unit}" if scaled < 9.95 else f"{scaled:,.0f}{unit}"
    return f"{number:.0f}" if number >= 9.95 else f"{number:.1f}" if number >= 0.95 else f"{number:.2g}"
