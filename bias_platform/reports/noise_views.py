"""The page's tables of the noise floor."""

from collections.abc import Callable, Mapping

import pandas as pd

from bias_platform.reports.formats import MISSING, count, decimal, percent, points, text
from bias_platform.reports.shared_columns import DIMENSION, FROM, INTERVAL, PERSONA, SYSTEM, TO, unsigned, unsigned_span
from bias_platform.reports.table_view import Column, TableView, one, two, view

Tables = Mapping[str, pd.DataFrame]
_REPEAT = Column("Repeat", one("repeat", text), numeric=False)


def _changed(value: object) -> str:
    return text(value) or "nothing"


def _floor(tables: Tables) -> TableView:
    table = tables["noise_floor"]
    columns = [
        SYSTEM,
        _REPEAT,
        Column("Changed", one("changed", _changed), numeric=False),
        Column("Items", one("items", count)),
        Column("Answered twice, of", two("answered_twice", "questions", _of)),
        Column("Flipped", one("flipped", count)),
        Column("Share", one("flipped_share", percent)),
        Column("Interval, %", two("lower", "upper", unsigned_span)),
        Column("To or from Yes", one("yes_flipped", count)),
    ]
    if table["outcome_changed"].any():
        columns.append(Column("Other outcome", one("outcome_changed", count)))
    if table["scored_twice"].any():
        columns.append(Column("Margins apart: mean / 95 % within / largest", _margins))
    if table["contrast_sd"].notna().any():
        columns += [
            Column("Differences moved, pp", one("contrast_sd", unsigned)),
            Column("Largest, pp", one("contrast_largest", points)),
            Column("Whose", one("contrast_label", text), numeric=False),
        ]
    return view("noise_floor", table, columns)


def _of(part: object, whole: object) -> str:
    return f"{count(part)} / {count(whole)}"


def _margins(table: pd.DataFrame) -> list[str]:
    names = ("margin_mean", "margin_95", "margin_largest")
    return [" / ".join(small(value) for value in row) for row in table[list(names)].itertuples(index=False)]


def small(value: object) -> str:
    """A size that may be a rounding error or a whole unit.

    >>> small(0.0), small(3.21e-6), small(0.0123), small(1.5)
    ('0', '3e-06', '0.012', '1.5')
    """
    if decimal(value) == MISSING:
        return MISSING
    number = float(str(value))
    return f"{number:.1g}" if abs(number) < 1e-3 else f"{number:.2g}"


def _contrasts(tables: Tables) -> TableView:
    columns = [
        SYSTEM,
        _REPEAT,
        DIMENSION,
        PERSONA,
        Column("Items", one("items", count)),
        Column("First, pp", one("first", points)),
        Column("Again, pp", one("again", points)),
        Column("Moved, pp", one("difference", points)),
        INTERVAL,
    ]
    return view("repeated_contrasts", tables["repeated_contrasts"], columns)


def _flips(tables: Tables) -> TableView:
    columns = [
        FROM,
        TO,
        _REPEAT,
        Column("Floor of", one("floor_of", text), numeric=False),
        Column("Questions", one("questions", count)),
        Column("Coverage", one("coverage", percent)),
        Column("Flipped between them", one("flipped_share", percent)),
        Column("Flipped by asking again", one("floor_share", percent)),
        Column("Left, pp", one("difference", points)),
        INTERVAL,
    ]
    return view("system_flips", tables["system_flips"], columns)


NOISE_VIEWS: dict[str, Callable[[Tables], TableView]] = {
    "noise_floor": _floor,
    "repeated_contrasts": _contrasts,
    "system_flips": _flips,
}
