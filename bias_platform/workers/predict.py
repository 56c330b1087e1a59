"""Puts a study's questions to one system, and publishes each persona's answers as soon as they are complete."""

import pandas as pd

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.errors import FailedCellsError
from bias_platform.inference.answering import LookedUp, ask_missing, look_up
from bias_platform.inference.ledger import Ledger
from bias_platform.inference.ledger_damage import DamagedLedgerError
from bias_platform.inference.run_display import PartitionDisplay, RunDisplay
from bias_platform.storage import publish
from bias_platform.storage.names import PART
from bias_platform.workers.asked_system import AskedSystem
from bias_platform.workers.session import Publication, Session, run_worker


def work(session: Session) -> None:
    """Request: see `AskedSystem`; engine (EngineSettings), partitions (persona -> publication), labels (persona ->
    label policy that picks its items, or None), maximum_failed_share.

    A persona with too many failures is not published, the others are; all such personas are said at the end. Where the
    ledger turns out to be damaged while it is read, it is opened once more, which mends it.
    """
    asked = AskedSystem(session, EngineSettings.model_validate(session.request["engine"]))
    wanted = {name: Publication.model_validate(each) for name, each in session.request["partitions"].items()}
    try:
        _answer_all(asked, wanted)
    except DamagedLedgerError as error:
        session.say(f"{error}. Opening it again")
        _answer_all(asked, wanted)


def _answer_all(asked: AskedSystem, wanted: dict[str, Publication]) -> None:
    """Answers all personas; those that are published are taken out of `wanted`."""
    refused: list[str] = []
    with asked.open_ledger() as ledger:
        found = {persona: look_up(asked.cells_of(_questions_of(asked, persona)), ledger) for persona in wanted}
        display = _display(asked, found)
        for persona in list(wanted):
            try:
                _answer(asked, ledger, found.pop(persona), wanted[persona], display.partition(persona))
                del wanted[persona]
            except FailedCellsError as error:
                refused.append(f"persona '{persona}': {error}")
    if refused:
        raise FailedCellsError("\n".join(refused))


def _questions_of(asked: AskedSystem, persona: str) -> pd.DataFrame:
    """All of the persona's, or those about the items of its group."""
    return asked.asked_of(persona, asked.session.request["labels"].get(persona))


def _display(asked: AskedSystem, found: dict[str, LookedUp]) -> RunDisplay:
    total = sum(len(looked_up.cells) for looked_up in found.values())
    missing = sum(len(looked_up.missing) for looked_up in found.values())
    return RunDisplay(
        asked.session.say,
        asked.system.slug,
        total=total,
        known=total - missing,
        engine=asked.engine,
        spending=asked.spending,
    )


def _answer(
    asked: AskedSystem, ledger: Ledger, looked_up: LookedUp, publication: Publication, display: PartitionDisplay
) -> None:
    answered = ask_missing(
        looked_up,
        task=asked.task,
        engine=asked.engine,
        ledger=ledger,
        on_standing=display,
        maximum_failed_share=asked.session.request["maximum_failed_share"],
    )
    with publish(**publication.arguments()) as staging:
        written = answered.write(staging.folder / PART)
        staging.rows[PART] = written.rows
        staging.facts.update(written.facts)
    persona = str(looked_up.cells.questions["persona_id"].iloc[0])
    asked.session.published(persona, staging.published, **display.metadata())


if __name__ == "__main__":
    run_worker(work)
