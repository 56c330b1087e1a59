"""The page's tables that hold systems against people: errors by target group, and people of a persona's own group."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bias_platform.reports.contrast_figures import difference_figure
from bias_platform.reports.figures.number_grid import NumberGrid, number_grid_figure
from bias_platform.reports.formats import count, p_value, percent, points, text, words, yes_no
from bias_platform.reports.model_views import term_test_view
from bias_platform.reports.shared_columns import (
    ADJUSTED,
    DIFFERENCE,
    DIMENSION,
    INTERVAL,
    PERSONA,
    SIGNIFICANT,
    SYSTEM,
    log_odds_columns,
    unsigned_span,
)
from bias_platform.reports.table_view import Column, TableView, one, two, view
from bias_platform.schemas.results import ERROR_MODELS
from bias_platform.schemas.results_of_people import ERRORS_IN_WORDS, FALSE_ALARM, MISS
from bias_platform.schemas.results_of_people import PERSONA as TOLD

Tables = Mapping[str, pd.DataFrame]
_WHAT = Column("Persona or group", one("label", text), numeric=False)


def _errors(kind: str) -> Callable[[Tables], TableView]:
    columns = [
        SYSTEM,
        DIMENSION,
        _WHAT,
        Column("Items about", one("target", words), numeric=False),
        Column("Items", one("items", count)),
        Column("Rate", one("rate", percent)),
        Column("Interval, %", two("rate_lower", "rate_upper", unsigned_span)),
        Column("Against the generic person, pp", one("difference", points)),
        INTERVAL,
        ADJUSTED,
        SIGNIFICANT,
    ]

    def make(tables: Tables) -> TableView:
        table = tables["error_rates"]
        return view("error_rates", table[table["kind"] == kind], columns, f"kind == '{kind}'")

    return make


def _error_tests(tables: Tables) -> TableView:
    table = tables["term_tests"]
    models = list(ERROR_MODELS.values())
    return term_test_view(table[table["model"].isin(models)], f"model in {models!r}", named=True)


def _coverage(tables: Tables) -> TableView:
    columns = [
        DIMENSION,
        PERSONA,
        Column("People", one("people", text), numeric=False),
        Column("Annotators", one("annotators", count)),
        Column("Items", one("items", count)),
        Column("Judgements", one("judgements", count)),
        Column("Compared", one("compared", yes_no), numeric=False),
        Column("Why not", one("why_not", text), numeric=False),
    ]
    return view("people_coverage", tables["people_coverage"], columns)


def _gaps(tables: Tables) -> TableView:
    table = tables["people_gaps"]
    columns = [
        Column("Told to be", one("source", text), numeric=False),
        SYSTEM,
        DIMENSION,
        Column("People of the group of", one("label", text), numeric=False),
        Column("System says Yes", one("system_yes", percent)),
        Column("People say Yes", one("people_yes", percent)),
        DIFFERENCE,
        INTERVAL,
        ADJUSTED,
        SIGNIFICANT,
        Column("of it, annotators", one("people_share", percent)),
    ]
    return view("people_gaps", table, [*columns, *log_odds_columns(table)])


def _distances(tables: Tables) -> TableView:
    columns = [
        Column("Compared", one("comparison", text), numeric=False),
        SYSTEM,
        DIMENSION,
        PERSONA,
        Column("First distance", one("first", percent)),
        Column("second", one("second", percent)),
        DIFFERENCE,
        INTERVAL,
        Column("p", one("p_value", p_value)),
        ADJUSTED,
        SIGNIFICANT,
    ]
    return view("people_distances", tables["people_distances"], columns)


def error_figure(tables: Tables, kind: str) -> Figure | None:
    """Personas by target, a panel a system: how much more often the persona errs than the generic person."""
    table = tables["error_rates"]
    table = table[(table["kind"] == kind) & (table["role"] == "named")]
    if table.empty:
        return None
    names = table.drop_duplicates("persona_id").set_index("persona_id")
    targets = list(dict.fromkeys(table["target"]))
    panels, marks = {}, {}
    for system, part in table.groupby("system", sort=False):
        at = part.pivot(index="persona_id", columns="target", values="difference").reindex(names.index, columns=targets)
        found = part.pivot(index="persona_id", columns="target", values="significant")
        panels[str(system)] = 100 * at.to_numpy(float)
        marks[str(system)] = found.reindex(names.index, columns=targets).to_numpy() == np.True_
    rows = [str(label) for label in names["label"]]
    columns = [words(name) for name in targets]
    title = f"{ERRORS_IN_WORDS[kind]}, percentage points more than the generic person"
    return number_grid_figure(NumberGrid(panels, rows, columns, title, marks))


def people_figure(tables: Tables, level: str) -> Figure | None:
    """Systems told to be a persona against its people, a panel a system."""
    table = tables["people_gaps"]
    return difference_figure(table[table["source"] == TOLD], f"{level}, items and annotators")


PEOPLE_VIEWS: dict[str, Callable[[Tables], TableView]] = {
    "false_alarms": _errors(FALSE_ALARM),
    "misses": _errors(MISS),
    "error_tests": _error_tests,
    "people_coverage": _coverage,
    "people_gaps": _gaps,
    "people_distances": _distances,
}
