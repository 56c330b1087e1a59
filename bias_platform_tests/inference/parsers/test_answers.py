"""What holds for all kinds of answers: how writing ended, reasoning, emptiness, free text."""

import pytest

from bias_platform.catalog.entries import OptionEntry, TaskEntry
from bias_platform.inference.parsers import (
    parse_answer,
)
from bias_platform_tests.inference.parsers.declared_tasks import CLOSED, LABELS, MEME, OFFENSIVE, TEXT

KINDS = (*CLOSED, LABELS, MEME, TEXT)


@pytest.mark.parametrize("text", ["Yes", "", "No opinion", "I'm sorry, but I can't assist with that.", "[]"])
def test_what_was_cut_is_no_answer_whatever_it_says(text: str) -> None:
    """ "No" may have been the beginning of "No opinion"."""
    for task in KINDS:
        assert parse_answer(text, "length", task) == ("truncated", None, "truncated: the longest answer was reached")


@pytest.mark.parametrize("text", ["Yes", "", "The meme mocks"])
def test_what_a_filter_took_away_is_a_refusal(text: str) -> None:
    for task in KINDS:
        assert parse_answer(text, "filter", task) == ("refused", None, "refused: the endpoint's filter")


@pytest.mark.parametrize("text", ["", " \n\t", "\u3000"])
def test_nothing(text: str) -> None:
    for task in KINDS:
        assert parse_answer(text, "stop", task) == ("invalid", None, "empty: nothing was written")


@pytest.mark.parametrize(
    "text",
    [
        "<think>Some would say No.</think>Yes",
        "\n<think>\nNo\n</think>\n\n**Yes**",
        "<THINK>No</THINK> Yes",
        "<thinking>No</thinking><think></think> Answer: Yes",
        "Some would say No.</think>Yes",
        "No <think>No</think> perhaps </think> Yes",
    ],
)
def test_reasoning_is_set_aside(text: str) -> None:
    assert parse_answer(text, "stop", OFFENSIVE) == ("answered", "Yes", None)


def test_reasoning_that_never_ends() -> None:
    for text in ("<think>Yes", "<think>a</think><think>Yes", "<think>Yes</thinking>"):
        parsed = parse_answer(text, "stop", OFFENSIVE)
        assert parsed == ("invalid", None, f"unfinished reasoning: {text}")
        assert parse_answer(text, "length", OFFENSIVE).detail == (
            "truncated: the longest answer was reached while reasoning"
        )


def test_nothing_after_the_reasoning() -> None:
    assert parse_answer("<think>Yes</think> \n", "stop", OFFENSIVE).detail == "empty: nothing after the reasoning"


def test_free_text() -> None:
    assert parse_answer("\n It is\nrude. ", "stop", TEXT) == ("answered", "It is\nrude.", None)
    assert parse_answer("<think>Hm.</think>?", "stop", TEXT) == ("answered", "?", None)


def test_particulars_are_short_and_on_one_line() -> None:
    detail = str(parse_answer("Hm,\n" + "well\u2028then " * 1000, "stop", OFFENSIVE).detail)
    assert detail.startswith("no option: Hm, well then well")
    assert len(detail) <= len("no option: ") + 80
    assert len(detail.splitlines()) == 1


def test_a_task_is_known_by_what_it_holds_not_by_the_object() -> None:
    """Spellings are kept by options: tasks that share some must not share answers."""
    first = TaskEntry(question="{content}", options=(OptionEntry(value="Yes"), OptionEntry(value="No")))
    second = TaskEntry(question="{content}", options=(OptionEntry(value="Yes"), OptionEntry(value="No", also=("nah",))))
    assert parse_answer("nah", "stop", first).outcome == "invalid"
    assert parse_answer("nah", "stop", second).answer == "No"
    assert parse_answer("nah", "stop", first.model_copy(deep=True)).outcome == "invalid"
