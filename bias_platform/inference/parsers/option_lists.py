"""Reads a JSON array of options.

The text may hold prose or a fence of code around it, but exactly one JSON array. Where there is no JSON, one list with
single quotes or a comma at its end (`['a', 'b',]`) is read too. An object is read only if the array is all it holds,
under a name that says no more than that this is the answer, as `{"labels": [...]}` does; `{"absent": [...]}` says the
opposite. Each member must be an option as a whole, spelled as tolerantly as in `options`; a number is read as its
digits. The answer is the array as JSON, each option once, in canonical order: two answers are equal exactly when they
name the same options. An array beside a refusal is invalid.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bias_platform.catalog.entries import TaskEntry
from bias_platform.inference.parsers.folded_text import fold
from bias_platform.inference.parsers.option_spellings import OptionSpellings, option_spellings
from bias_platform.inference.parsers.parsed_answer import ParsedAnswer, answered, invalid, refused
from bias_platform.inference.parsers.refusals import declining_language

_NAMES = frozenset({"answer", "answers", "categories", "category", "label", "labels", "options", "output", "result"})
_DECODER = json.JSONDecoder(object_pairs_hook=tuple, parse_int=str, parse_float=str)
"""Objects become tuples of pairs, so that a name given twice is seen."""
_MOST_BRACKETS = 1_000
"""A text with more is no answer, and trying each would take as long as the square of their number."""
_BEGINNING = re.compile(r"[\[{]")
_MEMBER = r"(?:'[^'\\\[\]]*+'|\"[^\"\\\[\]]*+\")\s*+"
_LOOSE_LIST = re.compile(rf"\[\s*+{_MEMBER}(?:,\s*+{_MEMBER})*+(?:,\s*+)?\]")


class _Found(NamedTuple):
    """A value and where it stands in the text."""

    start: int
    end: int
    value: object


def parse_option_list(text: str, task: TaskEntry) -> ParsedAnswer:
    """Reads options of the task off a text that is not empty."""
    found = list(_json_values(text)) or list(_loose_lists(text))
    prose = _around(found, text)
    language = declining_language(fold(" ".join(prose)).strip())
    if not found:
        return invalid("no JSON array", text) if language is None else refused(f"declined ({language})", text)
    if len(found) > 1:
        return invalid("several JSON values", str(len(found)))
    members = _members(found[0].value)
    if members is None or not all(map(_is_balanced, prose)):
        return invalid("no JSON array by itself", text)
    if language is not None:
        return invalid("an array beside a refusal", text)
    return _read(members, option_spellings(task.options))


def _read(members: Sequence[object], spellings: OptionSpellings) -> ParsedAnswer:
    read = [_option(member, spellings) for member in members]
    unknown = [str(member) for member, option in zip(members, read, strict=True) if option is None]
    if unknown:
        return invalid("no option", ", ".join(unknown))
    return answered(json.dumps([value for value in spellings.values if value in read], ensure_ascii=False))


def _option(member: object, spellings: OptionSpellings) -> str | None:
    if not isinstance(member, str):
        return None
    return spellings.exact.get(member.strip()) or spellings.whole(spellings.bare(member))


def _json_values(text: str) -> Iterator[_Found]:
    """JSON arrays and objects, the outermost of each. What is nested too deep to be read is no value."""
    if text.count("[") + text.count("{") > _MOST_BRACKETS:
        return
    place = 0
    while (beginning := _BEGINNING.search(text, place)) is not None:
        try:
            value, place = _DECODER.raw_decode(text, beginning.start())
        except (json.JSONDecodeError, RecursionError):
            place = beginning.end()
        else:
            yield _Found(beginning.start(), place, value)


def _loose_lists(text: str) -> Iterator[_Found]:
    for match in _LOOSE_LIST.finditer(text):
        members = [member[1:-1] for member in re.findall(r"'[^']*'|\"[^\"]*\"", match[0])]
        yield _Found(match.start(), match.end(), members)


def _around(found: Sequence[_Found], text: str) -> list[str]:
    """What stands before, between and after the values."""
    starts = [0, *(value.end for value in found)]
    ends = [*(value.start for value in found), len(text)]
    return [text[start:end] for start, end in zip(starts, ends, strict=True)]


def _is_balanced(prose: str) -> bool:
    """Whether no bracket is open: otherwise the value is part of something that is not JSON."""
    return all(prose.count(left) == prose.count(right) for left, right in ("[]", "{}"))


def _members(value: object) -> Sequence[object] | None:
    """Those of an array, or of the only array of an object that is called an answer."""
    if isinstance(value, tuple) and len(value) == 1 and fold(value[0][0]) in _NAMES:
        value = value[0][1]
    return value if isinstance(value, list) else None
