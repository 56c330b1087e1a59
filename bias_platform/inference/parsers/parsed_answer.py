"""What a parser returns: an outcome with its answer, or with the reason why there is none."""

from typing import Literal, NamedTuple

OutcomeKind = Literal["answered", "refused", "invalid", "truncated", "failed"]
"""Only `answered` carries an answer; `failed` is the engine's doing, the others the model's."""

_LONGEST_EXCERPT = 80


class ParsedAnswer(NamedTuple):
    """What was made of a text."""

    outcome: OutcomeKind
    answer: str | None
    """exactly when answered: an option; a JSON array of options; a sentence; a text"""
    detail: str | None
    """why there is none: a short constant reason, a colon, then particulars"""


def answered(answer: str) -> ParsedAnswer:
    """The model gave this answer of the task."""
    return ParsedAnswer("answered", answer, None)


def invalid(reason: str, particulars: str) -> ParsedAnswer:
    """The model wrote something, but no answer of the task."""
    return ParsedAnswer("invalid", None, f"{reason}: {excerpt(particulars)}")


def refused(reason: str, particulars: str) -> ParsedAnswer:
    """The model, or the filter before it, declined."""
    return ParsedAnswer("refused", None, f"{reason}: {excerpt(particulars)}")


def truncated(particulars: str) -> ParsedAnswer:
    """The model had not finished."""
    return ParsedAnswer("truncated", None, f"truncated: {particulars}")


def excerpt(text: str) -> str:
    """The beginning of a text on one line, at most 80 characters; halves of surrogate pairs, unwritable, are escaped.

    >>> excerpt("  I would\\n not say.  ")
    'I would not say.'
    """
    writable = text[: 10 * _LONGEST_EXCERPT].encode("utf-8", "backslashreplace").decode("utf-8")
    return " ".join(writable.split())[:_LONGEST_EXCERPT].rstrip()
