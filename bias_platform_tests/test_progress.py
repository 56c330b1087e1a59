"""Progress lines are few, and give the pace of late and the time left."""

import math

import pytest

from bias_platform.progress import Progress, ProgressPrinter, RecentRate, duration


class Clock:
    """Says what it is told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_line_every_few_seconds_and_at_the_end() -> None:
    clock, lines = Clock(), list[str]()
    printer = ProgressPrinter(lines.append, "work", every=5.0, clock=clock)
    for second in range(11):
        clock.now = float(second)
        printer(Progress(second * 10, 100, "cells"))
    assert lines == [
        "work: 50/100 cells, 10.0 cells/s, about 5 s left",
        "work: 100/100 cells, 10.0 cells/s",
    ]


def test_what_was_done_before_is_not_counted_as_speed() -> None:
    clock, lines = Clock(), list[str]()
    printer = ProgressPrinter(lines.append, "work", every=1.0, clock=clock)
    printer(Progress(900, 1000, "cells", "from the ledger"))
    clock.now = 2.0
    printer(Progress(920, 1000, "cells"))
    assert lines == ["work: 920/1,000 cells, 10.0 cells/s, about 8 s left"]


def test_the_time_left_follows_the_pace_of_late() -> None:
    clock, lines = Clock(), list[str]()
    printer = ProgressPrinter(lines.append, "work", every=1.0, clock=clock)
    done = 0
    printer(Progress(0, 100_000, "cells"))
    for rate in [100] * 600 + [10] * 300:  # ten fast minutes, then five slow ones
        clock.now += 1.0
        done += rate
        printer(Progress(done, 100_000, "cells"))
    # the average over all would promise 37,000 / 70 = 9 minutes; at 10.6 a second an hour is nearer the truth
    assert lines[-1] == "work: 63,000/100,000 cells, 10.6 cells/s, about 58 min 8 s left"


def test_a_rate_is_an_average_at_first_and_forgets_later() -> None:
    rate = RecentRate(memory=60.0)
    assert rate.per_second is None
    assert rate.left(10) is None
    rate.add(0, 5.0)
    assert rate.per_second is None
    rate.add(30, 5.0)
    assert rate.per_second == pytest.approx(30 / (5 * math.exp(-5 / 60) + 5))
    for _ in range(100):
        rate.add(7, 10.0)
    assert rate.per_second == pytest.approx(0.7)
    assert rate.left(70) == pytest.approx(100)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "0 s"), (59.6, "1 min 0 s"), (276, "4 min 36 s"), (3599.7, "1 h 0 min"), (5000, "1 h 23 min"),
        (86_399, "24 h 0 min"), (86_400 * 3 + 3600 * 23.8, "4 d 0 h"),
    ],
)  # fmt: skip
def test_lengths_of_time_are_said_in_two_units(seconds: float, said: str) -> None:
    assert duration(seconds) == said
