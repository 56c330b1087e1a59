"""The page's tables of what other methods would have concluded."""

from collections.abc import Callable, Mapping

import pandas as pd

from bias_platform.reports.formats import count, decimal, points, text
from bias_platform.reports.shared_columns import ADJUSTED, DIFFERENCE, DIMENSION, INTERVAL, PERSONA, SYSTEM
from bias_platform.reports.table_view import Column, TableView, one, two, view
from bias_platform.schemas.results_of_alternatives import ALL_SYSTEMS, ONLY_METHOD, ONLY_REPORT

Tables = Mapping[str, pd.DataFrame]
_METHOD = Column("Method", one("method", text), numeric=False)
_HELD_AGAINST = Column("Claims", one("scope", text), numeric=False)


def _methods(by_system: bool) -> Callable[[Tables], TableView]:
    """Over all systems together, or one by one where there are several."""
    columns = [
        _METHOD,
        _HELD_AGAINST,
        Column("Significant", one("significant", count)),
        Column("Significant in the report", one("reported", count)),
        Column("Same verdict", two("agreeing", "contrasts", _of_all)),
        Column("Only this method", one("only_method", count)),
        Column("Only the report", one("only_report", count)),
        Column("Standard error ÷ report’s", one("error_ratio", decimal)),
    ]
    columns = [SYSTEM, *columns] if by_system else columns

    def make(tables: Tables) -> TableView:
        table = tables["alternative_methods"]
        together = table["system"] == ALL_SYSTEMS
        several = table.loc[~together, "system"].nunique() > 1
        table = table[(~together & several) if by_system else together]
        query = f"system {'!=' if by_system else '=='} '{ALL_SYSTEMS}'"
        return view("alternative_methods", table, columns, query)

    return make


def _of_all(agreeing: object, contrasts: object) -> str:
    return f"{count(agreeing)} of {count(contrasts)}"


def _notes(tables: Tables) -> TableView:
    """What could not be fitted, or was mended."""
    table = tables["alternative_methods"]
    noted = table[(table["system"] == ALL_SYSTEMS) & (table["note"] != "")]
    columns = [_METHOD, Column("Note", one("note", text), numeric=False)]
    return view("alternative_methods", noted, columns, f"system == '{ALL_SYSTEMS}' and note != ''")


def _flips(tables: Tables) -> TableView:
    """Comparisons on which a method and the report part."""
    columns = [
        SYSTEM,
        DIMENSION,
        PERSONA,
        _METHOD,
        Column("Significant for", one("verdict", text), numeric=False),
        DIFFERENCE,
        INTERVAL,
        ADJUSTED,
        Column("In the report, pp", one("reported_difference", points)),
    ]
    table = tables["alternative_contrasts"]
    parted = [ONLY_METHOD, ONLY_REPORT]
    return view("alternative_contrasts", table[table["verdict"].isin(parted)], columns, f"verdict in {parted}")


ALTERNATIVE_VIEWS: dict[str, Callable[[Tables], TableView]] = {
    "alternatives": _methods(by_system=False),
    "alternatives_by_system": _methods(by_system=True),
    "alternative_notes": _notes,
    "alternative_flips": _flips,
}
