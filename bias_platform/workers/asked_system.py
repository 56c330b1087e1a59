"""A system that a worker puts questions to: what is asked, how, by which engine, and what may be spent on it."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from bias_platform.catalog.engine_settings import Budget, EngineSettings, Price
from bias_platform.catalog.entries import TaskEntry
from bias_platform.errors import UserError
from bias_platform.inference.cells import CellTable
from bias_platform.inference.endpoints.endpoint import address_of, base_url_of, leaves_machine
from bias_platform.inference.engines.base import NO_USAGE, LazyEngine
from bias_platform.inference.engines.registry import EngineOrder, identity_for, lazy_engine
from bias_platform.inference.ledger import Ledger, LedgerReader
from bias_platform.inference.ledger_recovery import open_or_recover
from bias_platform.inference.pictures import shown_images, verify_images
from bias_platform.inference.spending import Spending, cost_of
from bias_platform.models.system import ResolvedSystem, located
from bias_platform.prompts.rendering import Renderer
from bias_platform.storage import read_table
from bias_platform.storage.names import GROUP_ITEMS, ITEMS, PERSONAS, QUESTIONS
from bias_platform.workers.session import Session
from bias_platform.workers.weights import verify_weights


class AskedSystem:
    """What all personas of a system share; the model is loaded only when there is something to ask.

    Args:
        session: whose request holds study, lake (folder), system (path), task, templates, questions (folder), pictures
            (folder, of the corpus), ledger (path), published (paths of tables that hold what the ledger does, should it
            be damaged), text_may_leave_machine, and spending (budget, price, others: ledgers and prices of the study's
            other systems).
        settings: how the questions are put.
    """

    def __init__(self, session: Session, settings: EngineSettings) -> None:
        request = session.request
        self.session, self.settings = session, settings
        system = ResolvedSystem.model_validate_json(Path(request["system"]).read_text("utf-8"))
        self.system = located(system, Path(request["lake"]))
        self.task = TaskEntry.model_validate(request["task"])
        folder = Path(request["questions"])
        self.questions = read_table(folder / QUESTIONS, request["study"])
        self.items = read_table(folder / ITEMS, request["study"])
        self.renderer = Renderer(self.task, read_table(folder / PERSONAS, request["study"]), request["templates"])
        self.images = shown_images(self.items, self.task.shown, Path(request["pictures"]))
        self.ledger_path = Path(request["ledger"])
        self._keep_texts_here()

    @cached_property
    def spending(self) -> Spending:
        """What may still be spent, all systems of the study counted."""
        declared = self.session.request["spending"]
        price = _price(declared["price"])
        others = [(Path(other["ledger"]), _price(other["price"])) for other in declared["others"]]
        spent, money = NO_USAGE, 0.0
        for path, paid in [(self.ledger_path, price), *others]:
            with LedgerReader(path) as ledger:
                usage = ledger.spent()
            spent, money = spent.plus(usage), money + cost_of(usage, paid)
        return Spending(Budget.model_validate(declared["budget"]), price, spent, money)

    @cached_property
    def engine(self) -> LazyEngine:
        """Loads the system with the first question."""
        order = EngineOrder(self.system, self.settings, identity_for(self.settings, self.system), self.spending)
        return lazy_engine(order, before=self._before_loading)

    def open_ledger(self) -> Ledger:
        """The system's ledger at the study's task, for writing."""
        published = [Path(path) for path in self.session.request["published"]]
        return open_or_recover(self.ledger_path, published, on_wait=self.session.say, say=self.session.say)

    def cells_of(self, questions: pd.DataFrame, repetition: str = "") -> CellTable:
        """Questions as cells of this system; `repetition` as of `CellTable`."""
        return CellTable(
            questions,
            self.items,
            renderer=self.renderer,
            system=self.system,
            settings=self.settings,
            engine=self.engine.identity,
            images=self.images,
            repetition=repetition,
        )

    def asked_of(self, persona: str, labels: str | None = None) -> pd.DataFrame:
        """The questions of one persona; with a label policy, those about the items that it labels for its group."""
        questions = self.questions[self.questions["persona_id"] == persona]
        if labels is None:
            return questions
        groups = read_table(Path(self.session.request["questions"]) / GROUP_ITEMS, self.session.request["study"])
        of_group = groups[(groups["persona_id"] == persona) & (groups["labels"] == labels)]
        return questions[questions["item_id"].isin(of_group["item_id"])]

    def _keep_texts_here(self) -> None:
        """Before anything is rendered: nothing of a corpus goes to another machine unless the corpus lets it."""
        endpoint = self.system.source.endpoint
        if endpoint is None or self.session.request["text_may_leave_machine"]:
            return
        url = base_url_of(endpoint)
        if leaves_machine(url):
            raise UserError(
                f"the posts of this study's corpus may not leave this machine, and endpoint '{endpoint}' "
                f"({address_of(url)}) is another one; set text_may_leave_machine: true in the corpus's entry if its "
                "terms and the people in it allow that, or serve the model here"
            )

    def _before_loading(self) -> None:
        verify_images(self.images, Path(self.session.request["pictures"]).parent.name)
        self.session.say(f"loading {self.system.slug}")
        verify_weights(self.system.source, self.system.adapter)


def _price(declared: Mapping[str, Any] | None) -> Price | None:
    return Price.model_validate(declared) if declared else None
