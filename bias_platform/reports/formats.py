"""How the page writes numbers. Every function takes missing values and writes a dash for them."""

import math

MISSING = "–"
MINUS = "−"


def _number(value: object) -> float | None:
    if value is None or isinstance(value, str):
        return None
    number = float(value)  # type: ignore[arg-type]
    return number if math.isfinite(number) else None


def points(value: object, signed: bool = True) -> str:
    """Percentage points.

    >>> points(-0.0312), points(0.5, signed=False), points(float("nan"))
    ('−3.1', '50.0', '–')
    """
    number = _number(value)
    if number is None:
        return MISSING
    text = f"{100 * number:+.1f}" if signed else f"{100 * number:.1f}"
    return (text.lstrip("+-") if float(text) == 0 else text).replace("-", MINUS)


def percent(value: object) -> str:
    """A share in per cent.

    >>> percent(0.256)
    '25.6 %'
    """
    number = _number(value)
    return MISSING if number is None else f"{100 * number:.1f} %"


def span(lower: object, upper: object, signed: bool = True) -> str:
    """An interval in percentage points.

    >>> span(-0.01, 0.02)
    '−1.0 to +2.0'
    """
    if _number(lower) is None or _number(upper) is None:
        return MISSING
    return f"{points(lower, signed)} to {points(upper, signed)}"


def decimal(value: object, digits: int = 2) -> str:
    """A plain number.

    >>> decimal(-1.234)
    '−1.23'
    """
    number = _number(value)
    if number is None:
        return MISSING
    text = f"{number:.{digits}f}"
    return (text.lstrip("-") if float(text) == 0 else text).replace("-", MINUS)


def signed_decimal(value: object) -> str:
    """A plain number with its sign.

    >>> signed_decimal(1.234), signed_decimal(0)
    ('+1.23', '0.00')
    """
    number = _number(value)
    return f"+{decimal(value)}" if number is not None and number > 0 and float(f"{number:.2f}") else decimal(value)


def signed_decimal_span(lower: object, upper: object) -> str:
    """An interval of those.

    >>> signed_decimal_span(-1, 2)
    '−1.00 to +2.00'
    """
    if _number(lower) is None or _number(upper) is None:
        return MISSING
    return f"{signed_decimal(lower)} to {signed_decimal(upper)}"


def decimal_span(lower: object, upper: object) -> str:
    """An interval of plain numbers.

    >>> decimal_span(-1, 2)
    '−1.00 to 2.00'
    """
    if _number(lower) is None or _number(upper) is None:
        return MISSING
    return f"{decimal(lower)} to {decimal(upper)}"


def count(value: object) -> str:
    """A count with thin spaces between thousands.

    >>> count(12345)
    '12\u2009345'
    """
    number = _number(value)
    return MISSING if number is None else f"{number:,.0f}".replace(",", "\u2009")


def p_value(value: object) -> str:
    """A p value.

    >>> p_value(0.0000123), p_value(0.04567)
    ('< 0.001', '0.046')
    """
    number = _number(value)
    if number is None:
        return MISSING
    return "< 0.001" if number < 0.001 else f"{number:.3f}"


def yes_no(value: object) -> str:
    """`yes` or nothing, so that a column of flags can be scanned.

    >>> yes_no(True), yes_no(False)
    ('yes', '')
    """
    return "yes" if bool(value) else ""


def text(value: object) -> str:
    """Anything as text; missing as a dash."""
    return MISSING if value is None or (isinstance(value, float) and math.isnan(value)) else str(value)


def words(value: object) -> str:
    """A slug as words.

    >>> words("gender_identity")
    'gender identity'
    """
    return text(value).replace("_", " ")
