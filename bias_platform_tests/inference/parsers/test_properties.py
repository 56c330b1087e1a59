"""What holds whatever a model writes."""

import json
import unicodedata

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bias_platform.catalog.entries import TaskEntry
from bias_platform.inference.parsers import ParsedAnswer, parse_answer
from bias_platform_tests.inference.parsers.declared_tasks import (
    CHINESE,
    CLOSED,
    INCOME,
    LABELS,
    LANGUAGE,
    MEME,
    OFFENSIVE,
    SCALE,
    SIGNED,
    TEXT,
    sentence_task,
)

_thorough = settings(max_examples=300, deadline=None, derandomize=True)
_PLAIN = tuple(task for task in CLOSED if task not in (SCALE, SIGNED, INCOME, LANGUAGE))
"""Tasks whose options hold letters only, so that any decoration may stand around them."""
_LABELS = tuple(option.value for option in LABELS.options)
_ALL = (*CLOSED, LABELS, MEME, sentence_task("{who} is {what}"), TEXT)
_PIECES = st.sampled_from(
    [
        "Yes", "no", "Maybe", "No opinion", "Sí", "是", "1", "-1", ">50K", "C++", "the grandson", '["racist"]', "[]",
        "[", "{", '{"labels": ', "}", "]", "'sexist'", "The meme", "mocks", "people for being late.", "is", "<think>",
        "</think>", "I'm sorry, but I can't assist with that.", "it offends", "Answer:", "As a teacher,", "but", "**",
        '"', "`", "“", "'", ".", "?", "\n", " ", "…", "\u200c", "\u0301", "\\boxed{", "~", "/", "😀", "\x00", "\u2028",
    ]
)  # fmt: skip
_WRITTEN = st.one_of(st.text(max_size=60), st.lists(_PIECES, max_size=8).map(" ".join), st.lists(_PIECES).map("".join))


def _is_answer(answer: str, task: TaskEntry) -> bool:
    if task.answer == "option":
        return answer in task.option_values
    if task.answer == "option-list":
        members = json.loads(answer)
        return [value for value in task.option_values if value in members] == members
    return bool(answer.strip()) and (task.answer == "text" or "\n" not in answer)


def _check(parsed: ParsedAnswer, task: TaskEntry) -> None:
    """An answer exactly when answered, and it is one of the task; else a reason on one line."""
    if parsed.outcome == "answered":
        assert parsed.answer is not None
        assert parsed.detail is None
        assert _is_answer(parsed.answer, task)
        return
    assert parsed.outcome in ("refused", "invalid", "truncated")
    assert parsed.answer is None
    assert parsed.detail is not None
    reason, _, particulars = parsed.detail.partition(": ")
    assert 0 < len(reason) < 30
    assert 0 < len(particulars) <= 80
    assert len(parsed.detail.splitlines()) == 1


@_thorough
@given(text=_WRITTEN, finish=st.sampled_from(["stop", "length", "filter"]), task=st.sampled_from(_ALL))
def test_any_text_has_an_outcome(text: str, finish: str, task: TaskEntry) -> None:
    parsed = parse_answer(text, finish, task)
    _check(parsed, task)
    assert {"length": "truncated", "filter": "refused"}.get(finish, parsed.outcome) == parsed.outcome


@_thorough
@given(text=_WRITTEN, task=st.sampled_from(_ALL))
def test_an_answer_parsed_again_is_itself(text: str, task: TaskEntry) -> None:
    """Unless it holds a tag of reasoning, which means something else at the beginning than within."""
    parsed = parse_answer(text, "stop", task)
    if parsed.answer is not None and "think" not in parsed.answer:
        assert parse_answer(parsed.answer, "stop", task) == parsed


_BEFORE = st.sampled_from(
    ["", " ", "\n", '"', "“", "«", "'", "**", "_", "`", "# ", "- ", "> ", "(", "[", "<b>", "Answer: ", "**Answer:** ",
     "Final answer: ", "The answer is ", "I would say ", "As a teacher in the United States, ", "¡", "\u200e"]
)  # fmt: skip
_AFTER = st.sampled_from(["", " ", "\n", '"', "”", "»", "'", "**", "_", "`", ".", "!", "?", "…", ",", ")", "]", "</b>"])
_CASES = st.sampled_from([str, str.upper, str.lower, str.title, str.swapcase])
_FORMS = st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"])


@_thorough
@given(data=st.data(), task=st.sampled_from(_PLAIN), before=_BEFORE, after=st.lists(_AFTER, max_size=3).map("".join))
def test_decorated_options_keep_their_reading(data: st.DataObject, task: TaskEntry, before: str, after: str) -> None:
    option = data.draw(st.sampled_from(task.option_values))
    cased = data.draw(_CASES)(option).replace("\u2019", "'")
    written = unicodedata.normalize(data.draw(_FORMS), before + cased + after)
    assert parse_answer(written, "stop", task) == ("answered", option, None)


_BETWEEN = st.sampled_from([" ", "\n", ", ", " or ", " and ", "/", "; ", ". ", " - ", ": ", "? ", " (", "\n\nAnswer: "])


@_thorough
@given(data=st.data(), task=st.sampled_from(CLOSED), between=_BETWEEN, before=_BEFORE, after=_AFTER)
def test_two_options_are_no_answer(data: st.DataObject, task: TaskEntry, between: str, before: str, after: str) -> None:
    first, second = data.draw(st.lists(st.sampled_from(task.option_values), min_size=2, max_size=2, unique=True))
    assert parse_answer(before + first + between + second + after, "stop", task).outcome == "invalid"


@_thorough
@given(
    data=st.data(),
    task=st.sampled_from([task for task in CLOSED if task is not CHINESE]),
    letters=st.sampled_from(["x", "Ж", "م", "ñ", "थ", "語", "7", "un-", "x'"]),
    rest=st.sampled_from(["", ".", ", because", " it is"]),
    label=st.sampled_from(["", "Answer: ", "I would say "]),
)
def test_an_option_within_a_longer_word_is_not_read(
    data: st.DataObject, task: TaskEntry, letters: str, rest: str, label: str
) -> None:
    option = data.draw(st.sampled_from(task.option_values))
    assert parse_answer(label + letters + option + rest, "stop", task).answer is None
    assert parse_answer(label + option + letters[::-1] + rest, "stop", task).answer is None


@_thorough
@given(task=st.sampled_from(CLOSED), number=st.integers(0, 1), rest=_WRITTEN)
def test_what_follows_never_gives_another_option(task: TaskEntry, number: int, rest: str) -> None:
    """But for the end of reasoning, before which nothing is an answer."""
    assume("</" not in rest)
    option = task.option_values[number]
    assert parse_answer(f"{option}, {rest}", "stop", task).answer in (None, option)


@_thorough
@given(members=st.lists(st.sampled_from(_LABELS), max_size=8), data=st.data(), indent=st.sampled_from([None, 0, 2]))
def test_lists_in_any_order_are_one_answer(members: list[str], data: st.DataObject, indent: int | None) -> None:
    expected = [value for value in _LABELS if value in members]
    turned = data.draw(st.permutations(members))
    written = json.dumps(turned, indent=indent)
    for text in (written, f"```json\n{written}\n```", f"The labels: {written}.", f'{{"labels": {written}}}'):
        parsed = parse_answer(text, "stop", LABELS)
        assert parsed.outcome == "answered"
        assert json.loads(str(parsed.answer)) == expected
        assert parse_answer(str(parsed.answer), "stop", LABELS) == parsed


@_thorough
@given(members=st.lists(st.sampled_from(_LABELS), max_size=4), stranger=st.text(max_size=12), place=st.integers(0, 4))
def test_a_stranger_in_a_list_makes_it_invalid(members: list[str], stranger: str, place: int) -> None:
    """Unless it is one of the options after all, decorated."""
    written = json.dumps([*members[:place], stranger, *members[place:]])
    if parse_answer(stranger, "stop", LABELS.model_copy(update={"answer": "option"})).outcome != "answered":
        parsed = parse_answer(written, "stop", LABELS)
        assert parsed.outcome in ("invalid", "refused")


@_thorough
@given(thought=st.text(max_size=40).filter(lambda text: "<" not in text), task=st.sampled_from(CLOSED))
def test_reasoning_never_changes_the_answer(thought: str, task: TaskEntry) -> None:
    for option in task.option_values:
        assert parse_answer(f"<think>{thought} Yes or no?</think>\n{option}", "stop", task).answer == option
        assert parse_answer(f"<think>{thought} {option}", "stop", task).outcome == "invalid"


@_thorough
@given(
    words=st.tuples(*[st.text(st.characters(categories=["L"]), min_size=1, max_size=8)] * 3),
    before=st.sampled_from(["", " ", '"', "“", "**", "`", "_", "«"]),
    ending=st.sampled_from(["", ".", "!", " .", "…"]),
)
def test_a_decorated_sentence_is_the_sentence(words: tuple[str, str, str], before: str, ending: str) -> None:
    after = {"“": "”", "«": "»"}.get(before, before)
    expected = f"The meme {words[0]} {words[1]} for {words[2]}."
    written = f"{before}the  MEME {words[0]} {words[1]}\tfor {words[2]}{ending}{after}"
    assert parse_answer(written, "stop", MEME) == ("answered", expected, None)


def test_tasks_of_these_tests_hold_different_kinds_of_options() -> None:
    assert len(CLOSED) == 11
    assert len(_PLAIN) == 7
    assert OFFENSIVE in _PLAIN
