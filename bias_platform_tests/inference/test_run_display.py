"""What a run shows: lines with pace, reuse, time left, outcomes and money; figures of each partition."""

from typing import Any

import pytest

from bias_platform.catalog.engine_settings import Price
from bias_platform.inference.answering import Standing
from bias_platform.inference.engines.base import NO_USAGE, EngineStats, Usage
from bias_platform.inference.run_display import RunDisplay, short, stats_between
from bias_platform.inference.spending import Spending


class Run:
    """An engine, a purse and a clock that the test moves."""

    def __init__(self, *, total: int, known: int, price: Price | None = None, **options: Any) -> None:
        self.now, self.lines = 100.0, list[str]()
        self.stats = EngineStats()
        self.spending = Spending(price=price, money=5.0)
        self.display = RunDisplay(
            self.lines.append, "small@int8", total=total, known=known, engine=self,  # type: ignore[arg-type]
            spending=self.spending, clock=lambda: self.now, **options,
        )  # fmt: skip

    def work(self, seconds: float, *, full: int = 0, sent: int = 0, written: int = 0, money: float = 0.0) -> None:
        self.now += seconds
        self.stats.full_tokens += full
        self.stats.sent_tokens += sent
        self.stats.written_tokens += written
        self.spending.money += money


def standing(asked: int, *, total: int = 1000, known: int = 0, usage: Usage = NO_USAGE, **outcomes: int) -> Standing:
    return Standing(total, known, asked, outcomes, usage)


def test_a_line_says_all_there_is() -> None:
    run = Run(total=98_400, known=9_280, price=Price(input=1.0, output=2.0))
    woman = run.display.partition("woman")
    woman(standing(0, known=280, answered=280))
    run.work(10.0, full=2_000_000, sent=340_000, written=70_000, money=1.32)
    woman(standing(3_120, known=280, answered=3_311, invalid=80, failed=9))
    assert run.lines == [
        "small@int8: 98,400 cells, 9,280 of them in the ledger; 89,120 to ask",
        "small@int8: 12,400/98,400 cells, 312 cells/s, 41k tokens/s, 83 % of tokens reused, 4 min 36 s left "
        "(woman; 3,311 answered, 80 invalid, 9 failed; 1.32 USD)",
    ]


def test_lines_are_few_and_the_last_one_is_said() -> None:
    run = Run(total=1000, known=0, every=10.0)
    part = run.display.partition("man")
    part(standing(0))
    for second in range(1, 26):
        run.work(1.0)
        part(standing(40 * second, answered=40 * second))
    assert run.lines == [
        "small@int8: 1,000 cells; 1,000 to ask",
        "small@int8: 400/1,000 cells, 40 cells/s, 15 s left (man; 400 answered)",
        "small@int8: 800/1,000 cells, 40 cells/s, 5 s left (man; 800 answered)",
        "small@int8: 1,000/1,000 cells, 40 cells/s (man; 1,000 answered)",
    ]


def test_neither_loading_nor_what_the_ledger_holds_is_pace() -> None:
    run = Run(total=3000, known=1000, every=1.0)
    first = run.display.partition("all-known")
    first(standing(0, known=1000, answered=1000))
    assert first.metadata() == {
        "cells_asked": 0, "cells_from_ledger": 1000, "cells_kept": 0, "cells_answered": 1000, "cells_refused": 0,
        "cells_invalid": 0, "cells_truncated": 0, "cells_failed": 0, "seconds": 0.0,
    }  # fmt: skip
    second = run.display.partition("man")
    run.work(500.0)  # the system is loaded
    second(standing(0, total=2000))
    run.work(2.0)
    second(standing(500, total=2000, answered=500))
    assert run.lines[1:] == ["small@int8: 1,500/3,000 cells, 250 cells/s, 6 s left (man; 500 answered)"]
    assert second.metadata()["cells_per_second"] == 250


def test_a_complete_ledger_is_one_line() -> None:
    run = Run(total=70, known=70)
    run.display.partition("man")(standing(0, total=70, known=70, answered=70))
    assert run.lines == ["small@int8: 70 cells, 70 of them in the ledger"]


def test_figures_are_those_of_the_partition() -> None:
    run = Run(total=500, known=10, price=Price(input=1.0, output=2.0, currency="EUR"))
    before = run.display.partition("man")
    before(standing(0, total=250))
    run.work(50.0, full=9000, sent=9000, money=3.0)
    before(standing(250, total=250, answered=250))
    run.work(4.0)  # publishing
    part = run.display.partition("woman")
    part(standing(0, total=250, known=10, answered=10))
    run.stats.prompts += 240
    run.work(16.0, full=10_000, sent=2_000, written=400, money=0.25)
    part(standing(240, total=250, known=10, usage=Usage(2_500, 400, 500), answered=245, truncated=5))
    run.work(1.0)  # publishing
    figures = part.metadata()
    assert {name: figures[name] for name in figures if name.startswith("cells_")} == {
        "cells_asked": 240, "cells_from_ledger": 10, "cells_kept": 0, "cells_answered": 245, "cells_refused": 0,
        "cells_invalid": 0, "cells_truncated": 5, "cells_failed": 0, "cells_per_second": 15.0,
    }  # fmt: skip
    assert figures["seconds"] == 17.0
    assert figures["tokens_per_second"] == 150.0
    assert (figures["prompts"], figures["tokens_sent"], figures["tokens_written"]) == (240, 2000, 400)
    assert figures["prefix_reuse_share"] == 0.8
    assert (figures["cost"], figures["currency"]) == (0.25, "EUR")
    assert (figures["input_tokens"], figures["output_tokens"], figures["cached_tokens"]) == (2500, 400, 500)
    assert all(isinstance(value, int | float | str) for value in figures.values()), "flat"


def test_what_an_engine_did_between_two_moments() -> None:
    before = EngineStats(prompts=3, full_tokens=100, sent_tokens=90, notes=["whole sequences"])
    after = EngineStats(prompts=5, full_tokens=300, sent_tokens=100, halved_batches=1, notes=["whole sequences", "x"])
    done = stats_between(before, after)
    assert (done.prompts, done.full_tokens, done.sent_tokens, done.halved_batches) == (2, 200, 10, 1)
    assert done.reused_share == pytest.approx(0.95)
    assert done.notes == after.notes


@pytest.mark.parametrize(
    ("number", "said"),
    [(0.123, "0.12"), (0.97, "1.0"), (9.94, "9.9"), (9.96, "10"), (312.4, "312"), (999.4, "999"), (999.6, "1.0k"),
     (9_949, "9.9k"), (41_234, "41k"), (999_400, "999k"), (999_600, "1.0M"), (123_456_789, "123M"), (0, "0")],
)  # fmt: skip
def test_numbers_are_said_shortly(number: float, said: str) -> None:
    assert short(number) == said
