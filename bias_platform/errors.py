"""What can go wrong through a user's doing, and how it is said.

Here: the exception types every room may raise. Not here: handling them; the command line and the
assets print a `UserError` as its sentence and show a traceback for anything else.
"""

from collections.abc import Iterable


class UserError(Exception):
    """A mistake the user can mend. Its text says what is wrong, where, what is allowed, what to do."""


class CatalogError(UserError):
    """One or more wrong catalog entries, all named at once."""


class CorpusError(UserError):
    """A raw file that is missing or does not have the declared shape."""


class TableError(UserError):
    """A table that breaks its schema; the message lists every failure."""


class ArtifactError(UserError):
    """A published artefact is missing, incomplete, damaged or out of date."""


class ModelLoadError(UserError):
    """A model cannot be loaded: gated, missing, damaged or too large for this machine."""


class LedgerBusyError(UserError):
    """Another process is writing the ledger."""


class FailedCellsError(UserError):
    """More cells of a partition failed than its study allows; what was answered is kept."""


class BudgetError(UserError):
    """What may be spent is spent."""


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 row`, `2,000 rows`; `plural` where an s is not enough."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def bullet_list(lines: Iterable[str], limit: int = 50) -> str:
    """Joins problem lines under each other; beyond `limit` it says how many more there are."""
    shown = list(lines)
    rest = len(shown) - limit
    body = "\n".join(f"  - {line}" for line in shown[:limit])
    return body + (f"\n  - ... and {rest} more" if rest > 0 else "")
