"""A table of cells that are all settled: read back from the ledger in parts, parsed, checked, and written.

Whatever was asked when, by how many runs, the parts are the same: they are read from the ledger in the order of the
question ids. Not here: asking (`answering`).
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from bias_platform.catalog.entries import TaskEntry
from bias_platform.errors import TableError
from bias_platform.inference.cells import CellTable
from bias_platform.inference.ledger import LedgerReader
from bias_platform.inference.outcomes import Outcome
from bias_platform.inference.parsers import parse_answer
from bias_platform.schemas import Predictions, validate_table
from bias_platform.storage.table_parts import PART_ROWS, write_parts

_COPIED = ("question_id", "item_id", "persona_id", "template_id", "option_order", "replicate")
_READ = ("outcome", "answer", "option_logprobs", "raw_text", "detail", "finish")
_ARROW_TYPES = {"str": pa.string(), "int64": pa.int64(), "object": pa.list_(pa.float64())}
ARROW_SCHEMA = pa.schema(
    [(name, _ARROW_TYPES[str(column.dtype)]) for name, column in Predictions.to_schema().columns.items()]
)
"""The columns of `Predictions` as Parquet holds them; its one object column holds scores."""


class CellIds:
    """Many cell ids, 16 bytes each.

    Args:
        ids: of 32 hex digits.
    """

    def __init__(self, ids: Iterator[str]) -> None:
        packed = bytearray()
        for cell_id in ids:
            packed += bytes.fromhex(cell_id)
        self._bytes = np.frombuffer(bytes(packed), dtype=np.uint8).reshape(-1, 16)

    def __len__(self) -> int:
        return len(self._bytes)

    def at(self, rows: npt.NDArray[np.int64]) -> list[str]:
        """The ids at some positions, in hex."""
        joined = self._bytes[rows].tobytes().hex()
        return [joined[start : start + 32] for start in range(0, len(joined), 32)]

    @property
    def unique(self) -> bool:
        """Whether no id stands twice."""
        high, low = np.ascontiguousarray(self._bytes).view("<u8").T
        order = np.lexsort((low, high))
        return not bool(((np.diff(high[order]) == 0) & (np.diff(low[order]) == 0)).any())


class Written(NamedTuple):
    """A table that has been written."""

    rows: int
    facts: dict[str, Any]
    """questions, outcomes (kind -> cells), coverage (share answered), yes_rate (of the answered; None: no yes)"""


class AnsweredCells:
    """Cells that are all settled.

    Args:
        cells: whose table it is.
        ids: of all cells, in the order of the questions.
        asked: how many of them were asked now; the others were in the ledger before.
        task: what is written is parsed by its rules of today.
        ledger: holds their outcomes; must stay open as long as parts are read.
        failures: the ones that are to be asked again by the next run, by cell id: the ledger does not count them as
            known.
    """

    def __init__(
        self,
        cells: CellTable,
        ids: CellIds,
        asked: int,
        *,
        task: TaskEntry,
        ledger: LedgerReader,
        failures: Mapping[str, Outcome],
    ) -> None:
        self.asked = asked
        self._cells, self._ids, self._task, self._ledger, self._failures = cells, ids, task, ledger, failures

    def __len__(self) -> int:
        return len(self._cells)

    @property
    def from_ledger(self) -> int:
        """How many had been asked before."""
        return len(self) - self.asked

    def parts(self) -> Iterator[pd.DataFrame]:
        """The table `Predictions`, by question_id, in parts of `PART_ROWS` rows; one without rows if there are none.

        Raises:
            TableError: a part breaks the schema, or an id stands in two of them.
        """
        questions = self._cells.questions["question_id"].to_numpy(dtype=object)
        order = np.argsort(questions, kind="stable")
        self._refuse_doubles(questions[order])
        for start in range(0, max(1, len(order)), PART_ROWS):
            part = self._part(order[start : start + PART_ROWS])
            part = validate_table(part, Predictions, f"predictions of {self._cells.system.slug}")
            # pandera leaves an accessor on the table that refers back to it, and only the garbage collector, which may
            # be long in coming, frees such a circle
            vars(part).pop("pandera", None)
            yield part

    def table(self) -> pd.DataFrame:
        """All parts together: for tables that fit into memory."""
        return pd.concat(self.parts(), ignore_index=True)

    def write(self, path: Path) -> Written:
        """Writes all parts to a Parquet file; equal answers give equal bytes.

        Raises:
            TableError: as of `parts`; the file is then incomplete, and not to be published.
        """
        tally = _Facts(self._task)
        rows = write_parts(tally.counted(self.parts()), path, ARROW_SCHEMA)
        return Written(rows, tally.facts())

    def _part(self, rows: npt.NDArray[np.int64]) -> pd.DataFrame:
        ids = self._ids.at(rows)
        known = parsed_anew(self._ledger.known(ids), self._task).set_index("cell_id")
        table = self._cells.questions.iloc[rows][list(_COPIED)].reset_index(drop=True)
        table.insert(1, "cell_id", ids)
        table.insert(3, "system", self._cells.system.slug)
        places = known.index.get_indexer(pd.Index(ids, dtype=object))
        failures = {at: self._failure(ids[at]) for at in np.flatnonzero(places < 0).tolist()}
        for column in _READ:
            values = np.empty(len(ids), dtype=object)
            found = places >= 0
            values[found] = known[column].to_numpy(dtype=object)[places[found]]
            for at, failure in failures.items():
                values[at] = getattr(failure, column)
            table[column] = values
        return table

    def _failure(self, cell_id: str) -> Outcome:
        if cell_id not in self._failures:
            raise RuntimeError(f"cell {cell_id} was settled, and the ledger {self._ledger.path} does not hold it")
        return self._failures[cell_id]

    def _refuse_doubles(self, ordered_questions: npt.NDArray[np.object_]) -> None:
        doubled = int((ordered_questions[1:] == ordered_questions[:-1]).sum())
        if doubled or not self._ids.unique:
            what = f"{doubled:,} question ids" if doubled else "cell ids"
            raise TableError(
                f"table 'predictions of {self._cells.system.slug}' would hold {what} twice; materialize its questions "
                "again"
            )


class _Facts:
    """Counts parts as they pass."""

    def __init__(self, task: TaskEntry) -> None:
        self._task = task
        self._outcomes: Counter[str] = Counter()
        self._yes = 0

    def counted(self, parts: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for part in parts:
            self._outcomes.update(part["outcome"].tolist())
            self._yes += int(part["answer"].isin(self._task.positive).sum())
            yield part

    def facts(self) -> dict[str, Any]:
        total, answered = self._outcomes.total(), self._outcomes["answered"]
        return {
            "questions": total,
            "outcomes": {kind: self._outcomes[kind] for kind in sorted(self._outcomes) if self._outcomes[kind]},
            "coverage": answered / total if total else None,
            "yes_rate": self._yes / answered if answered and self._task.positive else None,
        }


def parsed_anew(known: pd.DataFrame, task: TaskEntry) -> pd.DataFrame:
    """Outcomes from the ledger, written ones read by today's parser (columns outcome, answer and detail)."""
    written = known["raw_text"].notna() & known["finish"].notna()
    if not written.any():
        return known
    rows = known.loc[written, ["raw_text", "finish"]].itertuples(index=False)
    parsed = [parse_answer(text, finish, task) for text, finish in rows]
    known = known.copy()
    known.loc[written, ["outcome", "answer", "detail"]] = pd.DataFrame(parsed, dtype=object).to_numpy()
    return known
