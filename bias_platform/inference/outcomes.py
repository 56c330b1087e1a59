"""What can come of a cell, and how an answer is read off the scores of its options."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bias_platform.catalog.entries import TaskEntry
from bias_platform.inference.engines.base import Failure, Finish, FloatArray, Generation
from bias_platform.inference.parsers import OutcomeKind, parse_answer


class Outcome(NamedTuple):
    """What came of one cell."""

    cell_id: str
    item_id: str
    """whose text was judged, so that a withdrawn post's outcomes can be found"""
    outcome: OutcomeKind
    answer: str | None = None
    """an option of the task, exactly when answered"""
    option_logprobs: FloatArray | None = None
    """natural logarithms in canonical order; scored tasks only"""
    raw_text: str | None = None
    """what the model wrote, whole and unchanged; generated answers only"""
    detail: str | None = None
    """why there is no answer"""
    transient: bool = False
    """a failure that is worth asking again"""
    finish: Finish | None = None
    """why writing ended; generated answers only"""
    input_tokens: int = 0
    """read for this cell alone, where the engine tells"""
    output_tokens: int = 0
    """written for it"""


class Choice(NamedTuple):
    """An answer read off scores."""

    outcome: OutcomeKind
    answer: str | None
    detail: str | None


def choose(logprobs: FloatArray, options: Sequence[str]) -> Choice:
    """The option with the highest score.

    Several with exactly that score: `invalid`, detail "tie". A score that is no finite number: `failed`.

    >>> choose(np.array([-1.5, -0.25]), ["Yes", "No"])
    Choice(outcome='answered', answer='No', detail=None)
    """
    if not np.isfinite(logprobs).all():
        return Choice("failed", None, "scores are not finite")
    best = np.flatnonzero(logprobs == logprobs.max())
    if len(best) > 1:
        return Choice("invalid", None, "tie: " + " = ".join(options[int(place)] for place in best))
    return Choice("answered", options[int(best[0])], None)


def scored_outcome(cell_id: str, item_id: str, logprobs: FloatArray, options: Sequence[str]) -> Outcome:
    """The outcome of a scored cell."""
    choice = choose(logprobs, options)
    return Outcome(cell_id, item_id, choice.outcome, choice.answer, logprobs, None, choice.detail)


def written_outcome(cell_id: str, item_id: str, generation: Generation, task: TaskEntry) -> Outcome:
    """The outcome of a cell that was written."""
    # half a character, which neither the ledger nor a table can hold, becomes a question mark
    text = generation.text.encode("utf-8", "replace").decode()
    parsed = parse_answer(text, generation.finish, task)
    return Outcome(
        cell_id,
        item_id,
        parsed.outcome,
        parsed.answer,
        raw_text=text,
        detail=parsed.detail,
        finish=generation.finish,
        input_tokens=generation.input_tokens,
        output_tokens=generation.output_tokens,
    )


def failed_outcome(cell_id: str, item_id: str, failure: Failure) -> Outcome:
    """The outcome of a cell the engine could not ask."""
    return Outcome(cell_id, item_id, "failed", detail=failure.detail, transient=failure.transient)
