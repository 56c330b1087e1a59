"""Puts a study's questions to one system again, for its noise floor; publishes each repeat when it is complete."""

import gc
import time
from dataclasses import dataclass

import pandas as pd

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.catalog.noise_settings import NoiseFloor, RepeatSettings
from bias_platform.errors import UserError
from bias_platform.inference.answering import Standing, ask_missing, look_up
from bias_platform.inference.ledger import Ledger
from bias_platform.progress import Progress, ProgressPrinter
from bias_platform.prompts.asked_again import portions, questions_again
from bias_platform.schemas import Repeats, validate_table
from bias_platform.storage import publish, write_table
from bias_platform.storage.names import PART
from bias_platform.workers.asked_system import AskedSystem
from bias_platform.workers.session import Publication, Session, run_worker


def work(session: Session) -> None:
    """Request: see `AskedSystem`; engine (EngineSettings of the study), noise_floor (NoiseFloor), control (persona id),
    repeats (name -> publication), maximum_failed_share."""
    floor = NoiseFloor.model_validate(session.request["noise_floor"])
    settings = EngineSettings.model_validate(session.request["engine"])
    for name, publication in session.request["repeats"].items():
        repeat = floor.named(name)
        asked = AskedSystem(session, repeat.applied_to(settings))
        _ask_again(asked, floor, repeat, Publication.model_validate(publication))
        del asked
        gc.collect()  # two models at a time may not fit: the engine holds on to what asked for it


@dataclass
class _Told:
    """Turns how far a portion is into how far the repeat is, and counts what came from the ledger."""

    printer: ProgressPrinter
    total: int
    before: int = 0
    from_ledger: int = 0

    def __call__(self, standing: Standing) -> None:
        """Takes a report of `ask_missing`."""
        self.printer(Progress(self.before + standing.from_ledger + standing.asked, self.total, "cells"))


def _ask_again(asked: AskedSystem, floor: NoiseFloor, repeat: RepeatSettings, publication: Publication) -> None:
    started = time.monotonic()
    questions = questions_again(asked.questions, asked.items, floor, asked.session.request["control"])
    told = _Told(asked.session.progress(f"{asked.system.slug}, {repeat.name}"), len(questions))
    with asked.open_ledger() as ledger:
        parts = [
            _portion(asked, part, repeat.repetition(floor.seed), ledger, told)
            for part in portions(questions, repeat, floor.seed)
        ]
    table = pd.concat(parts, ignore_index=True).assign(repeat=repeat.name)
    table = table.sort_values("question_id", kind="stable", ignore_index=True)
    _refuse_failures(table, repeat.name, asked)
    validate_table(table, Repeats, publication.name)
    with publish(**publication.arguments()) as staging:
        staging.rows[PART] = write_table(table, staging.folder / PART)
        staging.facts.update({"questions": len(table), "outcomes": table["outcome"].value_counts().to_dict()})
    counts = {"cells_asked": len(table) - told.from_ledger, "cells_from_ledger": told.from_ledger, "cells_kept": 0}
    seconds = time.monotonic() - started
    asked.session.published(repeat.name, staging.published, **counts, seconds=seconds, **asked.engine.stats.facts())


def _portion(asked: AskedSystem, questions: pd.DataFrame, repetition: str, ledger: Ledger, told: _Told) -> pd.DataFrame:
    """What came of some questions, asked in one call where the ledger does not hold them."""
    cells = asked.cells_of(questions, repetition)
    # how many may fail is said of all portions together
    answered = ask_missing(
        look_up(cells, ledger),
        task=asked.task,
        engine=asked.engine,
        ledger=ledger,
        on_standing=told,
        maximum_failed_share=1.0,
    )
    told.before += len(answered)
    told.from_ledger += answered.from_ledger
    return answered.table()


def _refuse_failures(table: pd.DataFrame, repeat: str, asked: AskedSystem) -> None:
    failed = table.loc[table["outcome"] == "failed", "detail"]
    maximum = float(asked.session.request["maximum_failed_share"])
    if len(failed) > maximum * len(table):
        raise UserError(
            f"{len(failed):,} of {len(table):,} cells of system '{asked.system.slug}' failed in the repeat '{repeat}' "
            f"({len(failed) / len(table):.2%}), more than the study's maximum_failed_share allows ({maximum:.2%}): "
            f"{failed.iloc[0]}. The others are kept in {asked.ledger_path}. Mend the cause and run it again, or "
            "raise maximum_failed_share"
        )


if __name__ == "__main__":
    run_worker(work)
