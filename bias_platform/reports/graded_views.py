"""The page's tables of ordered grades, and of outcomes that are no judgement."""

from collections.abc import Callable, Mapping

import pandas as pd

from bias_platform.reports.formats import (
    count,
    decimal,
    p_value,
    percent,
    points,
    signed_decimal,
    signed_decimal_span,
    text,
    words,
    yes_no,
)
from bias_platform.reports.shared_columns import ADJUSTED, DIFFERENCE, DIMENSION, INTERVAL, PERSONA, SYSTEM
from bias_platform.reports.table_view import Column, TableView, one, two, view

Tables = Mapping[str, pd.DataFrame]


def _contrasts(tables: Tables) -> TableView:
    columns = [
        SYSTEM,
        DIMENSION,
        PERSONA,
        Column("Log-odds of a higher grade", one("log_odds", signed_decimal)),
        Column("Interval", two("lower", "upper", signed_decimal_span)),
        ADJUSTED,
        Column("Significant", one("significant", yes_no), numeric=False),
        Column("Yes, pp", one("primary_difference", points)),
        Column("significant", one("primary_significant", yes_no), numeric=False),
        Column("Yes or lenient, pp", one("lenient_difference", points)),
        Column("significant", one("lenient_significant", yes_no), numeric=False),
    ]
    return view("graded_contrasts", tables["graded_contrasts"], columns)


def _proportional_odds(tables: Tables) -> TableView:
    columns = [
        Column("Systems", one("systems", text), numeric=False),
        Column("Term", one("term", text), numeric=False),
        Column("Likelihood ratio", one("lr", decimal)),
        Column("df", one("df", count)),
        Column("p", one("p", p_value)),
    ]
    return view("proportional_odds", tables["proportional_odds"], columns)


def _other_outcomes(tables: Tables) -> TableView:
    columns = [
        Column("Outcome", one("kind", words), numeric=False),
        SYSTEM,
        DIMENSION,
        PERSONA,
        Column("Share", one("share", percent)),
        Column("Generic person", one("control_share", percent)),
        DIFFERENCE,
        INTERVAL,
        ADJUSTED,
        Column("Log-odds against a judgement", one("log_odds", signed_decimal)),
        Column("Interval", two("log_odds_lower", "log_odds_upper", signed_decimal_span)),
    ]
    return view("other_outcomes", tables["other_outcomes"], columns)


GRADED_VIEWS: dict[str, Callable[[Tables], TableView]] = {
    "graded": _contrasts,
    "proportional_odds": _proportional_odds,
    "other_outcomes": _other_outcomes,
}
