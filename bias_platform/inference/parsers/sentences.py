"""Reads a sentence that fits one of a task's patterns, e.g. `The meme {verb} {group} {message}.`

Capitals, spaces, quotes or emphasis around the sentence and its final punctuation do not matter; every named part must
hold something. A part ends where the text between it and the next part begins, so that a part followed by a space is
one word and the last part takes the rest. The answer is the sentence with the fixed words as the pattern has them. More
than one sentence, and more than one line, are invalid: they are not what was asked for, and which of them counts would
be a guess. Where several patterns fit, the one with the most fixed words counts.
"""

import re
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from bias_platform.catalog.entries import TaskEntry
from bias_platform.inference.parsers.folded_text import fold
from bias_platform.inference.parsers.parsed_answer import ParsedAnswer, answered, invalid, refused
from bias_platform.inference.parsers.refusals import declining_language

_PART = re.compile(r"\{([a-z_]+)\}")
_FINAL = " .!?\u2026\u3002\u061f\u06d4"
_QUOTES = {'"': '"', "'": "'", "\u201c": "\u201d", "\u2018": "\u2019", "\u00ab": "\u00bb", "`": "`", "*": "*", "_": "_"}
_CLOSING = "\"')]\u201d\u2019\u00bb*_"
_ABBREVIATIONS = frozenset({"mr", "mrs", "ms", "dr", "st", "vs", "etc", "e.g", "i.e", "sr", "sra", "u.s", "u.k"})


class _Pattern(NamedTuple):
    """A pattern taken apart: `fixed` has one text more than there are parts."""

    parts: tuple[str, ...]
    fixed: tuple[str, ...]
    ending: str
    """Final punctuation that an answer gets."""


class _Fit(NamedTuple):
    """How far a pattern fits a text."""

    parts: list[str]
    missing: str | None
    """The first thing that is missing; None where all is there."""


def parse_sentence(text: str, task: TaskEntry) -> ParsedAnswer:
    """Reads a sentence of the task off a text that is not empty and has no spaces around it."""
    parsed = _read(text, _patterns(task.patterns))
    language = declining_language(fold(text)) if parsed.outcome == "invalid" else None
    return parsed if language is None else refused(f"declined ({language})", text)


def _read(text: str, patterns: tuple[_Pattern, ...]) -> ParsedAnswer:
    if len(text.splitlines()) > 1:
        return invalid("several lines", text)
    sentence = _without_quotes(" ".join(text.split())).rstrip(_FINAL)
    fits = [_fit(pattern, sentence) for pattern in patterns]
    for pattern, fit in zip(patterns, fits, strict=True):
        if fit.missing is None:
            return _filled(sentence, pattern, fit.parts, text)
    furthest = max(reversed(fits), key=lambda fit: len(fit.parts))
    return invalid("no pattern", f"{furthest.missing} is missing: {text}")


def _filled(sentence: str, pattern: _Pattern, parts: list[str], text: str) -> ParsedAnswer:
    if _ends_within(sentence):
        return invalid("several sentences", text)
    for name, part in zip(pattern.parts, parts, strict=True):
        bare = part.strip("{}<>[]")
        if not any(map(str.isalnum, part)) or (bare != part and bare.casefold() == name):
            return invalid("a part not filled in", f"{{{name}}}: {text}")
    filled = "".join(fixed + part for fixed, part in zip(pattern.fixed, [*parts, ""], strict=True))
    return answered(filled + pattern.ending)


@lru_cache(maxsize=4096)
def _patterns(patterns: tuple[str, ...]) -> tuple[_Pattern, ...]:
    """The most fixed words first."""
    taken_apart = [_take_apart(" ".join(pattern.split())) for pattern in patterns]
    return tuple(sorted(taken_apart, key=lambda pattern: -sum(map(len, pattern.fixed))))


def _take_apart(pattern: str) -> _Pattern:
    bare = pattern.rstrip(_FINAL)
    fixed, parts = _PART.split(bare)[::2], _PART.findall(bare)
    return _Pattern(tuple(parts), tuple(fixed), pattern[len(bare) :])


def _fit(pattern: _Pattern, sentence: str) -> _Fit:
    """Each part up to where the next fixed text begins; what comes last must end the sentence."""
    beginning = _finder(pattern.fixed[0]).match(sentence)
    if beginning is None:
        return _Fit([], f"'{pattern.fixed[0].strip()}' at the beginning")
    parts: list[str] = []
    place = beginning.end()
    for number, (name, fixed) in enumerate(zip(pattern.parts, pattern.fixed[1:], strict=True), start=1):
        if not sentence[place:].strip():
            return _Fit(parts, f"{{{name}}}")
        start = len(sentence) - len(sentence[place:].lstrip()) + 1
        found = _finder(fixed, last=number == len(pattern.parts)).search(sentence, start)
        if found is None:
            lacking = f"'{fixed.strip()}' after {{{name}}}" if fixed.strip() else f"{{{pattern.parts[number]}}}"
            return _Fit([*parts, sentence[place:]] if not fixed.strip() else parts, lacking)
        parts.append(sentence[place : found.start()])
        place = found.end()
    return _Fit(parts, None)


@lru_cache(maxsize=4096)
def _finder(fixed: str, last: bool = False) -> re.Pattern[str]:
    return re.compile(re.escape(fixed) + (r"\Z" if last else ""), re.IGNORECASE)


def _without_quotes(text: str) -> str:
    """Without quotes or emphasis around the whole, the end of the sentence within or after them."""
    while (closing := _QUOTES.get(text[:1])) is not None:
        inner = text[1:].rstrip(_FINAL)
        edge = re.escape(closing)
        closes_earlier = re.search(rf"(?<!\w){edge}|{edge}(?!\w)", inner[:-1].strip("*_`"))
        if not inner.endswith(closing) or closes_earlier:
            break
        text = inner[:-1].strip()
    return text


def _ends_within(sentence: str) -> bool:
    """Whether a sentence ends before the end: not after an initial or an abbreviation, nor before a small letter."""
    for word, following in pairwise(sentence.split()):
        bare = word.rstrip(_CLOSING)
        core = bare.rstrip(_FINAL).casefold().lstrip("([\"'\u201c")
        initial = len(core) == 1 and core.isalpha()
        if bare[-1:] in _FINAL and not (following[0].islower() or initial or core in _ABBREVIATIONS):
            return True
    return False
