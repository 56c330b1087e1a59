"""A run of 5,000 cells that kills itself: `python -m bias_platform_tests.inference.killed_run`.

Every line on standard input starts a run in a process of its own: `folder cells seconds` one that is killed outright
so many seconds after so many cells were asked, `folder` one that ends by itself. Its exit status is printed. What was
asked of the engine, and what the ledger had said it holds, is noted beside the ledger.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.catalog.entries import OptionEntry, TaskEntry
from bias_platform.inference.answering import ask_missing, look_up
from bias_platform.inference.cells import CellTable
from bias_platform.inference.engines.base import EngineIdentity, EngineStats, Prompt, ScoredBatch, Usage
from bias_platform.inference.ledger_recovery import open_or_recover
from bias_platform.models.source import ModelSource
from bias_platform.models.system import ResolvedSystem
from bias_platform.prompts.questions import build_questions
from bias_platform.prompts.rendering import Renderer
from bias_platform.storage import publish

CELLS, BATCH = 5_000, 25
TASK = TaskEntry(
    question="Post: {content}\nRude?\n{options}",
    options=tuple(OptionEntry(value=value) for value in ("Yes", "Maybe", "No")),
    positive=("Yes",),
)
TEMPLATES = {"t1": "You are {persona}.", "t2": "Take the role of {persona}."}
PERSONAS = pd.DataFrame(
    [("teacher", "a teacher", "named"), ("farmer", "a farmer", "named"), ("no-persona", None, "baseline")],
    columns=["persona_id", "phrase", "role"],
)
ITEMS = pd.DataFrame(
    [(f"item{number:05}", f"post number {number}") for number in range(CELLS // 5)], columns=["item_id", "text"]
)
IDENTITY = EngineIdentity("counting", "counting-1", "h" * 32)
SYSTEM = ResolvedSystem(slug="small", source=ModelSource(kind="folder", location="/m"), identity="1" * 32)


class Counting:
    """An engine whose scores follow from the text; notes every prompt it is asked, once its answer is given away."""

    def __init__(self, note: Path, ids: dict[str, bytes], kill_after: int | None, seconds: float) -> None:
        self.identity, self.stats = IDENTITY, EngineStats()
        self._ids, self._kill_after, self._seconds, self._asked = ids, kill_after, seconds, 0
        self._doomed = False
        self._note = os.open(note, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def score_choices(
        self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]], scoring: str
    ) -> Iterator[ScoredBatch]:
        for start in range(0, len(prompts), BATCH):
            rows = list(range(start, min(start + BATCH, len(prompts))))
            texts = [str(prompts[row].messages) for row in rows]
            scores = [[-((hash_of(text) >> shift) % 997) / 100 - 0.01 for shift in (0, 8, 16)] for text in texts]
            os.write(self._note, b"".join(self._ids[text] for text in texts))
            self._asked += len(rows)
            self._doom()
            yield ScoredBatch(rows, np.array(scores), usage=Usage(10 * len(rows), 0, 0))

    def _doom(self) -> None:
        """Sets the clock when it is time; on a slow machine a few batches are all that may come before it strikes."""
        if self._kill_after is None or self._asked < self._kill_after:
            return
        if not self._doomed:
            self._doomed = True
            threading.Timer(self._seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()
        elif self._asked >= self._kill_after + 4 * BATCH:
            signal.pause()


def hash_of(text: str) -> int:
    """The same in every process."""
    return int.from_bytes(text.encode()[-12:], "little") * 2_654_435_761 % 2**32


def run(folder: Path, kill_after: int | None = None, seconds: float = 0.0) -> None:
    """Asks what is missing and publishes the table."""
    questions = build_questions(ITEMS, PERSONAS, TEMPLATES, "rude", TASK)
    settings, renderer = EngineSettings(), Renderer(TASK, PERSONAS, TEMPLATES)
    arguments: dict[str, Any] = {"renderer": renderer, "system": SYSTEM, "settings": settings}
    cells = CellTable(questions, ITEMS, engine=IDENTITY, **arguments).cells()
    ids = {str(prompt.messages): bytes.fromhex(cell) for cell, prompt in zip(*cells, strict=True)}
    engine = Counting(folder / "asked", ids, kill_after, seconds)
    appended = os.open(folder / "appended", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with open_or_recover(folder / "ledger.sqlite", [], wait=False, say=print) as ledger:
        append = ledger.append

        def noting(outcomes: Sequence[Any], **named: Any) -> int:
            taken = append(outcomes, **named)
            os.write(appended, b"".join(bytes.fromhex(outcome.cell_id) for outcome in outcomes))
            return taken

        ledger.append = noting  # type: ignore[method-assign, assignment]
        found = look_up(CellTable(questions, ITEMS, engine=IDENTITY, **arguments), ledger)
        answered = ask_missing(found, task=TASK, engine=engine, ledger=ledger)
        with publish(folder / "published", "predictions", code_version="1", inputs={}, parameters={}) as staging:
            staging.rows["part.parquet"] = answered.write(staging.folder / "part.parquet").rows


def main() -> None:
    """Starts runs as they are ordered; the imports are paid once."""
    for line in sys.stdin:
        folder, *when = line.split()
        process = os.fork()
        if process == 0:
            run(Path(folder), *(kind(value) for kind, value in zip((int, float), when, strict=False)))
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
