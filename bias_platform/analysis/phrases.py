"""Numbers as a sentence says them."""

import math

from bias_platform.errors import counted

MINUS = "−"
NOT_ABSENT = "Not found is not the same as absent."
"""Said wherever a test finds nothing and no test of equivalence has shown that there is nothing."""


def points(value: object, signed: bool = False) -> str:
    """A probability difference in percentage points.

    >>> points(0.0423), points(-0.0423, signed=True)
    ('4.2', '−4.2')
    """
    number = 100 * float(str(value))
    if not math.isfinite(number):
        return "unknown"
    text = f"{number:+.1f}" if signed else f"{number:.1f}"
    return (text.lstrip("+-") if float(text) == 0 else text).replace("-", MINUS)


def share(value: object) -> str:
    """A probability in per cent.

    >>> share(0.5)
    '50.0 %'
    """
    number = float(str(value))
    return f"{100 * number:.1f} %" if math.isfinite(number) else "unknown"


def interval(lower: object, upper: object, signed: bool = False) -> str:
    """Bounds in percentage points.

    >>> interval(-0.01, 0.02, signed=True)
    '−1.0 to +2.0'
    """
    return f"{points(lower, signed)} to {points(upper, signed)}"


def are(number: int, of: int | str | None = None) -> str:
    """A count with its verb.

    >>> are(1), are(3, of=27), are(1, of="27 differences")
    ('1 is', '3 of 27 are', '1 of 27 differences is')
    """
    counted = f"{number} of {of}" if of is not None else str(number)
    return f"{counted} {'is' if number == 1 else 'are'}"


def have(number: int, noun: str) -> str:
    """A count of things with its verb.

    >>> have(1, "item"), have(2, "item")
    ('1 item has', '2 items have')
    """
    return f"{counted(number, noun)} {'has' if number == 1 else 'have'}"


def decimal(value: object, signed: bool = False) -> str:
    """A plain number, such as kappa or a log-odds.

    >>> decimal(-0.123), decimal(0.5, signed=True), decimal(float("nan"))
    ('−0.12', '+0.50', 'not defined')
    """
    number = float(str(value))
    if not math.isfinite(number):
        return "not defined"
    return (f"{number:+z.2f}" if signed else f"{number:z.2f}").replace("-", MINUS)


def decimal_interval(lower: object, upper: object, signed: bool = False) -> str:
    """Bounds as plain numbers.

    >>> decimal_interval(-1, 2, signed=True)
    '−1.00 to +2.00'
    """
    return f"{decimal(lower, signed)} to {decimal(upper, signed)}"


def quote(name: object) -> str:
    """A name as a sentence shows it.

    >>> quote("gender identity")
    '“gender identity”'
    """
    return f"“{name}”"
