"""Puts a study's questions to one system, and publishes each persona's answers as soon as they are complete."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.catalog.entries import TaskEntry
from bias_platform.inference.answering import answer_persona
from bias_platform.inference.engines.registry import EngineOrder, identity_for, lazy_engine
from bias_platform.inference.ledger import Ledger
from bias_platform.inference.spending import Spending
from bias_platform.models.system import ResolvedSystem, located
from bias_platform.progress import Progress, ProgressPrinter
from bias_platform.prompts.rendering import Renderer
from bias_platform.schemas import Predictions, validate_table
from bias_platform.storage import publish, read_table, write_table
from bias_platform.storage.names import ITEMS, PART, PERSONAS, QUESTIONS
from bias_platform.workers.session import Publication, Session, run_worker
from bias_platform.workers.weights import verify_weights


class Answering:
    """What all personas of a system share; the model is loaded only when there is something to ask."""

    def __init__(self, session: Session) -> None:
        request = session.request
        self.session = session
        system = ResolvedSystem.model_validate_json(Path(request["system"]).read_text("utf-8"))
        self.system = located(system, Path(request["lake"]))
        self.settings = EngineSettings.model_validate(request["engine"])
        self.task = TaskEntry.model_validate(request["task"])
        folder = Path(request["questions"])
        self.questions = read_table(folder / QUESTIONS, request["study"])
        self.items = read_table(folder / ITEMS, request["study"])
        personas = read_table(folder / PERSONAS, request["study"])
        self.renderer = Renderer(self.task, personas, request["templates"])

        identity = identity_for(self.settings, self.system)
        order = EngineOrder(self.system, self.settings, identity, Spending())
        self.engine = lazy_engine(order, before=self._before_loading)

    def _before_loading(self) -> None:
        self.session.say(f"loading {self.system.slug}")
        verify_weights(self.system.source, self.system.adapter)


def work(session: Session) -> None:
    """Request: study, lake (folder), system (path), task, templates, questions (folder), engine, ledger,
    partitions (persona -> publication), maximum_failed_share."""
    answering = Answering(session)
    ledger_path = Path(session.request["ledger"])
    wanted = {name: Publication.model_validate(each) for name, each in session.request["partitions"].items()}
    asked = answering.questions["persona_id"].value_counts()
    printer = session.progress(answering.system.slug)
    total, done = int(asked[list(wanted)].sum()), 0
    with Ledger.open(ledger_path, wait=True, on_wait=session.say) as ledger:
        for persona, publication in wanted.items():
            whole = _Part(printer, done, total, persona)
            _answer(session, answering, ledger, persona=persona, publication=publication, on_progress=whole)
            done += int(asked[persona])


@dataclass
class _Part:
    """Turns the progress of one persona into that of the whole system, and keeps what came from the ledger."""

    printer: ProgressPrinter
    before: int
    total: int
    persona: str
    from_ledger: int | None = None

    def __call__(self, progress: Progress) -> None:
        """Takes a report of `answer_persona`, whose first one tells what the ledger holds."""
        if self.from_ledger is None:
            self.from_ledger = progress.done
        note = f"{self.persona}, {progress.note}" if progress.note else self.persona
        self.printer(Progress(self.before + progress.done, self.total, progress.unit, note))


def _answer(
    session: Session,
    answering: Answering,
    ledger: Ledger,
    *,
    persona: str,
    publication: Publication,
    on_progress: _Part,
) -> None:
    started = time.monotonic()
    table = answer_persona(
        answering.questions[answering.questions["persona_id"] == persona],
        answering.items,
        renderer=answering.renderer,
        task=answering.task,
        engine=answering.engine,
        ledger=ledger,
        system=answering.system,
        settings=answering.settings,
        on_progress=on_progress,
        maximum_failed_share=session.request["maximum_failed_share"],
    )
    validate_table(table, Predictions, publication.name)
    with publish(**publication.arguments()) as staging:
        staging.rows[PART] = write_table(table, staging.folder / PART)
        staging.facts.update(_facts(table, answering.task))
    held = on_progress.from_ledger or 0
    asked = {"cells_asked": len(table) - held, "cells_from_ledger": held, "cells_kept": 0}
    session.published(persona, staging.published, **asked, seconds=time.monotonic() - started)


def _facts(table: pd.DataFrame, task: TaskEntry) -> dict[str, Any]:
    answered = table["outcome"] == "answered"
    yes = table.loc[answered, "answer"].isin(task.positive)
    return {
        "questions": len(table),
        "outcomes": table["outcome"].value_counts().to_dict(),
        "coverage": float(answered.mean()),
        "yes_rate": float(yes.mean()) if len(yes) else None,
    }


if __name__ == "__main__":
    run_worker(work)
