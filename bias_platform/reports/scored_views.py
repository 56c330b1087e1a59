"""The page's tables of scores."""

from collections.abc import Callable, Mapping

import pandas as pd

from bias_platform.reports.formats import count, decimal, decimal_span, signed_decimal, signed_decimal_span
from bias_platform.reports.shared_columns import ADJUSTED, DIMENSION, FROM, PERSONA, SCOPE, SYSTEM, TO
from bias_platform.reports.table_view import Column, TableView, one, two, view

Tables = Mapping[str, pd.DataFrame]
_INTERVAL = Column("Interval", two("lower", "upper", signed_decimal_span))
_SIMULTANEOUS = Column("Simultaneous", two("simultaneous_lower", "simultaneous_upper", signed_decimal_span))


def _margins(tables: Tables) -> TableView:
    columns = [
        SYSTEM,
        PERSONA,
        Column("Questions", one("answers", count)),
        Column("Mean margin", one("mean", decimal)),
        Column("Interval", two("lower", "upper", decimal_span)),
    ]
    return view("scored_margins", tables["scored_margins"], columns)


def _contrasts(tables: Tables) -> TableView:
    difference = Column("Difference", one("difference", signed_decimal))
    columns = [SYSTEM, DIMENSION, PERSONA, SCOPE, difference, _INTERVAL, _SIMULTANEOUS, ADJUSTED]
    return view("scored_contrasts", tables["scored_contrasts"], columns)


def _changes(tables: Tables) -> TableView:
    change = Column("Change", one("difference", signed_decimal))
    columns = [FROM, TO, DIMENSION, PERSONA, SCOPE, change, _INTERVAL, _SIMULTANEOUS, ADJUSTED]
    return view("scored_changes", tables["scored_changes"], columns)


SCORED_VIEWS: dict[str, Callable[[Tables], TableView]] = {
    "scored_margins": _margins,
    "scored_contrasts": _contrasts,
    "scored_changes": _changes,
}
