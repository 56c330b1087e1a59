"""The wide CSV of the persona study: which column is whose, and what a chat completion says."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from bias_platform.errors import CorpusError
from bias_platform.inference.wide_results import Completion, read_completion, read_wide_results

PHRASES = {
    "woman": "a woman in the United States",
    "enby": "a non-binary individual in the United States",
    "no-persona": None,
}
TEMPLATES = ("persona_instruction1", "persona_instruction2")


def completion(text: str, finish: str | None = "stop", **changes: Any) -> str:
    message = {"role": "assistant", "content": text}
    return json.dumps(
        {
            "id": "x",
            "model": "accounts/f/models/tiny",
            "choices": [{"index": 0, "message": message, "finish_reason": finish}],
            "usage": {"prompt_tokens": 120, "completion_tokens": 2, "total_tokens": 122},
        }
        | changes
    )


def write(path: Path, header: list[str], *rows: list[str], encoding: str = "utf-8") -> Path:
    with path.open("w", encoding=encoding, newline="") as stream:
        csv.writer(stream).writerows([header, *rows])
    return path


def test_columns_are_matched_by_phrase_and_wording(tmp_path: Path) -> None:
    header = [
        "post",
        "offensiveYN_mode",
        "a_woman_in_the_United_States_persona_instruction1_response_json",
        "a_woman_in_the_United_States_persona_instruction1_response_text",
        "a_non_binary_individual_in_the_United_States_persona_instruction2_response_text",
        "a_non_binary_individual_in_the_United_Sates_persona_instruction2_response_text",
        "a_woman_in_the_United_States_persona_instruction9_response_text",
        "baseline_response_text",
    ]
    path = write(tmp_path / "w.csv", header, ["Nice day.", "Yes", "{}", "Yes.", "No", "x", "y", ""], ["", *"1234567"])
    columns, rows = read_wide_results(path, "post", PHRASES, TEMPLATES)
    assert [(each.asked, each.text, each.completion) for each in columns.answers] == [
        (("woman", "persona_instruction1"), 3, 2),
        (("enby", "persona_instruction2"), 4, None),
        (("no-persona", None), 7, None),
    ]
    assert columns.unmatched == (header[5], header[6])
    first, second = rows
    assert (first.number, first.post) == (1, "Nice day.")
    assert first.answers == [
        (("woman", "persona_instruction1"), "Yes.", "{}"),
        (("enby", "persona_instruction2"), "No", None),
    ]
    assert len(second.answers) == 3


def test_what_looks_missing_is_an_answer_all_the_same(tmp_path: Path) -> None:
    """Readers of tables take these words for missing values; a model may well write them."""
    words = ["NA", "None", "null", "nan", "  ", ""]
    path = write(tmp_path / "w.csv", ["post", "baseline_response_text"], *[["p", word] for word in words])
    _, rows = read_wide_results(path, "post", PHRASES, TEMPLATES)
    assert [row.answers[0][1] if row.answers else None for row in rows] == [*words[:-1], None]


def test_long_cells_line_breaks_and_byte_order_marks(tmp_path: Path) -> None:
    long = "word\n" * 60_000
    path = write(tmp_path / "w.csv", ["post", "baseline_response_text"], [long, long], encoding="utf-8-sig")
    columns, rows = read_wide_results(path, "post", PHRASES, TEMPLATES)
    assert columns.post == 0
    (row,) = rows
    assert row.post == row.answers[0][1] == long


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (["tweet", "baseline_response_text"], "no column 'post' with the posts; its columns beside the answers: tweet"),
        (["post", "mood"], r"expected columns like 'a_woman_in_the_united_states_persona_instruction1_response_text'"),
        (["post", "a_man_x_response_text"], "found a_man_x_response_text"),
        (["post", *2 * ["baseline_response_text"]], "has the columns baseline_response_text twice"),
        (["post", "post", "baseline_response_text"], "has the columns post twice"),
    ],
)  # fmt: skip
def test_a_header_of_another_shape_is_said(tmp_path: Path, header: list[str], said: str) -> None:
    with pytest.raises(CorpusError, match=said):
        read_wide_results(write(tmp_path / "w.csv", header), "post", PHRASES, TEMPLATES)


def test_files_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "w.csv"
    with pytest.raises(CorpusError, match="cannot be read: No such file"):
        read_wide_results(path, "post", PHRASES, TEMPLATES)
    path.write_bytes(b"")
    with pytest.raises(CorpusError, match="is empty: not even a header"):
        read_wide_results(path, "post", PHRASES, TEMPLATES)
    path.write_bytes(b"post,baseline_response_text\np\xff,Yes\n")
    with pytest.raises(CorpusError, match="not UTF-8"):
        list(read_wide_results(path, "post", PHRASES, TEMPLATES)[1])
    path.write_bytes(b'post,baseline_response_text\np,"Yes"x\n')
    with pytest.raises(CorpusError, match=r"line 2 is no valid CSV .*check its quotes"):
        list(read_wide_results(path, "post", PHRASES, TEMPLATES)[1])
    path.write_bytes(b"post,baseline_response_text\np,Yes\np\n")
    with pytest.raises(CorpusError, match="row 2 has 1 cell instead of the header's 2"):
        list(read_wide_results(path, "post", PHRASES, TEMPLATES)[1])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, ("stop", 0, 0, None, True)),
        ("", ("stop", 0, 0, None, True)),
        (completion("Yes"), ("stop", 120, 2, "accounts/f/models/tiny", True)),
        (completion("Yes", "length"), ("length", 120, 2, "accounts/f/models/tiny", True)),
        (completion("Yes", "content_filter", model=None, usage=None), ("filter", 0, 0, None, True)),
        (completion("Yes", None, usage={"prompt_tokens": None}), ("stop", 0, 0, "accounts/f/models/tiny", True)),
        ("{'id': 'x'}", ("stop", 0, 0, None, False)),
        (completion("Yes", choices=[]), ("stop", 0, 0, None, False)),
        ("[]", ("stop", 0, 0, None, False)),
        ("12", ("stop", 0, 0, None, False)),
        (completion("Yes", choices=["Yes"]), ("stop", 0, 0, None, False)),
    ],
)
def test_chat_completions(text: str | None, expected: tuple[Any, ...]) -> None:
    assert read_completion(text) == Completion(*expected)
