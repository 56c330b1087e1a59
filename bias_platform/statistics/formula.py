"""An lme4-style formula, taken apart: response, fixed part, random intercepts and slopes."""

import re
from dataclasses import dataclass

from bias_platform.statistics.errors import ModelError

_NAME = r"[^\W\d][\w.]*"
_GROUPING = re.compile(rf"\s*{_NAME}\s*(?:[:/]\s*{_NAME}\s*)*")
_COUNTS = re.compile(r"\s*cbind\s*\((?P<body>.*)\)\s*", re.DOTALL)
_BAR = re.compile(r"(?P<effects>[^|]*)(?P<bar>\|\|?)(?P<grouping>[^|]*)")


@dataclass(frozen=True)
class RandomPart:
    """One ``(effects | grouping)``: what varies, and over the levels of what."""

    grouping: tuple[str, ...]
    """Column names; several mean their interaction."""
    effects: str = "1"
    """For formulaic; ``1`` is a random intercept, ``1 + x`` an intercept and a slope."""
    correlated: bool = True
    """False for ``||``: every effect has a variance of its own and no correlation with the others."""


@dataclass(frozen=True)
class MixedFormula:
    """The parts of ``response ~ fixed + (1 | grouping) + ...``."""

    text: str
    response: str
    """Column of the outcome, or the expression of the successes."""
    failures: str | None
    """Expression of the failures where the response is ``cbind(successes, failures)``."""
    fixed: str
    """Right-hand side for formulaic; ``1`` where only an intercept is asked for."""
    random: tuple[RandomPart, ...]

    @property
    def grouping_columns(self) -> tuple[str, ...]:
        """Columns that some random term is grouped by."""
        return tuple(dict.fromkeys(name for part in self.random for name in part.grouping))


def parse_formula(text: str) -> MixedFormula:
    """Take an lme4-style formula apart.

    Args:
        text: such as ``yes ~ persona * system + (1 | item) + (1 | item:system)``. ``(1 | a/b)`` means
            ``(1 | a) + (1 | a:b)``. Slopes: ``(1 + x | item)`` or ``(x | item)`` with their correlation,
            ``(x || item)`` without, ``(0 + x | item)`` without the intercept. The response is a column, or
            ``cbind(successes, failures)``.

    Raises:
        ModelError: what is wrong with the formula.

    >>> [part.grouping for part in parse_formula("yes ~ persona + (1 | item/system)").random]
    [('item',), ('item', 'system')]
    >>> parse_formula("yes ~ persona + (x | item)").random[0].effects
    'x'
    """
    if not isinstance(text, str) or text.count("~") != 1:
        raise ModelError(
            f"The formula {text!r} must have exactly one '~' between the response and the terms, "
            "as in 'yes ~ persona + (1 | item)'."
        )
    left, right = (side.strip() for side in text.split("~"))
    if not left:
        raise ModelError(f"The formula {text!r} names no response before '~': put the outcome column there.")
    _check_parentheses(text)
    response, failures = _response(left, text)
    fixed, bars = _split_random(right, text)
    random = tuple(dict.fromkeys(part for bar in bars for part in _random_parts(bar, text)))
    return MixedFormula(text, response, failures, fixed, random)


def _check_parentheses(text: str) -> None:
    if text.count("(") != text.count(")"):
        raise ModelError(
            f"The formula {text!r} has {text.count('(')} opening and {text.count(')')} closing parentheses: "
            "close each one that is opened."
        )


def _response(left: str, text: str) -> tuple[str, str | None]:
    counts = _COUNTS.fullmatch(left)
    if counts is None:
        return left.strip("` "), None
    parts = _split_top_level(counts["body"], ",")
    if len(parts) != 2:
        raise ModelError(
            f"The formula {text!r}: cbind() takes two expressions, the successes and the failures, "
            f"but has {len(parts)}."
        )
    return parts[0].strip(), parts[1].strip()


def _split_top_level(text: str, separator: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for at, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == separator and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]


def _split_random(right: str, text: str) -> tuple[str, list[str]]:
    """Separate ``(… | …)`` from the rest of the right-hand side."""
    fixed, bars = [], []
    for part in _split_top_level(right, "+"):
        stripped = part.strip()
        if "|" not in stripped:
            fixed.append(stripped)
        elif stripped.startswith("(") and stripped.endswith(")") and _BAR.fullmatch(stripped[1:-1]):
            bars.append(stripped[1:-1])
        else:
            raise ModelError(
                f"The formula {text!r}: write each random term as '+ (1 | grouping)' or '+ (1 + x | grouping)'; "
                f"{stripped!r} is not of that form."
            )
    if "" in fixed and right.strip():
        raise ModelError(f"The formula {text!r} has a '+' with nothing beside it: remove it.")
    return " + ".join(fixed) or "1", bars


def _random_parts(bar: str, text: str) -> list[RandomPart]:
    found = _BAR.fullmatch(bar)
    assert found is not None, "_split_random lets nothing else through"
    effects, grouping = " ".join(found["effects"].split()), found["grouping"].strip()
    if effects.endswith("+") or (effects != "1" and re.fullmatch(r"[\d\s+-]*", effects)):
        raise ModelError(
            f"The formula {text!r}: ({bar.strip()}) does not say what varies; write (1 | {grouping or 'grouping'}) for "
            f"an intercept, (1 + x | {grouping or 'grouping'}) for a slope of x as well."
        )
    if not _GROUPING.fullmatch(grouping):
        raise ModelError(f"The formula {text!r}: the grouping {grouping!r} must be column names joined by ':' or '/'.")
    parts: list[RandomPart] = []
    prefix: tuple[str, ...] = ()
    for level in grouping.split("/"):
        prefix += tuple(name.strip() for name in level.split(":"))
        parts.append(RandomPart(prefix, effects, found["bar"] == "|" or effects == "1"))
    return parts
