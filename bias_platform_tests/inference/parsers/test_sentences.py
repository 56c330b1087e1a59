"""Sentences of a declared shape as models write them."""

import pytest

from bias_platform.catalog.entries import TaskEntry
from bias_platform.inference.parsers import parse_answer
from bias_platform_tests.inference.parsers.declared_tasks import MEME, sentence_task

READ: list[tuple[str, str]] = [
    ("The meme mocks women for driving.", "The meme mocks women for driving."),
    ("the meme  mocks women\tfor driving", "The meme mocks women for driving."),
    ('"The meme mocks women for driving."', "The meme mocks women for driving."),
    ('"The meme mocks women for driving".', "The meme mocks women for driving."),
    ("**“The meme mocks women for driving!”**", "The meme mocks women for driving."),
    ("'The meme mocks women's work badly.'", "The meme mocks women's work badly."),
    ('The meme calls women "weak and small".', 'The meme calls women "weak and small".'),
    ("The meme mocks U.S. citizens for eating.", "The meme mocks U.S. citizens for eating."),
    ("The meme mocks J. Smith as a cook, e.g. Mr. Bean.", "The meme mocks J. Smith as a cook, e.g. Mr. Bean."),
    ("the meme USES derogatory terms against cooks at work", "The meme uses derogatory terms against cooks at work."),
    ("<think>Hm.</think>The meme mocks women for driving.", "The meme mocks women for driving."),
]

INVALID: list[tuple[str, str]] = [
    ("This meme mocks women for driving.", "no pattern: 'The meme' at the beginning is missing: This meme mocks"),
    ("Here it is: The meme mocks women.", "no pattern: 'The meme' at the beginning is missing: Here it is"),
    ("The meme", "no pattern: 'The meme' at the beginning is missing: The meme"),
    ("The meme mocks.", "no pattern: {group} is missing: The meme mocks."),
    ("The meme mocks women.", "no pattern: {message} is missing: The meme mocks women."),
    ("The meme mocks women .", "no pattern: {message} is missing: "),
    ("The meme mocks - for driving.", "a part not filled in: {group}: "),
    ("The meme <verb> women for driving.", "a part not filled in: {verb}: "),
    ("The meme {verb} {group} {message}.", "a part not filled in: {verb}: "),
    ("The meme mocks women for driving. It is bad.", "several sentences: "),
    ('The meme mocks women for driving." It is bad.', "several sentences: "),
    ("The meme mocks women for driving\nand walking.", "several lines: "),
    ("The meme mocks women for driving.\n\nNote: mild.", "several lines: "),
]


@pytest.mark.parametrize(("text", "answer"), READ)
def test_what_is_read(text: str, answer: str) -> None:
    assert parse_answer(text, "stop", MEME) == ("answered", answer, None)
    assert parse_answer(answer, "stop", MEME) == ("answered", answer, None)


@pytest.mark.parametrize(("text", "detail"), INVALID)
def test_what_is_no_answer(text: str, detail: str) -> None:
    parsed = parse_answer(text, "stop", MEME)
    assert parsed[:2] == ("invalid", None)
    assert str(parsed.detail).startswith(detail)


def test_the_pattern_with_the_most_fixed_words_counts() -> None:
    """The shorter one would take "uses" for the verb and "derogatory" for the group."""
    text = "The meme uses derogatory terms against women."
    parsed = parse_answer(text, "stop", MEME)
    assert parsed == ("answered", text, None)


@pytest.mark.parametrize(
    ("pattern", "text", "answer"),
    [
        ("{who} is compared to {what}", "A cook is compared to a bear.", "A cook is compared to a bear"),
        ("{who}: {why}", "cooks: because they sleep: long", "cooks: because they sleep: long"),
        ("({who}) {why} because of this.", "(cooks) work late BECAUSE of this", "(cooks) work late because of this."),
        ("{who} mock {what}", '"Cooks" mock "bears".', '"Cooks" mock "bears"'),
        ("{who} sleep", "cooks sleep, they sleep", "cooks sleep, they sleep"),
        ("«{who}» schläft.", "«Der Koch» SCHLÄFT!", "«Der Koch» schläft."),
    ],
)
def test_other_patterns(pattern: str, text: str, answer: str) -> None:
    assert parse_answer(text, "stop", sentence_task(pattern)) == ("answered", answer, None)


def test_what_is_missing_is_named_by_the_pattern_that_came_furthest() -> None:
    task: TaskEntry = sentence_task("{who} is like {what}", "{who} is not unlike {what} at {time}")
    details = [
        parse_answer(text, "stop", task).detail for text in ("cooks sleep", "cooks is not unlike bears", "is like")
    ]
    assert details == [
        "no pattern: 'is like' after {who} is missing: cooks sleep",
        "no pattern: 'at' after {what} is missing: cooks is not unlike bears",
        "no pattern: 'is like' after {who} is missing: is like",
    ]


def test_a_refusal_is_no_misshapen_sentence() -> None:
    parsed = parse_answer("I'm sorry, but I can't help with that.", "stop", MEME)
    assert parsed.outcome == "refused"
