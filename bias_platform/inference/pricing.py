"""What a study would take if it were asked now: cells, tokens, time, money. Loads no weights and asks nobody."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from bias_platform.catalog.description import questions_per_item
from bias_platform.catalog.engine_settings import Budget, EngineSettings, Price
from bias_platform.catalog.entries import Catalog, StudyEntry
from bias_platform.catalog.systems import parse_system, study_systems
from bias_platform.errors import ArtifactError, ModelLoadError
from bias_platform.inference.answering import look_up
from bias_platform.inference.cells import CellTable, SystemIdentity
from bias_platform.inference.engines.base import EngineIdentity, Image, Usage
from bias_platform.inference.engines.registry import SERVED, engine_entry, engine_identity
from bias_platform.inference.ledger import LedgerRate, LedgerReader
from bias_platform.inference.local_tokenizer import local_tokenizer, tokenizer_signature
from bias_platform.inference.pictures import shown_images
from bias_platform.inference.spending import Spending
from bias_platform.inference.token_counts import TokenCount, TokenCounter, characters_count
from bias_platform.models.source import ModelSource
from bias_platform.models.system import ResolvedSystem, located
from bias_platform.prompts.rendering import Renderer
from bias_platform.prompts.sampling import draw_items
from bias_platform.storage import Lake, read_table
from bias_platform.storage.names import GROUP_ITEMS, ITEMS, PERSONAS, PICTURES, QUESTIONS, SYSTEM

_UNPUBLISHED = "its questions are not materialized yet, so cells are counted from the catalog, and no tokens"


class SystemPrice(NamedTuple):
    """What asking a study of one system would take."""

    system: str
    cells: int | None
    """None: nobody knows yet how many items there are"""
    known: int | None
    """in the ledger; None: not known, so that all cells count as to be asked"""
    to_ask: int | None
    """by a run now"""
    tokens: TokenCount | None
    """read for the cells to ask; None: unknown"""
    written: float | None
    """tokens written to the cells to ask; None: unknown"""
    written_at_most: bool
    """`written` is the longest allowed, because nothing was measured"""
    seconds: float | None
    """None: never measured"""
    bought: bool
    """an endpoint is paid for it, or might be"""
    cost: float | None
    """None: nothing, or nobody knows"""
    currency: str | None
    spent: Usage
    """tokens before, of all studies that put this task to the system"""
    spent_money: float
    """what those cost"""
    remarks: tuple[str, ...]
    """what the figures do not tell"""


class _Asked(NamedTuple):
    """What a study asks, as published."""

    questions: pd.DataFrame
    items: pd.DataFrame
    renderer: Renderer
    images: dict[str, Image]
    """by item id"""
    groups: pd.DataFrame | None
    """which items systems of groups are asked about; None: all"""

    @classmethod
    def read(cls, catalog: Catalog, lake: Lake, study: str) -> Self | None:
        """None: not published yet."""
        folder, entry = lake.questions(study), catalog.studies[study]
        try:
            tables = [read_table(folder / name, study) for name in (QUESTIONS, ITEMS, PERSONAS)]
        except ArtifactError:
            return None
        templates, task = dict(catalog.template_sets[entry.template_set].templates), catalog.tasks[entry.task]
        images = shown_images(tables[1], task.shown, lake.corpus(entry.corpus) / PICTURES)
        groups = folder / GROUP_ITEMS
        own = read_table(groups, study) if groups.is_file() else None
        return cls(tables[0], tables[1], Renderer(task, tables[2], templates), images, own)

    def of(self, study: StudyEntry, system: str) -> Self:
        """What one system is asked: everything, or what its groups are."""
        own = [(each.persona, each.labels) for each in study.group_systems if each.system == system]
        if not own:
            return self
        parts = [self._of_group(persona, labels) for persona, labels in own]
        return self._replace(questions=pd.concat(parts, ignore_index=True))

    def _of_group(self, persona: str, labels: str | None) -> pd.DataFrame:
        questions = self.questions[self.questions["persona_id"] == persona]
        if labels is None or self.groups is None:
            return questions
        of_group = self.groups[(self.groups["persona_id"] == persona) & (self.groups["labels"] == labels)]
        return questions[questions["item_id"].isin(of_group["item_id"])]


class _Unknown(NamedTuple):
    """Stands for a system of which only the name is known."""

    slug: str
    identity: str = "unknown"


_UNKNOWN_ENGINE = EngineIdentity("unknown", "unknown", "unknown")


class _Found(NamedTuple):
    """Which cells a system would be asked."""

    cells: CellTable
    missing: npt.NDArray[np.int64]
    tokenizer: Any | None = None
    remarks: tuple[str, ...] = ()
    looked_up: bool = True
    """in the ledger; False: its cells cannot be identified"""


def price_study(catalog: Catalog, lake: Lake, study: str) -> list[SystemPrice]:
    """Prices every system of a study, from what the lake and the ledgers hold now.

    Args:
        catalog: checked.
        lake: of the catalog.
        study: one of the catalog's.

    Raises:
        DamagedLedgerError: a ledger cannot be read.
        CorpusError: the items that the study declares cannot be drawn.
    """
    pricing = _Pricing(catalog, lake, study)
    return [pricing.price(system) for system in study_systems(catalog.studies[study])]


class _Pricing:
    """Prices systems; tokens of what several of them are asked are counted once."""

    def __init__(self, catalog: Catalog, lake: Lake, study: str) -> None:
        self.catalog, self.lake, self.study = catalog, lake, catalog.studies[study]
        self.task = catalog.tasks[self.study.task]
        self.asked = _Asked.read(catalog, lake, study)
        self.declared = None if self.asked else _declared_cells(catalog, lake, self.study)
        self.served = not engine_entry(self.study.engine.name).has_weights
        self._counted: dict[tuple[str, bytes], TokenCount] = {}

    def price(self, slug: str) -> SystemPrice:
        with LedgerReader(self.lake.ledger(slug, self.study.task)) as ledger:
            rate, spent = ledger.rate(), ledger.spent()
            found = self._find(slug, self.asked.of(self.study, slug), ledger) if self.asked else None
        # how many items a group labels is not known before its corpus is read
        declared = self.declared if slug in self.study.systems else None
        to_ask = len(found.missing) if found else declared
        tokens = self._tokens(found, rate) if found else _measured(to_ask, rate)
        written, at_most = self._written(to_ask, rate)
        cost, currency, remarks = self._cost(slug, tokens, written, rate)
        return SystemPrice(
            system=slug,
            cells=len(found.cells) if found else to_ask,
            known=len(found.cells) - len(found.missing) if found and found.looked_up else None,
            to_ask=to_ask,
            tokens=tokens,
            written=written,
            written_at_most=at_most,
            seconds=to_ask / rate.cells_per_second if rate and to_ask is not None else None,
            bought=self.served,
            cost=cost,
            currency=currency,
            spent=spent,
            spent_money=Spending(price=self._price(slug)).cost(spent),
            remarks=(found.remarks if found else (_UNPUBLISHED,)) + remarks,
        )

    def _find(self, slug: str, asked: _Asked, ledger: LedgerReader) -> _Found:
        system = self._resolved(slug)
        if system is None:
            return self._all(slug, asked, "is not materialized yet, so all its cells count as to be asked")
        if self.served:
            table = self._table(asked, system, engine_identity(self.study.engine, SERVED))
            return _Found(table, look_up(table, ledger).missing)
        try:
            tokenizer = local_tokenizer(system.source)
        except ModelLoadError as error:
            return self._all(slug, asked, f"cannot be asked as it is: {error}")
        if tokenizer is None:
            return self._all(slug, asked, "has no tokenizer on this machine, so all its cells count as to be asked")
        table = self._table(asked, system, identity_by(self.study.engine, tokenizer, system.source))
        return _Found(table, look_up(table, ledger).missing, tokenizer)

    def _resolved(self, slug: str) -> ResolvedSystem | None:
        path = self.lake.system(slug) / SYSTEM
        if not path.is_file():
            return None
        return located(ResolvedSystem.model_validate_json(path.read_text("utf-8")), self.lake.home)

    def _all(self, slug: str, asked: _Asked, remark: str) -> _Found:
        """Every cell, of a system that cannot be looked up."""
        table = self._table(asked, _Unknown(slug), _UNKNOWN_ENGINE)
        return _Found(table, np.arange(len(table)), None, (remark,), looked_up=False)

    def _table(self, asked: _Asked, system: SystemIdentity, engine: EngineIdentity) -> CellTable:
        return CellTable(
            asked.questions,
            asked.items,
            renderer=asked.renderer,
            system=system,
            settings=self.study.engine,
            engine=engine,
            images=asked.images,
        )

    def _tokens(self, found: _Found, rate: LedgerRate | None) -> TokenCount:
        if found.tokenizer is None:
            scored_here = self.study.engine.ask == "score" and not self.served
            sequences = len(self.task.options) if scored_here else 1
            return _measured(len(found.missing), rate) or characters_count(found.cells, found.missing, sequences)
        key = (tokenizer_signature(found.tokenizer), found.missing.tobytes())
        if key not in self._counted:
            self._counted[key] = TokenCounter(found.tokenizer, self.task).count(found.cells, found.missing)
        return self._counted[key]

    def _written(self, to_ask: int | None, rate: LedgerRate | None) -> tuple[float | None, bool]:
        """Tokens written, and whether that is the most that is allowed."""
        if to_ask is None:
            return None, False
        if self.study.engine.ask == "score":
            return float(to_ask if self.served else 0), False  # an endpoint writes the token whose likelihood it tells
        if rate is not None and rate.usage.output_tokens:
            return to_ask * rate.usage.output_tokens / rate.cells, False
        return float(to_ask * self.study.engine.decoding.maximum_tokens), True

    def _cost(
        self, slug: str, tokens: TokenCount | None, written: float | None, rate: LedgerRate | None
    ) -> tuple[float | None, str | None, tuple[str, ...]]:
        """Money, its currency, and what is to be said of it."""
        if not self.served:
            return None, None, ()
        price = self._price(slug)
        if price is None:
            return None, None, ("has no `price` in its model's entry, so what it costs is not known",)
        if tokens is None or written is None:
            return None, price.currency, ()
        cached = rate.usage.cached_tokens / rate.usage.input_tokens if rate and rate.usage.input_tokens else 0.0
        usage = Usage(round(tokens.full), round(written), round(tokens.full * cached))
        return Spending(price=price).cost(usage), price.currency, ()

    def _price(self, slug: str) -> Price | None:
        return self.catalog.models[parse_system(slug).base].price if self.served else None


def budget_warnings(budget: Budget, prices: Sequence[SystemPrice]) -> list[str]:
    """What of a study's budget would be passed, what was spent before counted in.

    Args:
        budget: the study's.
        prices: of all its systems.
    """
    tokens = sum(price.spent.input_tokens + price.spent.output_tokens for price in prices)
    tokens += round(sum((price.tokens.full if price.tokens else 0) + (price.written or 0) for price in prices))
    money = sum(price.spent_money + (price.cost or 0) for price in prices)
    warnings = []
    if budget.tokens is not None and tokens > budget.tokens:
        warnings.append(f"the budget of {budget.tokens:,} tokens would end the run early: it is {tokens:,} in all")
    if budget.money is not None and money > budget.money:
        warnings.append(f"the budget of {budget.money:,.2f} would end the run early: it is {money:,.2f} in all")
    return warnings


def identity_by(settings: EngineSettings, tokenizer: Any, source: ModelSource) -> EngineIdentity:
    """The identity that the engine of these settings will have, by a tokenizer that is loaded already."""
    from bias_platform.models.chat import chat_template_hash

    return engine_identity(settings, chat_template_hash(tokenizer, source.title))


def _declared_cells(catalog: Catalog, lake: Lake, study: StudyEntry) -> int | None:
    """What one system will be asked, from the catalog; None if that depends on a corpus that is not there yet."""
    each = questions_per_item(catalog, study)
    if study.items.n is not None:
        return study.items.n * each
    try:
        items = read_table(lake.corpus(study.corpus) / ITEMS, f"corpora/{study.corpus}")
    except ArtifactError:
        return None
    return len(draw_items(items, study.items)) * each


def _measured(cells: int | None, rate: LedgerRate | None) -> TokenCount | None:
    """What the system read for each of the last cells; None where its engine told no tokens."""
    if cells is None or rate is None or not rate.usage.input_tokens:
        return None
    return TokenCount(cells * rate.usage.input_tokens / rate.cells, 0.0, None, "ledger")
