"""Puts a study's questions to one system, and publishes each persona's answers as soon as they are complete."""

import time
from pathlib import Path
from typing import Any

import pandas as pd

from bias_platform.catalog.entries import EngineSettings, TaskEntry
from bias_platform.inference.answering import answer_persona
from bias_platform.inference.engines.base import LoadedModel
from bias_platform.inference.engines.registry import lazy_engine
from bias_platform.inference.ledger import Ledger
from bias_platform.models.system import ResolvedSystem
from bias_platform.prompts.rendering import Renderer
from bias_platform.schemas import Predictions, validate_table
from bias_platform.storage import publish, read_table, write_table
from bias_platform.workers.weights import verify_weights
from bias_platform.workers.session import Publication, Session, run_worker

PART = "part.parquet"


class Answering:
    """What all personas of a system share; the model is loaded only when there is something to ask."""

    def __init__(self, session: Session) -> None:
        request = session.request
        self.session = session
        self.system = ResolvedSystem.model_validate_json(Path(request["system"]).read_text("utf-8"))
        self.settings = EngineSettings.model_validate(request["engine"])
        self.task = TaskEntry.model_validate(request["task"])
        folder = Path(request["questions"])
        self.questions = read_table(folder / "questions.parquet", request["study"])
        self.items = read_table(folder / "items.parquet", request["study"])
        personas = read_table(folder / "personas.parquet", request["study"])
        self.renderer = Renderer(self.task, personas, request["templates"])

        self.engine = lazy_engine(self.settings, self._template_hash(), self._load)

    def _template_hash(self) -> str:
        """Hash of the chat template: only the tokenizer is read for it."""
        from bias_platform.models.chat import chat_template_hash
        from bias_platform.models.loading import load_tokenizer, source_folder

        source = self.system.source
        return chat_template_hash(load_tokenizer(source_folder(source, self.settings.dtype), source.title), source.title)

    def _load(self) -> LoadedModel:
        from bias_platform.models.loading import load_system

        self.session.say(f"loading {self.system.slug}")
        verify_weights(self.system.source, self.system.adapter)
        return load_system(self.system, dtype=self.settings.dtype)


def work(session: Session) -> None:
    """Request: study, system (path), task, templates, questions (folder), engine, ledger, partitions (persona ->
    publication), maximum_failed_share."""
    answering = Answering(session)
    ledger_path = Path(session.request["ledger"])
    with Ledger.open(ledger_path, wait=True, on_wait=session.say) as ledger:
        for persona, publication in session.request["partitions"].items():
            _answer(session, answering, ledger, persona, Publication.model_validate(publication))


def _answer(session: Session, answering: Answering, ledger: Ledger, persona: str, publication: Publication) -> None:
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
        on_progress=session.progress(f"{answering.system.slug} as {persona}"),
        maximum_failed_share=session.request["maximum_failed_share"],
    )
    validate_table(table, Predictions, publication.name)
    with publish(**publication.arguments()) as staging:
        staging.rows[PART] = write_table(table, staging.folder / PART)
        staging.facts.update(_facts(table, answering.task, ledger))
    session.published(persona, staging.published, seconds=time.monotonic() - started)


def _facts(table: pd.DataFrame, task: TaskEntry, ledger: Ledger) -> dict[str, Any]:
    answered = table["outcome"] == "answered"
    yes = table.loc[answered, "answer"].isin(task.positive)
    return {
        "outcomes": table["outcome"].value_counts().to_dict(),
        "coverage": float(answered.mean()),
        "yes_rate": float(yes.mean()) if len(yes) else None,
    }


if __name__ == "__main__":
    run_worker(work)
