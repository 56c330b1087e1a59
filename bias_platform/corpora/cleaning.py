"""What happens to every post on reading: broken characters go, real people's handles, addresses and links are masked.

A link leads straight back to its author, so only the fact that there was one is kept. Everything else stays: case,
spelling, emoji, scripts and directions of writing. HTML tags are text like any other; reports escape them.
"""

import html
import re
from collections import Counter
from typing import NamedTuple

import pandas as pd

_BREAKS = re.compile(r"\r\n?")
# controls (NUL among them) except tab and newline, halves of surrogate pairs, byte order marks; the marks that
# right-to-left scripts and joined emoji need are kept
_BROKEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufeff]")
# all patterns are bounded or anchored by a lookbehind: a post of 100,000 equal characters must not take quadratic time
_LINK = re.compile(r"(?:https?://|\bwww\.|\bpic\.twitter\.com/|\bt\.co/)[^\s\"'<>]+", re.IGNORECASE)
_EMAIL = re.compile(r"(?<![\w.+@-])\w[\w.+-]{0,63}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
_HANDLE = re.compile(r"[@＠](?=\w*[^\W\d])\w+(?:@[\w-]{1,63}(?:\.[\w-]{1,63})+)?")
_REDDITOR = re.compile(r"(?<![\w/])/?u/[\w-]{3,20}\b")

_MASKS = (
    ("links", _LINK, "http://…"),
    ("email_addresses", _EMAIL, "[email]"),
    ("handles", _HANDLE, "@user"),
    ("handles", _REDDITOR, "u/user"),
)


class CleanedPosts(NamedTuple):
    """Cleaned texts and how many of them each rule changed."""

    texts: pd.Series
    changed: dict[str, int]


def clean_text(text: str, decode_html: bool = False) -> str:
    """Cleans one post.

    >>> clean_text(" RT @someone_real: see http://t.co/abc &amp; call me\\x00 ", decode_html=True)
    'RT @user: see http://… & call me'
    """
    return _clean(text, decode_html, Counter())


def clean_posts(texts: pd.Series, decode_html: bool = False) -> CleanedPosts:
    """Cleans a column of posts; each distinct text is cleaned once.

    Args:
        texts: strings, none missing.
        decode_html: turn entities such as `&amp;` into the characters they stand for, once.

    Returns:
        texts with the same index (possibly empty strings), and rule -> number of distinct texts it changed.
    """
    changed: Counter[str] = Counter()
    # a plain dict, because the hash tables of pandas take texts that are equal up to a NUL for the same
    cleaned = {text: _clean(text, decode_html, changed) for text in dict.fromkeys(texts)}
    return CleanedPosts(pd.Series([cleaned[text] for text in texts], index=texts.index, dtype=object), dict(changed))


def _clean(text: str, decode_html: bool, changed: Counter[str]) -> str:
    if decode_html and "&" in text:
        decoded = html.unescape(text)
        changed["html_entities"] += decoded != text
        text = decoded
    text = _BREAKS.sub("\n", text)
    text, found = _BROKEN.subn("", text)
    changed["control_characters"] += found > 0
    for rule, pattern, mask in _MASKS:
        masked = pattern.sub(mask, text)
        changed[rule] += masked != text
        text = masked
    return text.strip()
