"""Columns that several tables of a regression report share."""

import pandas as pd

from bias_platform.reports.formats import decimal, decimal_span, p_value, points, span, text, words, yes_no
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
SIMULTANEOUS = Column("Simultaneous", two("simultaneous_lower", "simultaneous_upper", span))
BOUNDS = Column("Bounds", two("bound_low", "bound_high", span))
FROM = Column("From", one("from_system", text), numeric=False)
TO = Column("To", one("to_system", text), numeric=False)
SIGNIFICANT = Column("Significant", one("significant", yes_no), numeric=False)


def log_odds_columns(table: pd.DataFrame) -> list[Column]:
    """Log-odds of the model and how a row was made; none where no row has log-odds, and all were made alike."""
    return [LOG_ODDS, LOG_ODDS_INTERVAL, METHOD] if table["log_odds"].notna().any() else []


def unsigned(value: object) -> str:
    """Percentage points without a plus sign: for shares and spreads."""
    return points(value, signed=False)


def unsigned_span(lower: object, upper: object) -> str:
    """An interval of those."""
    return span(lower, upper, signed=False)
