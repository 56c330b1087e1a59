"""Questions put to a system: what the ledger holds is not asked again, what comes is kept at once.

A table is worked through in parts, so that memory depends on the size of a part and not on that of the table: `look_up`
identifies every cell and asks the ledger for it, `ask_missing` builds the prompts of those that are not there, a call
of the engine at a time, and appends what comes. A written answer is parsed when the table is made, not when it comes:
the ledger keeps what the model wrote, so that a better parser reads old answers anew and asks nothing.

Not here: making questions (`prompts`), loading the system (`models`), the table of answers (`answered`), publishing it
(`storage`, by the worker).
"""

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.catalog.entries import TaskEntry
from bias_platform.errors import FailedCellsError, bullet_list, counted
from bias_platform.inference.answered import AnsweredCells, CellIds
from bias_platform.inference.batch_outcomes import batch_outcomes
from bias_platform.inference.cells import CellTable
from bias_platform.inference.engines.base import (
    NO_USAGE,
    Decoding,
    Engine,
    GeneratedBatch,
    LazyEngine,
    Prompt,
    ScoredBatch,
    Usage,
)
from bias_platform.inference.ledger import Ledger, LedgerReader
from bias_platform.inference.outcomes import Outcome

PROMPTS_PER_CALL = 32_768
"""Prompts an engine is given at once: enough to share beginnings, few enough to keep memory flat."""


class Tally(NamedTuple):
    """What came of some cells."""

    outcomes: Counter[str]
    """kind of outcome -> cells"""
    reasons: Counter[str]
    """why cells failed -> cells"""

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """Counts some more."""
        self.outcomes.update(outcome.outcome for outcome in outcomes)
        self.reasons.update(_reason(outcome.detail) for outcome in outcomes if outcome.outcome == "failed")


class LookedUp(NamedTuple):
    """A table of cells, compared with the ledger."""

    cells: CellTable
    ids: CellIds
    missing: npt.NDArray[np.int64]
    """positions of those that have to be asked"""
    known: Tally
    """what had come of the others, as it was read then"""


class Standing(NamedTuple):
    """How far a table of cells is."""

    total: int
    from_ledger: int
    asked: int
    """since the engine was ready"""
    outcomes: Mapping[str, int]
    """kind -> cells, those from the ledger included"""
    usage: Usage
    """of what was asked"""


OnStanding = Callable[[Standing], None]


def look_up(cells: CellTable, ledger: LedgerReader) -> LookedUp:
    """Finds out which cells have to be asked; loads nothing.

    Args:
        cells: questions put to a system.
        ledger: of the system at the task.
    """
    missing: list[npt.NDArray[np.int64]] = []
    known = Tally(Counter(), Counter())

    def identified() -> Iterator[str]:
        for start in range(0, len(cells), PROMPTS_PER_CALL):
            ids = cells.ids(slice(start, start + PROMPTS_PER_CALL))
            found = ledger.known(ids)
            known.outcomes.update(found["outcome"].tolist())
            known.reasons.update(map(_reason, found.loc[found["outcome"] == "failed", "detail"]))
            missing.append(start + np.flatnonzero(~pd.Index(ids, dtype=object).isin(found["cell_id"])))
            yield from ids

    packed = CellIds(identified())
    return LookedUp(cells, packed, np.concatenate(missing) if missing else np.empty(0, dtype=np.int64), known)


def ask_missing(
    looked_up: LookedUp,
    *,
    task: TaskEntry,
    engine: Engine,
    ledger: Ledger,
    on_standing: OnStanding = lambda standing: None,
    maximum_failed_share: float = 0.0,
) -> AnsweredCells:
    """Asks the cells that the ledger does not hold.

    A complete ledger asks nothing, so that a `LazyEngine` loads nothing. A transient failure is in the table of the run
    that met it and is asked again by the next one.

    Args:
        looked_up: of the same ledger.
        task: its options, in canonical order, are scored; or what is written is parsed as its answers.
        engine: that the cells are identified by; give a `LazyEngine` so that the system is loaded when needed.
        ledger: open for writing, until the answers have been read.
        on_standing: told how far it is: when the engine is ready, and after every batch.
        maximum_failed_share: of all cells, 0 to 1.

    Returns:
        the answers, to be read or written in parts.

    Raises:
        FailedCellsError: more failures than that; everything that came is in the ledger by then.
        BudgetError: no more may be spent; the same.
    """
    run = _Run(looked_up, task, engine, ledger, on_standing)
    run.ask()
    _refuse_failures(run, maximum_failed_share)
    return AnsweredCells(
        looked_up.cells, looked_up.ids, len(looked_up.missing), task=task, ledger=ledger, failures=run.transient
    )


class _Run:
    """Asks what is missing, and counts."""

    def __init__(
        self, looked_up: LookedUp, task: TaskEntry, engine: Engine, ledger: Ledger, on_standing: OnStanding
    ) -> None:
        self.cells, self.missing = looked_up.cells, looked_up.missing
        self.task, self.engine, self.ledger, self.on_standing = task, engine, ledger, on_standing
        self.tally = Tally(Counter(looked_up.known.outcomes), Counter(looked_up.known.reasons))
        self.transient: dict[str, Outcome] = {}
        self.asked, self.usage = 0, NO_USAGE

    def ask(self) -> None:
        if len(self.missing) and isinstance(self.engine, LazyEngine):
            # without a prompt an engine does nothing but load: what that takes is not the pace of its answers
            with _ended(self._batches([])) as batches:
                for _ in batches:
                    pass
        self._tell()
        for start in range(0, len(self.missing), PROMPTS_PER_CALL):
            self._call(self.missing[start : start + PROMPTS_PER_CALL])

    def _call(self, rows: npt.NDArray[np.int64]) -> None:
        """Gives the engine some prompts, and keeps what it says batch by batch."""
        cells = self.cells.cells(rows)
        item_ids = self.cells.questions["item_id"].iloc[rows].tolist()
        heard = np.zeros(len(rows), dtype=np.int64)
        clock = time.monotonic()
        # closed at once when the ledger fails: an endpoint is asked for nothing that could not be kept
        with _ended(self._batches(cells.prompts)) as batches:
            for batch in batches:
                now = time.monotonic()
                outcomes = batch_outcomes(batch, cells.ids, item_ids, self.task)
                self.ledger.append(outcomes, usage=batch.usage, seconds=now - clock)
                self._count(outcomes, batch.usage)
                np.add.at(heard, [*batch.indices, *batch.failures], 1)
                clock = now
        if (heard != 1).any():
            silent, twice = int((heard == 0).sum()), int((heard > 1).sum())
            raise RuntimeError(f"of {len(rows)} prompts the engine said nothing about {silent}, {twice} it told twice")

    def _batches(self, prompts: Sequence[Prompt]) -> Iterator[ScoredBatch | GeneratedBatch]:
        settings = self.cells.settings
        if settings.ask == "score":
            return self.engine.score_choices(prompts, [self.task.option_values] * len(prompts), settings.scoring)
        return self.engine.generate(prompts, decoding_of(settings, self.task))

    def _count(self, outcomes: Sequence[Outcome], usage: Usage) -> None:
        self.tally.add(outcomes)
        self.transient |= {outcome.cell_id: outcome for outcome in outcomes if outcome.transient}
        self.asked += len(outcomes)
        self.usage = self.usage.plus(usage)
        self._tell()

    def _tell(self) -> None:
        total = len(self.cells)
        self.on_standing(Standing(total, total - len(self.missing), self.asked, self.tally.outcomes, self.usage))


@contextmanager
def _ended(batches: Iterator[ScoredBatch | GeneratedBatch]) -> Iterator[Iterator[ScoredBatch | GeneratedBatch]]:
    """Lets go of an engine's batches however the block ends."""
    try:
        yield batches
    finally:
        if isinstance(batches, Generator):
            batches.close()


def decoding_of(settings: EngineSettings, task: TaskEntry) -> Decoding:
    """How a task's answers are written under these settings."""
    declared = settings.decoding
    allowed = task.option_values if settings.structured and task.answer == "option" else ()
    return Decoding(declared.maximum_tokens, declared.temperature, declared.top_p, allowed)


def _reason(detail: object) -> str:
    return str(detail).partition(":")[0]


def _refuse_failures(run: _Run, maximum: float) -> None:
    total, failed = len(run.cells), run.tally.outcomes["failed"]
    if failed <= maximum * total:
        return
    lines = [f"{reason}: {counted(count, 'cell')}" for reason, count in run.tally.reasons.most_common()]
    raise FailedCellsError(
        f"{failed:,} of {total:,} cells of system '{run.cells.system.slug}' failed ({failed / total:.2%}), more "
        f"than the study's maximum_failed_share allows ({maximum:.2%}):\n{bullet_list(lines)}\nThe other "
        f"{total - failed:,} are kept in {run.ledger.path}. Mend the cause and run it again, or raise "
        "maximum_failed_share"
    )
