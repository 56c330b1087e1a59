"""Phrases around an answer, by language: what announces it, and what takes it back. Patterns of folded text."""

import re
from collections.abc import Iterator, Mapping

OPENERS = r"[\s\"'(\[{*_`#>\u2022$\u2014-]{0,8}"
"""What may stand before an answer or its label and means nothing: spaces, quotes, brackets, markdown, bullets."""

LABELS = {
    "en": r"(?:(?:my|the|your)\s+)?(?:(?:final|short|best|correct)\s+)?"
    r"(?:answer|response|option|choice|label|verdict|classification|judge?ment|rating|conclusion)"
    r"(?:\s+(?:is|would\s+be))?"
    r"|i(?:'d|\s+would)?\s+(?:say|answer|choose|pick|respond|reply|go\s+with)",
    "es": r"(?:(?:mi|la)\s+)?(?:respuesta|opción|etiqueta|clasificación|conclusión)"
    r"(?:\s+(?:final|correcta))?(?:\s+(?:es|sería))?"
    r"|(?:yo\s+)?diría(?:\s+que)?",
    "fa": r"(?:پاسخ|جواب|گزینه)(?:\s+(?:من|نهایی))?",
}
"""What announces an answer, e.g. "Final answer: Yes", "I would say no"."""

LEADS = {
    "en": r"(?:(?:speaking\s+)?as|based\s+on|given|from\s+the\s+(?:perspective|point\s+of\s+view)\s+of)\s+"
    r"[^.,;:!?\n]{1,120},\s{0,4}",
    "es": r"(?:como|según|desde\s+la\s+perspectiva\s+de)\s+[^.,;:!?\n]{1,120},\s{0,4}",
    "fa": r"(?:به\s?عنوان|با\s+توجه\s+به|از\s+دید)\s+[^.,;:!?\n]{1,120},\s{0,4}",
}
"""What may come before an answer in its sentence: "As a woman in the United States, ...", "Based on the post, ..."."""

RETRACTIONS = {
    "en": r"\b(?:wait|on\s+second\s+thoughts?|scratch\s+that|i\s+take\s+(?:that|it)\s+back|correction|"
    r"let\s+me\s+(?:reconsider|rethink|correct))\b",
    "es": r"\b(?:pensándolo\s+bien|mejor\s+dicho|corrijo|me\s+retracto|rectifico)\b",
    "fa": r"(?:اصلاح\s+می\s?کنم|حرفم\s+را\s+پس\s+می\s?گیرم)",
}
"""What takes an answer back."""


def _any(patterns: Mapping[str, str]) -> str:
    """One pattern that matches what any language's does."""
    return "(?:" + "|".join(f"(?:{pattern})" for pattern in patterns.values()) + ")"


_LEAD = re.compile(rf"\A{OPENERS}{_any(LEADS)}")
_LABEL = re.compile(rf"(?:\A{OPENERS}|[.!?\n]{OPENERS}+){_any(LEADS)}?{_any(LABELS)}(?=[\s:=\"'*_`\u2014-])")

takes_back = re.compile(_any(RETRACTIONS)).search
"""Finds a phrase of `RETRACTIONS` in a folded text."""


def places_of_answers(folded: str) -> Iterator[int]:
    """Where an answer may begin: at the beginning, after a lead there, after a label at the beginning of a sentence.

    >>> list(places_of_answers("as a cook, yes. answer: yes"))
    [0, 11, 22]
    """
    yield 0
    if lead := _LEAD.match(folded):
        yield lead.end()
    yield from (label.end() for label in _LABEL.finditer(folded))
