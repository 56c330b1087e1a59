"""The page's tables of wordings, of spreads that change between systems, and of crossed personas."""

from collections.abc import Callable, Mapping

import pandas as pd

from bias_platform.reports.formats import count, decimal, p_value, percent, points, span, text
from bias_platform.reports.shared_columns import (
    ADJUSTED,
    DIFFERENCE,
    DIMENSION,
    FROM,
    INTERVAL,
    SCOPE,
    SIGNIFICANT,
    SIMULTANEOUS,
    SYSTEM,
    TO,
    log_odds_columns,
    unsigned,
)
from bias_platform.reports.table_view import Column, TableView, one, two, view
from bias_platform.schemas.results_of_intersections import BEYOND_THE_SUM, FOUR_CELLS

Tables = Mapping[str, pd.DataFrame]


def _wordings(tables: Tables) -> TableView:
    columns = [
        SYSTEM,
        Column("Wording", one("template_id", text), numeric=False),
        Column("Yes-rate", one("yes_rate", percent)),
        Column("Less the mean of wordings, pp", one("difference", points)),
        INTERVAL,
        ADJUSTED,
        Column("Items", one("items", count)),
        Column("sd of a persona in one wording, pp", one("persona_wording_sd", unsigned)),
    ]
    return view("wording_effects", tables["wording_effects"], columns)


def _spread_changes(tables: Tables) -> TableView:
    columns = [
        FROM,
        TO,
        DIMENSION,
        Column("Personas", one("personas", count)),
        SCOPE,
        Column("Noise-corrected sd before, pp", one("deviation_from", unsigned)),
        Column("after", one("deviation_to", unsigned)),
        Column("Change, pp", one("change", points)),
        Column("Interval", two("change_lower", "change_upper", span)),
        Column("p", one("p_value", p_value)),
        ADJUSTED,
        Column("p, systems exchanged", one("exchange_p", p_value)),
    ]
    return view("spread_changes", tables["spread_changes"], columns)


def _crossed(kind: str, what: str) -> Callable[[Tables], TableView]:
    columns = [SYSTEM, DIMENSION, Column(what, one("label", text), numeric=False)]
    columns += [SCOPE, DIFFERENCE, INTERVAL, SIMULTANEOUS, ADJUSTED, SIGNIFICANT]

    def make(tables: Tables) -> TableView:
        table = tables["crossed_contrasts"]
        table = table[table["kind"] == kind]
        return view("crossed_contrasts", table, [*columns, *log_odds_columns(table)], f"kind == '{kind}'")

    return make


def _crossed_tests(tables: Tables) -> TableView:
    columns = [
        Column("What", one("kind", text), numeric=False),
        SYSTEM,
        DIMENSION,
        SCOPE,
        Column("Interactions", one("interactions", count)),
        Column("F", one("f", decimal)),
        Column("df", two("f_df", "f_denominator_df", _degrees)),
        Column("p", one("p_value", p_value)),
        ADJUSTED,
        SIGNIFICANT,
    ]
    return view("crossed_tests", tables["crossed_tests"], columns)


def _degrees(numerator: object, denominator: object) -> str:
    return f"{decimal(numerator, 1)}; {decimal(denominator, 1)}"


FURTHER_VIEWS: dict[str, Callable[[Tables], TableView]] = {
    "wordings": _wordings,
    "spread_changes": _spread_changes,
    "crossed": _crossed(BEYOND_THE_SUM, "Persona beyond the sum of its parts"),
    "four_cells": _crossed(FOUR_CELLS, "Difference of differences"),
    "crossed_tests": _crossed_tests,
}
