"""How the options of a task may be written, and where in a text they are."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

from bias_platform.catalog.entries import OptionEntry
from bias_platform.inference.parsers.answer_phrases import OPENERS, places_of_answers
from bias_platform.inference.parsers.folded_text import (
    WORD_BEGINS,
    WORD_ENDS,
    fold,
    is_written_without_spaces,
)

_BEFORE = " \t\r\n\f\v\"'([{*_`#>\u2022$\u00bf\u00a1.:-\u2014"
_AFTER = " \t\r\n\f\v\"')]}*_`$.,;:!?-\u2014"
"""What may surround an answer and means nothing: spaces, quotes, brackets, markdown, bullets, the ends of sentences."""
_SIGNS = set("-\u2014.:$")
"""Of these, what may be part of a number."""
_CLOSERS = r"[\"')\]}*_`$]{0,8}"
_BREAK = rf"{_CLOSERS}(?:\s{{0,8}}(?:\.(?!\s?\d)|[,;:!\u2014(\[])|[^\S\n]{{0,8}}\n|\s{{1,8}}-{{1,3}}\s|\Z)"
"""What ends an answer that goes on with an explanation. No question mark: "Yes? Hardly." is no Yes."""
_AFTER_LABEL = r"[\s:=\"'*_`\u2014-]{0,8}"
_NO_NUMBER_BEFORE = r"(?<![-+.,:/$\u20ac\u00a3\u2014])"
_NO_NUMBER_AFTER = r"(?!\s?[%$\u20ac\u00a3\u00b0])(?!\s*[-\u2014/.,:]?\s*\d)"
"""Before and after a digit: 1 is neither in "-1" nor in "1.5", "1-2" or "1 %"."""
_MARKUP = re.compile(
    r"</?(?!(?:s|del|strike)\s*>)[a-z][a-z0-9_-]{0,19}\s*/?>|\\(?:boxed|text(?:bf|it|rm)?|math(?:bf|rm))\b"
)
"""Tags such as <answer> and commands such as \\boxed; what is struck through stays marked."""
_SEPARATORS = re.compile(r"(?<=[^\s_-])[\s_-]+(?=[^\s_-])")
"""Between words: "non-toxic", "non toxic" and "non_toxic" are one spelling."""
_ALONE_AFTER = r"(?:[.,;:!?\n\u2014(]|\b(?:but|pero|اما|ولی)\b)\s{0,8}"
_NOTHING = r"(?!)"


@dataclass(frozen=True)
class OptionSpellings:
    """The spellings of a task's options, ready to be looked for.

    Patterns are made when a text is first met that is more than an option: most tasks and most answers need none.
    """

    values: tuple[str, ...]
    """The options in canonical order."""
    exact: dict[str, str]
    """A text as the catalog has it -> its option."""
    names: dict[str, set[str]]
    """A folded spelling, alone or with its gloss, or a gloss alone -> all options it names; the longest first."""
    clear: dict[str, str]
    """A folded spelling, alone or with its gloss -> its option; what names several options is left out."""
    before: str
    """Characters that mean nothing before an answer of this task."""
    after: str

    def bare(self, text: str) -> str:
        """A text folded, without markup and without what means nothing around it."""
        folded = fold(text)
        if "<" in folded or "\\" in folded:
            folded = _MARKUP.sub(" ", folded)
        return folded.lstrip(self.before).rstrip(self.after)

    def whole(self, bare: str) -> str | None:
        """The option that a bare text is and nothing else."""
        return self.clear.get(bare) or self.clear.get(_SEPARATORS.sub(" ", bare))

    def named(self, bare: str) -> tuple[str, ...]:
        """All options that a bare text names, by a spelling or a gloss, in canonical order."""
        pattern, of_groups = self._mention
        found: set[str] = set()
        for match in pattern.finditer(bare):
            found |= of_groups[(match.lastindex or 0) - 1]
        return tuple(value for value in self.values if value in found)

    def answer_given(self, bare: str) -> str | None:
        """The option that stands where an answer is given (rule 5 of `options`); that of the first such place."""
        for place in places_of_answers(bare):
            if match := self._given.match(bare, place):
                return list(self.clear.values())[(match.lastindex or 0) - 1]
        return None

    def stands_last(self, bare: str) -> bool:
        """Whether a text ends with an option by itself, e.g. "..., but No"."""
        return self._last.search(bare) is not None

    @cached_property
    def _mention(self) -> tuple[re.Pattern[str], tuple[set[str], ...]]:
        """A pattern of all names, as whole words where words can be told apart; and what its groups name."""
        unspaced = [text for text in self.names if is_written_without_spaces(text)]
        spaced = [text for text in self.names if text not in unspaced]
        begins = "".join(re.escape(character) for character in sorted({text[0] for text in spaced}))
        words = f"(?=[{begins}]){WORD_BEGINS}{_groups(spaced)}{WORD_ENDS}" if spaced else _NOTHING
        return re.compile(f"{words}|{_groups(unspaced)}"), tuple(self.names[text] for text in (*spaced, *unspaced))

    @cached_property
    def _given(self) -> re.Pattern[str]:
        """An option, then a break or the end."""
        return re.compile(f"{_AFTER_LABEL}{OPENERS}{_groups(self.clear)}{_BREAK}")

    @cached_property
    def _last(self) -> re.Pattern[str]:
        return re.compile(f"{_ALONE_AFTER}{OPENERS}{_groups(self.clear)}\\Z")


@lru_cache(maxsize=4096)
def option_spellings(options: tuple[OptionEntry, ...]) -> OptionSpellings:
    """The spellings of these options: value, `also`, and each of them with the gloss."""
    spelled = list(_spelled(options))
    names = _longest_first([*spelled, *_glosses(options)])
    clear = {text: value for text, (value, *_) in _longest_first(spelled).items() if names[text] == {value}}
    before, after = _edges(clear)
    values = tuple(option.value for option in options)
    return OptionSpellings(values, _exact(options), names, clear, before, after)


def _exact(options: tuple[OptionEntry, ...]) -> dict[str, str]:
    """Values win over other spellings."""
    other = {spelling.strip(): option.value for option in options for spelling in option.also}
    return other | {option.value: option.value for option in options}


def _spelled(options: tuple[OptionEntry, ...]) -> Iterator[tuple[str, str]]:
    """What gives an option, and the option. "Option: gloss" is one spelling, so that a gloss may say anything."""
    for option in options:
        for spelling in (option.value, *option.also):
            yield _key(spelling), option.value
            if _gloss(option):
                yield f"{_key(spelling)}: {_gloss(option)}", option.value


def _glosses(options: tuple[OptionEntry, ...]) -> Iterator[tuple[str, str]]:
    """What names an option but does not give it."""
    return ((_gloss(option), option.value) for option in options)


def _gloss(option: OptionEntry) -> str:
    return _key(option.gloss or "").rstrip(" .,;:!?")


def _key(text: str) -> str:
    return _SEPARATORS.sub(" ", fold(text).strip())


def _longest_first(named: list[tuple[str, str]]) -> dict[str, set[str]]:
    """Each text with all it names; empty ones are left out."""
    found: dict[str, set[str]] = {}
    for text, value in sorted(named, key=lambda pair: (-len(pair[0]), pair)):
        if text:
            found.setdefault(text, set()).add(value)
    return found


def _edges(spellings: dict[str, str]) -> tuple[str, str]:
    """What may be stripped before and after: nothing that an option itself begins or ends with, no sign of a number."""
    first, last = {text[0] for text in spellings}, {text[-1] for text in spellings}
    if any(character.isdigit() for character in first):
        first |= _SIGNS
    return "".join(c for c in _BEFORE if c not in first), "".join(c for c in _AFTER if c not in last)


def _pattern(text: str) -> str:
    """One folded spelling; its gloss may stand after a colon, a dash or a bracket."""
    spelling, colon, gloss = text.partition(": ")
    words = r"[\s_-]{1,8}".join(map(re.escape, spelling.split(" ")))
    words = (_NO_NUMBER_BEFORE if spelling[:1].isdigit() else "") + words
    words += _NO_NUMBER_AFTER if spelling[-1:].isdigit() else ""
    return words + (rf"{_CLOSERS}\s{{0,4}}[:,.(\u2014-]?{OPENERS}{_pattern(gloss)}" if colon else "")


def _groups(texts: Collection[str]) -> str:
    """One group a text, of which the first that fits wins."""
    return "(?:" + "|".join(f"({_pattern(text)})" for text in texts) + ")" if texts else _NOTHING
