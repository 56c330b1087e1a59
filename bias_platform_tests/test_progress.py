"""Progress lines are few, and give rate and time left."""

from bias_platform.progress import Progress, ProgressPrinter


def test_a_line_every_few_seconds_and_at_the_end() -> None:
    now = [0.0]
    lines: list[str] = []
    printer = ProgressPrinter(lines.append, "work", every=5.0, clock=lambda: now[0])
    for second in range(11):
        now[0] = float(second)
        printer(Progress(second * 10, 100, "cells"))
    assert lines == [
        "work: 50/100 cells, 10.0 cells/s, about 5 s left",
        "work: 100/100 cells, 10.0 cells/s",
    ]


def test_what_was_done_before_is_not_counted_as_speed() -> None:
    now = [0.0]
    lines: list[str] = []
    printer = ProgressPrinter(lines.append, "work", every=1.0, clock=lambda: now[0])
    printer(Progress(900, 1000, "cells", "from the ledger"))
    now[0] = 2.0
    printer(Progress(920, 1000, "cells"))
    assert lines == ["work: 920/1,000 cells, 10.0 cells/s, about 8 s left"]
