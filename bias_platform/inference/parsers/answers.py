"""The parser of each kind of answer, and the outcomes it may return."""

from typing import Literal, NamedTuple

from bias_platform.catalog.entries import TaskEntry

OutcomeKind = Literal["answered", "refused", "invalid", "truncated", "failed"]
"""Only `answered` carries an answer; `failed` is the engine's doing, the others the model's."""


class ParsedAnswer(NamedTuple):
    """What was made of a text."""

    outcome: OutcomeKind
    answer: str | None
    """exactly when answered: an option; a JSON array of options; a sentence; a text"""
    detail: str | None
    """why there is none: a short constant reason, a colon, then particulars"""


def parse_answer(text: str, finish: str, task: TaskEntry) -> ParsedAnswer:
    """Reads an answer off what a model wrote."""
    if finish == "length":
        return ParsedAnswer("truncated", None, "truncated: the longest answer was reached")
    word = text.strip()
    if word in task.option_values:
        return ParsedAnswer("answered", word, None)
    return ParsedAnswer("invalid", None, "no option: " + word[:80])
