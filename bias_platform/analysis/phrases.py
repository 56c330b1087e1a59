"""Numbers as a sentence says them."""

import math

MINUS = "−"


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


def are(number: int, of: int | None = None) -> str:
    """A count with its verb.

    >>> are(1), are(3, of=27)
    ('1 is', '3 of 27 are')
    """
    counted = f"{number} of {of}" if of is not None else str(number)
    return f"{counted} {'is' if number == 1 else 'are'}"


def decimal(value: object) -> str:
    """A plain number, such as kappa.

    >>> decimal(-0.123), decimal(float("nan"))
    ('−0.12', 'not defined')
    """
    number = float(str(value))
    return f"{number:z.2f}".replace("-", MINUS) if math.isfinite(number) else "not defined"


def quote(name: object) -> str:
    """A name as a sentence shows it.

    >>> quote("gender identity")
    '“gender identity”'
    """
    return f"“{name}”"
