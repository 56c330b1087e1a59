"""A ledger's rows: what of an outcome is stored, its checksum, and what must hold of every row.

Not here: the file (`ledger_file`) and the batches that rows came in (`ledger_batches`).
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, get_args

import numpy as np

from bias_platform.inference.engines.base import Finish
from bias_platform.inference.outcomes import Outcome
from bias_platform.inference.parsers import OutcomeKind

STORED = (
    "cell_id",
    "item_id",
    "outcome",
    "answer",
    "option_logprobs",
    "raw_text",
    "detail",
    "transient",
    "finish",
    "input_tokens",
    "output_tokens",
)
"""The columns of an outcome, in the order of every row here; the checksum covers them all."""

Row = tuple[Any, ...]
"""Values of `STORED` as SQLite holds them: cell_id as 16 bytes, log-probabilities as little-endian float64."""

_CELL_BYTES = 16
_OUTCOMES = frozenset(get_args(OutcomeKind))
_FINISHES = frozenset(get_args(Finish))


def stored_row(outcome: Outcome) -> Row:
    """The row of an outcome.

    Raises:
        ValueError: the cell id is not hexadecimal, or an answer does not go with the outcome.
    """
    cell_id = bytes.fromhex(outcome.cell_id)
    if (outcome.answer is None) == (outcome.outcome == "answered"):
        raise ValueError(f"cell {outcome.cell_id}: an answer is there exactly when the outcome is 'answered'")
    scores = outcome.option_logprobs
    return (
        cell_id,
        outcome.item_id,
        outcome.outcome,
        outcome.answer,
        None if scores is None else np.ascontiguousarray(scores, dtype="<f8").tobytes(),
        outcome.raw_text,
        outcome.detail,
        int(outcome.transient),
        outcome.finish,
        outcome.input_tokens,
        outcome.output_tokens,
    )


def row_checksum(values: Iterable[Any]) -> int:
    """A signed 64-bit hash that changes with any value, its type and its place.

    >>> row_checksum(["a", 1]) == row_checksum(["a", 1]) != row_checksum(["a", "1"])
    True
    """
    parts: list[bytes] = []
    for value in values:
        if value is None:
            parts.append(b"-")
        elif value.__class__ is str:
            # what is no UTF-8 in a damaged file is read with escapes, and hashed as the bytes that lie there
            encoded = value.encode("utf-8", "surrogateescape")
            parts.append(b"s%d:" % len(encoded))
            parts.append(encoded)
        elif value.__class__ is bytes:
            parts.append(b"b%d:" % len(value))
            parts.append(value)
        else:
            parts.append(b"n%b:" % repr(value).encode())
    return int.from_bytes(hashlib.blake2b(b"".join(parts), digest_size=8).digest(), "little", signed=True)


def checksum_sum(checksums: Iterable[int]) -> int:
    """The sum modulo 2**64 as a signed number: neither order nor grouping counts, and a part can be taken out again.

    >>> checksum_sum([2**63 - 1, 1]) == -(2**63)
    True
    """
    return (sum(checksums) + 2**63) % 2**64 - 2**63


def row_flaw(row: Row) -> str | None:
    """What of an outcome's row cannot be, whatever its checksum says; None if all is as it must be."""
    cell_id, item_id, outcome, answer, scores, raw_text, detail, transient, finish, read, written = row
    problems = {
        "a cell id that is not 16 bytes": not (isinstance(cell_id, bytes) and len(cell_id) == _CELL_BYTES),
        "no item": not (_is_text(item_id) and item_id),
        "an unknown outcome": outcome not in _OUTCOMES,
        "an answer that does not go with its outcome": (answer is not None) != (outcome == "answered"),
        "scores that are no numbers": not (scores is None or (isinstance(scores, bytes) and _are_numbers(scores))),
        "a text that is none": not all(text is None or _is_text(text) for text in (answer, raw_text, detail)),
        "a passing failure that is none": transient not in (0, 1) or (transient == 1 and outcome != "failed"),
        "an unknown ending": finish is not None and finish not in _FINISHES,
        "tokens that are no count": not all(isinstance(count, int) and count >= 0 for count in (read, written)),
    }
    return next((problem for problem, holds in problems.items() if holds), None)


def score_array(scores: bytes | None) -> np.ndarray | None:
    """Stored log-probabilities as float64."""
    return None if scores is None else np.frombuffer(scores, dtype="<f8")


def lasting_text(stored: bytes) -> str:
    """Reads text as SQLite holds it; bytes that are no UTF-8, which only damage brings, are kept as escapes."""
    return stored.decode("utf-8", "surrogateescape")


def marks(values: Sequence[object]) -> str:
    """The place holders of an SQL list."""
    return ",".join("?" * len(values))


def _are_numbers(scores: bytes) -> bool:
    return len(scores) > 0 and len(scores) % 8 == 0


def _is_text(value: object) -> bool:
    if not isinstance(value, str):
        return False
    return not any("\ud800" <= character <= "\udfff" for character in value) if not value.isascii() else True
