"""An lme4-style formula, taken apart: response, fixed part, random intercepts."""

import re
from dataclasses import dataclass

from bias_platform.statistics.errors import ModelError

_NAME = r"[A-Za-z_.][A-Za-z0-9_.]*"
_GROUPING = re.compile(rf"\s*{_NAME}\s*(?:[:/]\s*{_NAME}\s*)*")
_COUNTS = re.compile(r"\s*cbind\s*\((?P<body>.*)\)\s*", re.DOTALL)


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
    random: tuple[tuple[str, ...], ...]
    """One tuple of column names a random intercept; several names mean their interaction."""


def parse_formula(text: str) -> MixedFormula:
    """Take an lme4-style formula apart.

    Args:
        text: such as ``yes ~ persona * system + (1 | item) + (1 | item:system)``. ``(1 | a/b)`` means
            ``(1 | a) + (1 | a:b)``. The response is a column, or ``cbind(successes, failures)``.

    Raises:
        ModelError: what is wrong with the formula.

    >>> parse_formula("yes ~ persona + (1 | item/system)").random
    (('item',), ('item', 'system'))
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
    random = tuple(dict.fromkeys(term for bar in bars for term in _random_terms(bar, text)))
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
        elif stripped.startswith("(") and stripped.endswith(")") and stripped.count("|") == 1:
            bars.append(stripped[1:-1])
        else:
            raise ModelError(
                f"The formula {text!r}: write each random intercept as '+ (1 | grouping)'; "
                f"{stripped!r} is not of that form."
            )
    if "" in fixed and right.strip():
        raise ModelError(f"The formula {text!r} has a '+' with nothing beside it: remove it.")
    return " + ".join(fixed) or "1", bars


def _random_terms(bar: str, text: str) -> list[tuple[str, ...]]:
    effects, grouping = (side.strip() for side in bar.split("|"))
    if effects != "1":
        raise ModelError(
            f"The formula {text!r}: ({bar.strip()}) asks for random slopes; only random intercepts, "
            f"(1 | {grouping or 'grouping'}), can be fitted."
        )
    if not _GROUPING.fullmatch(grouping):
        raise ModelError(f"The formula {text!r}: the grouping {grouping!r} must be column names joined by ':' or '/'.")
    terms: list[tuple[str, ...]] = []
    prefix: tuple[str, ...] = ()
    for level in grouping.split("/"):
        prefix += tuple(name.strip() for name in level.split(":"))
        terms.append(prefix)
    return terms
