"""Columns that several tables of a regression report share."""

from bias_platform.reports.formats import decimal, decimal_span, p_value, points, span, text, words
from bias_platform.reports.table_view import Column, one, two

SYSTEM = Column("System", one("system", text), numeric=False)
PERSONA = Column("Persona", one("label", text), numeric=False)
DIMENSION = Column("Dimension", one("dimension", words), numeric=False)
SCOPE = Column("Scope", one("scope", text), numeric=False)
METHOD = Column("Method", one("method", text), numeric=False)
DIFFERENCE = Column("Difference, pp", one("difference", points))
INTERVAL = Column("Interval", two("lower", "upper", span))
LOG_ODDS = Column("Log-odds", one("log_odds", decimal))
LOG_ODDS_INTERVAL = Column("Interval", two("log_odds_lower", "log_odds_upper", decimal_span))
ADJUSTED = Column("p, adjusted", one("p_adjusted", p_value))


def unsigned(value: object) -> str:
    """Percentage points without a plus sign: for shares and spreads."""
    return points(value, signed=False)


def unsigned_span(lower: object, upper: object) -> str:
    """An interval of those."""
    return span(lower, upper, signed=False)
