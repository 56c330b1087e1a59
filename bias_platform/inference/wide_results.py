"""Answers recorded elsewhere: the wide CSV of the persona study, read row by row.

A row is a post with all its answers: for every persona and wording the columns `<persona>_<wording>_response_text` and
`<persona>_<wording>_response_json` (the endpoint's whole chat completion), and `baseline_response_*` without persona.
Not here: under which cells the answers are filed (`recorded_outcomes`).
"""

import csv
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bias_platform.errors import CorpusError, counted
from bias_platform.inference.engines.base import Finish, Generation
from bias_platform.prompts.study_format import column_slug

_TEXT, _JSON = "_response_text", "_response_json"
_BASELINE = "baseline"
_FINISHES: Mapping[str, Finish] = {"stop": "stop", "length": "length", "content_filter": "filter"}

Asked = tuple[str, str | None]
"""Persona and wording; no wording for the baseline."""


class AnswerColumn(NamedTuple):
    """Where the answers to one persona in one wording stand."""

    asked: Asked
    text: int
    """position in a row"""
    completion: int | None
    """position of the whole chat completion, if it is there"""


class WideColumns(NamedTuple):
    """The columns of a file."""

    post: int
    """position of the text that was judged"""
    answers: tuple[AnswerColumn, ...]
    unmatched: tuple[str, ...]
    """columns of answers to personas or wordings that the study does not have"""


class RecordedRow(NamedTuple):
    """One post and its answers."""

    number: int
    """from 1: the first row of data"""
    post: str
    """as it stands in the file"""
    answers: list[tuple[Asked, str, str | None]]
    """persona and wording, the answer, the chat completion; those without an answer are left out"""


class Completion(NamedTuple):
    """What a chat completion says beside the text."""

    finish: Finish
    input_tokens: int
    output_tokens: int
    model: str | None
    readable: bool
    """False: there is one, but it is no chat completion"""


def read_wide_results(
    path: Path, post_column: str, phrases: Mapping[str, str | None], templates: Sequence[str]
) -> tuple[WideColumns, Iterator[RecordedRow]]:
    """Opens a file and finds its columns; rows are read as they are taken.

    Args:
        path: a CSV file in UTF-8.
        post_column: the text that was judged.
        phrases: persona id -> phrase, None for the baseline.
        templates: ids of the wordings.

    Raises:
        CorpusError: no such file, not UTF-8, not CSV, no such column, a column twice, or no column of answers.
    """
    rows = _rows(path)
    header = next(rows, None)
    if header is None:
        raise CorpusError(f"{path} is empty: not even a header row is there")
    columns = _matched(path, header, post_column, _expected(phrases, templates))
    return columns, _recorded(path, rows, columns, len(header))


def read_completion(text: str | None) -> Completion:
    """Reads an OpenAI chat completion; without one, writing ended by itself and no token is known of."""
    if not text:
        return Completion("stop", 0, 0, None, readable=True)
    try:
        content = json.loads(text)
        choice, usage = content["choices"][0], content.get("usage") or {}
        finish = _FINISHES.get(choice.get("finish_reason"), "stop")
        read, written = (int(usage.get(name) or 0) for name in ("prompt_tokens", "completion_tokens"))
        model = content.get("model")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return Completion("stop", 0, 0, None, readable=False)
    return Completion(finish, read, written, str(model) if model else None, readable=True)


def generation_of(text: str, completion: Completion) -> Generation:
    """What an engine would have said."""
    return Generation(text, completion.finish, completion.input_tokens, completion.output_tokens)


def _expected(phrases: Mapping[str, str | None], templates: Sequence[str]) -> dict[str, Asked]:
    """Beginning of a column, in lower case -> what was asked."""
    expected: dict[str, Asked] = {}
    for persona, phrase in phrases.items():
        if phrase is None:
            expected[_BASELINE] = (persona, None)
        else:
            begins = column_slug(phrase).lower()
            expected |= {f"{begins}_{column_slug(name).lower()}": (persona, name) for name in templates}
    return expected


def _matched(path: Path, header: list[str], post_column: str, expected: Mapping[str, Asked]) -> WideColumns:
    doubled = sorted(
        {name for name in header if header.count(name) > 1 and (name.endswith(_TEXT) or name == post_column)}
    )
    if post_column not in header or doubled:
        wrong = f"the columns {', '.join(doubled)} twice" if doubled else f"no column '{post_column}' with the posts"
        others = ", ".join(name for name in header if not name.endswith((_TEXT, _JSON)))
        raise CorpusError(f"{path} has {wrong}; its columns beside the answers: {others}. Name it by --text-column")
    places = {name: place for place, name in enumerate(header)}
    answers, unmatched = [], []
    for name in (name for name in header if name.endswith(_TEXT)):
        begins = name.removesuffix(_TEXT)
        asked = expected.get(begins.lower())
        if asked is None:
            unmatched.append(name)
        else:
            answers.append(AnswerColumn(asked, places[name], places.get(begins + _JSON)))
    if not answers:
        some = next(iter(expected), "<persona>_<wording>")
        raise CorpusError(
            f"{path} holds no answers to this study's personas and wordings: expected columns like '{some}{_TEXT}' "
            f"(capitals do not count), found {', '.join(unmatched[:5]) or 'none that end so'}"
        )
    return WideColumns(places[post_column], tuple(answers), tuple(unmatched))


def _recorded(path: Path, rows: Iterator[list[str]], columns: WideColumns, width: int) -> Iterator[RecordedRow]:
    for number, row in enumerate(rows, start=1):
        if len(row) != width:
            raise CorpusError(
                f"{path}: row {number} has {counted(len(row), 'cell')} instead of the header's {width}; what stood "
                "before it is imported, and will not be imported twice"
            )
        answers = [
            (each.asked, row[each.text], None if each.completion is None else row[each.completion])
            for each in columns.answers
            if row[each.text]
        ]
        yield RecordedRow(number, row[columns.post], answers)


def _rows(path: Path) -> Iterator[list[Any]]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # the default refuses cells beyond 131,072 characters
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.reader(stream, strict=True)
            yield from (row for row in rows if row)
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise CorpusError(f"{path} is not UTF-8; save it as UTF-8") from None
    except csv.Error as error:
        raise CorpusError(f"{path}: line {rows.line_num} is no valid CSV ({error}); check its quotes") from None
