"""Texts without what does not tell answers apart: case, width, invisible characters, variants of letters and signs.

Letters that a language tells apart stay apart: "Si" is not "Sí". A task that wants both lists one under `also`.
"""

import re
import unicodedata

_INVISIBLE = (
    0x00AD, 0x034F, 0x061C, 0x180E, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A),
    *range(0xFE00, 0xFE10), 0xFEFF,
)  # fmt: skip
"""Soft hyphen, zero-width space, joiner and non-joiner, marks of direction, variation selectors."""
_ARABIC_VOWEL_MARKS = (0x0640, *range(0x064B, 0x0653), 0x0670)
"""Also the stretching of letters (tatweel): both are optional in writing."""
_VARIANTS = {
    "'": "\u2018\u2019\u201a\u201b\u2032\u02bc",
    '"': "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb\u2039\u203a\u300c\u300d\u300e\u300f",
    "-": "\u2010\u2212",
    "\u2014": "\u2012\u2013\u2015",
    ".": "\u3002\u0964\u06d4",
    ",": "\u3001\u060c",
    ";": "\u061b",
    "?": "\u061f",
    "\u06cc": "\u064a\u0649",
    "\u06a9": "\u0643",
}
"""A character -> those that stand for it; the last two are Persian yeh and kaf and their Arabic forms."""
_TABLE: dict[int, str | None] = {
    **dict.fromkeys((*_INVISIBLE, *_ARABIC_VOWEL_MARKS)),
    **{ord(variant): kept for kept, variants in _VARIANTS.items() for variant in variants},
    **{zero + digit: str(digit) for zero in (0x0660, 0x06F0) for digit in range(10)},
}


def fold(text: str) -> str:
    """A text in the form in which answers are compared (NFKC, case folded, one form of each quote, dash and letter).

    >>> fold("ＹＥＳ – “Sí”")
    'yes — "sí"'
    """
    if text.isascii():
        return text.casefold()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).translate(_TABLE)


def _class_of_marks() -> str:
    """Vowel signs and accents that stand for themselves: parts of a word that `re` does not count as such."""
    marks = [code for code in range(0x300, 0x10000) if unicodedata.category(chr(code))[0] == "M"]
    starts = [code for code, before in zip(marks, [-1, *marks], strict=False) if code != before + 1]
    ends = [code for code, after in zip(marks, [*marks[1:], -1], strict=True) if after != code + 1]
    return "".join(f"{chr(start)}-{chr(end)}" for start, end in zip(starts, ends, strict=True))


_LETTER = r"[^\W_]"
_MARK = f"[{_class_of_marks()}]"
WORD_BEGINS = f"(?<!{_LETTER})(?<!{_MARK})(?<!{_LETTER}[-'])(?<!{_MARK}[-'])"
"""Pattern of a place where no longer word has begun; "no-one" and "No's" are words, "_No_" and "(No)" hold one."""
WORD_ENDS = f"(?!{_LETTER})(?!{_MARK})(?![-']{_LETTER})"
"""Pattern of a place where no longer word goes on."""
_WITHOUT_SPACES = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")


def is_written_without_spaces(text: str) -> bool:
    """Whether words cannot be told apart by what surrounds them (Chinese, Japanese, Thai, Lao, Khmer, Burmese)."""
    return _WITHOUT_SPACES.search(text) is not None
