"""Lists of options as models write them."""

import pytest

from bias_platform.inference.parsers import parse_answer
from bias_platform_tests.inference.parsers.declared_tasks import LABELS, SCALE

READ: list[tuple[str, str]] = [
    ("[]", "[]"),
    ('["racist"]', '["racist"]'),
    ('["sexist", "racist", "sexist"]', '["racist", "sexist"]'),
    ('[\n  "SEXIST",\n  " Racist. "\n]', '["racist", "sexist"]'),
    ('```json\n["homophobe"]\n```', '["homophobe"]'),
    ('Labels: ["religion"]. It names a church.', '["religion"]'),
    ('The post [see above] has ["racist"]', '["racist"]'),
    ('{"labels": ["other hate"]}', '["other-hate"]'),
    ('{"Answer": []}', "[]"),
    ("['racist', 'religion']", '["racist", "religion"]'),
    ("['racist', \"sexist\",]", '["racist", "sexist"]'),
    ("<think>perhaps [\"racist\"]</think>[]", "[]"),
]  # fmt: skip

INVALID: list[tuple[str, str]] = [
    ("racist", "no JSON array: racist"),
    ("racist, sexist", "no JSON array: racist, sexist"),
    ("none of them", "no JSON array: none of them"),
    ('["racist", "sexist"', "no JSON array: "),
    ("['racist' 'sexist']", "no JSON array: "),
    ('["racist"] or ["sexist"]', "several JSON values: 2"),
    ("[]\n[]", "several JSON values: 2"),
    ('{"a": 1} ["racist"]', "several JSON values: 2"),
    ('{"absent": ["racist"]}', "no JSON array by itself: "),
    ("{'absent': ['racist']}", "no JSON array by itself: "),
    ('{"labels": ["racist"], "absent": ["sexist"]}', "no JSON array by itself: "),
    ('{"labels": [], "labels": ["racist"]}', "no JSON array by itself: "),
    ('{"labels": "racist"}', "no JSON array by itself: "),
    ('["racist", oops ["sexist"]', "no JSON array by itself: "),
    ('["rude", "racist", "mean"]', "no option: rude, mean"),
    ('["racist and sexist"]', "no option: racist and sexist"),
    ('["racist, because of the joke"]', "no option: racist, because of the joke"),
    ('[["racist"]]', "no option: ['racist']"),
    ("[null, true]", "no option: None, True"),
    ('["\\ud800"]', "no option: \\ud800"),
    ("[" * 100_000 + "]" * 100_000, "no JSON array: ["),
    ("[" * 990 + "]" * 990, "no "),
    ("[] I'm sorry, but I can't assist with that.", "an array beside a refusal: []"),
]


@pytest.mark.parametrize(("text", "answer"), READ)
def test_what_is_read(text: str, answer: str) -> None:
    assert parse_answer(text, "stop", LABELS) == ("answered", answer, None)


@pytest.mark.parametrize(("text", "detail"), INVALID, ids=range(len(INVALID)))
def test_what_is_no_answer(text: str, detail: str) -> None:
    parsed = parse_answer(text, "stop", LABELS)
    assert parsed[:2] == ("invalid", None)
    assert str(parsed.detail).startswith(detail)


def test_numbers_are_read_as_their_digits() -> None:
    scale = SCALE.model_copy(update={"answer": "option-list"})
    assert parse_answer("[3, 0, 3]", "stop", scale).answer == '["0", "3"]'
    assert parse_answer("[1.0]", "stop", scale).detail == "no option: 1.0"
    assert parse_answer("[" + "9" * 5000 + "]", "stop", scale).detail == "no option: " + "9" * 80


def test_a_refusal_without_an_array() -> None:
    parsed = parse_answer("I can't help with that.", "stop", LABELS)
    assert parsed == ("refused", None, "declined (en): I can't help with that.")
