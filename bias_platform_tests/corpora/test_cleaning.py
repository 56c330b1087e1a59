"""Cleaning: what goes, what is masked, what must stay as it was."""

import html

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_platform.corpora.cleaning import clean_posts, clean_text


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("RT @someone_1: hi", "RT @user: hi"),
        (".@Name @user and@glued", ".@user @user and@user"),
        ("＠fullwidth", "@user"),
        ("@name@server.example hi", "@user hi"),
        ("write to jane.doe+x@mail.example.org now", "write to [email] now"),
        ("see http://t.co/AbC, ok", "see http://… ok"),
        ("gluedhttps://example.org/@name?x=1", "gluedhttp://…"),
        ("www.example.org and t.co/xyz and pic.twitter.com/a1", "http://… and http://… and http://…"),
        ("/u/some-name and u/other_1 say and/u/not", "u/user and u/user say and/u/not"),
        ("5 @ 3 costs 2@5$", "5 @ 3 costs 2@5$"),
    ],
)
def test_people_and_links_are_masked(raw: str, cleaned: str) -> None:
    assert clean_text(raw) == cleaned


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("a\x00b\x07c\ud800d\ufeff", "abcd"),
        ("one\r\ntwo\rthree\tfour", "one\ntwo\nthree\tfour"),
        (" \n  spaces \u00a0\t", "spaces"),
        ("\x00\x01 \n", ""),
    ],
)
def test_broken_characters_go(raw: str, cleaned: str) -> None:
    assert clean_text(raw) == cleaned


@pytest.mark.parametrize(
    "text",
    [
        "شكرا جزيلا \u200f(123)\u200f",
        "עברית ואנגלית mixed",
        "می\u200cخواهم",  # the joiner is part of the spelling
        "family 👨\u200d👩\u200d👧 🏳️\u200d🌈",
        "<b>bold</b> {content} {0} %s $x \\n",
        "CaSe and  inner   spaces",
        "مرحبا\u202eabc\u202c",
    ],
)
def test_everything_else_stays(text: str) -> None:
    assert clean_text(text) == text


def test_entities_are_decoded_once_and_only_on_request() -> None:
    assert clean_text("a &amp; b &#128512; &lt;i&gt;") == "a &amp; b &#128512; &lt;i&gt;"
    assert clean_text("a &amp; b &#128512; &lt;i&gt;", decode_html=True) == "a & b 😀 <i>"
    assert clean_text("&amp;lt;", decode_html=True) == "&lt;"
    assert clean_text("&#64;hidden", decode_html=True) == "@user"  # decoded first, then masked


@pytest.mark.parametrize("piece", ["a", "@", "@1", "a.", "a@", "a@b.", "u/", "http://", "1", "w-", "&amp;"])
def test_very_long_posts_are_cleaned_in_linear_time(piece: str) -> None:
    long = piece * (100_000 // len(piece))  # quadratic patterns would take minutes here
    assert len(clean_text(long)) <= 250_000


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    once = clean_text(text)
    assert clean_text(once) == once
    once.encode("utf-8")


def test_texts_equal_up_to_a_nul_stay_apart() -> None:
    texts = pd.Series(["a\x00b", "a\x00c", "a", "\x00", ""])
    assert clean_posts(texts).texts.tolist() == ["ab", "ac", "a", "", ""]


def test_a_column_is_counted_by_rule() -> None:
    texts = pd.Series(["@a hi", "@a hi", "x\x00", "&amp;", "plain"], index=[3, 5, 7, 9, 11])
    result = clean_posts(texts, decode_html=True)
    assert result.texts.tolist() == ["@user hi", "@user hi", "x", html.unescape("&amp;"), "plain"]
    assert result.texts.index.tolist() == [3, 5, 7, 9, 11]
    assert {rule: n for rule, n in result.changed.items() if n} == {
        "handles": 1,
        "control_characters": 1,
        "html_entities": 1,
    }
