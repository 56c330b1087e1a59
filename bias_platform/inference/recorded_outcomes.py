"""Answers recorded elsewhere become outcomes of a study's cells, as if the study's engine had just written them.

That they were written by the very system, to the very questions, with the very settings is the word of whoever imports
them. What the ledger holds already stays as it is.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pandas as pd

from bias_platform.catalog.entries import TaskEntry
from bias_platform.corpora.cleaning import clean_text
from bias_platform.inference.cells import CellTable
from bias_platform.inference.ledger import Ledger
from bias_platform.inference.outcomes import Outcome, written_outcome
from bias_platform.inference.wide_results import Asked, RecordedRow, generation_of, read_completion
from bias_platform.prompts.rendering import canonical_order

_OUTCOMES_AT_ONCE = 2048


@dataclass
class ImportReport:
    """What became of recorded answers."""

    rows: int = 0
    rows_without_item: list[int] = field(default_factory=list)
    """numbers of rows whose post is not among the study's items"""
    repeated_rows: list[int] = field(default_factory=list)
    """numbers of rows whose post came before; only the first one counts"""
    not_asked: int = 0
    """answers to questions that the study does not ask"""
    already_known: int = 0
    imported: Counter[str] = field(default_factory=Counter)
    """outcome -> cells"""
    unreadable_completions: int = 0
    """answers whose chat completion is none: taken without it, as if writing had ended by itself"""
    models: Counter[str] = field(default_factory=Counter)
    """the model that the chat completions name -> cells"""


class Recorder:
    """Files recorded answers under a study's cells.

    Args:
        cells: of the study's questions, put to the system that wrote the answers. A question stands for all its
            replicates: the first one is meant, with the options in canonical order.
        items: a table `Items`.
        decode_html: as the corpus was read.
        task: by whose rules the answers are read.
        ledger: of the system at the task.
    """

    def __init__(
        self, cells: CellTable, items: pd.DataFrame, *, decode_html: bool, task: TaskEntry, ledger: Ledger
    ) -> None:
        self.report = ImportReport()
        self._task, self._ledger, self._decode_html = task, ledger, decode_html
        self._items: dict[str, str] = dict(zip(items["text"], items["item_id"], strict=True))
        self._cells = _cells_by_question(cells, task)
        self._seen: set[str] = set()
        self._waiting: dict[str, Outcome] = {}
        self._models: dict[str, str] = {}

    def take(self, rows: Iterable[RecordedRow]) -> ImportReport:
        """Imports answers; what was taken before an error stays."""
        try:
            for row in rows:
                self._take_row(row)
                if len(self._waiting) >= _OUTCOMES_AT_ONCE:
                    self._append()
        finally:
            self._append()
        return self.report

    def _take_row(self, row: RecordedRow) -> None:
        self.report.rows += 1
        item = self._items.get(clean_text(row.post, self._decode_html))
        if item is None:
            self.report.rows_without_item.append(row.number)
            return
        if item in self._seen:
            self.report.repeated_rows.append(row.number)
            return
        self._seen.add(item)
        for asked, text, completion in row.answers:
            self._take_answer(item, asked, text, completion)

    def _take_answer(self, item: str, asked: Asked, text: str, completion: str | None) -> None:
        cell_id = self._cells.get(asked, {}).get(item)
        if cell_id is None:
            self.report.not_asked += 1
            return
        said = read_completion(completion)
        self.report.unreadable_completions += not said.readable
        if said.model:
            self._models[cell_id] = said.model
        self._waiting[cell_id] = written_outcome(cell_id, item, generation_of(text, said), self._task)

    def _append(self) -> None:
        known = set(self._ledger.known(list(self._waiting))["cell_id"])
        new = [outcome for cell_id, outcome in self._waiting.items() if cell_id not in known]
        self._ledger.append(new, origin="imported")
        self.report.already_known += len(known)
        self.report.imported.update(outcome.outcome for outcome in new)
        self.report.models.update(self._models[o.cell_id] for o in new if o.cell_id in self._models)
        self._waiting, self._models = {}, {}


def _cells_by_question(cells: CellTable, task: TaskEntry) -> Mapping[Asked, dict[str, str]]:
    """What was asked -> item id -> cell id."""
    questions = cells.questions
    kept = (questions["replicate"] == 0) & (questions["option_order"] == canonical_order(task))
    templates = questions["template_id"].astype(object).where(questions["template_id"].notna(), None)
    found: dict[Asked, dict[str, str]] = {}
    rows = zip(kept, questions["persona_id"], templates, questions["item_id"], cells.ids(), strict=True)
    for is_kept, persona, template, item, cell_id in rows:
        if is_kept:
            found.setdefault((persona, template), {})[item] = cell_id
    return found
