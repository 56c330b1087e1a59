"""A cell's identity changes with everything that can change its outcome, and with nothing else."""

from typing import Any

import pytest

from bias_platform.inference.identity import cell_ids, message_hash

MESSAGES = [{"role": "system", "content": "You are a teacher."}, {"role": "user", "content": "Rude?"}]
HOW = {
    "system_identity": "a" * 32,
    "engine_name": "transformers",
    "numerics_version": "transformers-kv-1",
    "dtype": "float32",
    "reading": "sum",
    "chat_template_hash": "b" * 32,
}


def one(question: str = "q" * 32, messages: Any = MESSAGES, **changes: str) -> str:
    return cell_ids([question], [message_hash(messages)], **(HOW | changes))[0]  # type: ignore[arg-type]


def test_it_is_stable_across_releases() -> None:
    """A change here makes every ledger ask everything again: it must be meant."""
    assert one() == "64be1f334a22f823058b642f38f1b8da"


def test_it_is_32_hex_digits() -> None:
    assert len(one()) == 32
    assert bytes.fromhex(one())


@pytest.mark.parametrize("part", sorted(HOW))
def test_it_changes_with_each_part(part: str) -> None:
    assert one(**{part: HOW[part] + "x"}) != one()


def test_it_changes_with_the_question() -> None:
    assert one(question="r" * 32) != one()


@pytest.mark.parametrize(
    "messages",
    [
        MESSAGES[1:],
        MESSAGES[::-1],
        [MESSAGES[0], {"role": "user", "content": "Rude? "}],
        [MESSAGES[0] | {"content": "You are a farmer."}, MESSAGES[1]],
        [{"role": "user", "content": "You are a teacher."}, MESSAGES[1]],
        [*MESSAGES, {"role": "user", "content": ""}],
    ],
)
def test_it_changes_with_what_is_said(messages: Any) -> None:
    assert one(messages=messages) != one()


def test_parts_do_not_flow_into_each_other() -> None:
    assert one(engine_name="transformersx", numerics_version="y") != one(
        engine_name="transformers", numerics_version="xy"
    )
    left = message_hash([{"role": "user", "content": "ab"}, {"role": "user", "content": "c"}])
    assert left != message_hash([{"role": "user", "content": "a"}, {"role": "user", "content": "bc"}])
    assert left != message_hash([{"role": "user", "content": "abc"}])


def test_it_does_not_depend_on_the_company() -> None:
    questions, hashes = ["q" * 32, "r" * 32, "s" * 32], [message_hash(MESSAGES)] * 3
    forward = cell_ids(questions, hashes, **HOW)
    assert cell_ids(questions[::-1], hashes, **HOW) == forward[::-1]
    assert len(set(forward)) == 3
    assert forward[0] == one()


def test_lone_surrogates_do_not_break_it() -> None:
    assert one(messages=[{"role": "user", "content": "\ud83d"}]) != one()


def test_questions_and_messages_must_match() -> None:
    with pytest.raises(ValueError, match="zip"):
        cell_ids(["q"], [], **HOW)
