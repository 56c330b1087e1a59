"""Outcomes made up for tests of the ledger, and ledgers of earlier days."""

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np

from bias_platform.inference.outcomes import Outcome

SCORES = np.array([-0.1, -2.5, -np.pi])

_FIRST_SHAPE = """
CREATE TABLE IF NOT EXISTS cells (
  cell_id BLOB PRIMARY KEY NOT NULL,
  item_id TEXT NOT NULL,
  outcome TEXT NOT NULL,
  answer TEXT,
  option_logprobs BLOB,
  raw_text TEXT,
  detail TEXT,
  transient INTEGER NOT NULL
)
"""


def cell(number: int) -> str:
    return f"{number:032x}"


def answered(number: int, answer: str = "Yes", item: str = "item") -> Outcome:
    return Outcome(cell(number), item, "answered", answer, SCORES - number)


def written(number: int, text: str = "Yes.") -> Outcome:
    return Outcome(
        cell(number), f"item{number}", "answered", "Yes", raw_text=text, finish="stop", input_tokens=50, output_tokens=2
    )


def failed(number: int, *, transient: bool) -> Outcome:
    return Outcome(cell(number), "item", "failed", detail="out of memory: 9 tokens", transient=transient)


def write_first_shape(path: Path, cells: int) -> None:
    """A ledger as the first version wrote it: scored answers, and one cell that failed for the time being."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scored = [
        (
            bytes.fromhex(cell(number)),
            "item",
            "answered",
            "Yes",
            (SCORES - number).astype("<f8").tobytes(),
            None,
            None,
            0,
        )
        for number in range(cells)
    ]
    gone = (bytes.fromhex(cell(cells)), "item", "failed", None, None, None, "out of memory: 9 tokens", 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN")
        connection.execute(_FIRST_SHAPE)
        connection.execute(f"PRAGMA application_id = {0x42494153}")
        connection.execute("PRAGMA user_version = 1")
        connection.executemany("INSERT INTO cells VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [*scored, gone])
        connection.execute("COMMIT")
