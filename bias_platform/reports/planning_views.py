"""The page's tables and plot of what a study of another size could find."""

from collections.abc import Callable, Mapping

import pandas as pd
from matplotlib.figure import Figure

from bias_platform.reports.figures.sizes import SizeGrid, size_figure
from bias_platform.reports.formats import count, decimal, percent, yes_no
from bias_platform.reports.shared_columns import SCOPE, SYSTEM, unsigned, unsigned_span
from bias_platform.reports.table_view import Column, TableView, one, two, view

Tables = Mapping[str, pd.DataFrame]
_LOG_ODDS = "Log-odds"


def _sizes(by_system: bool) -> Callable[[Tables], TableView]:
    columns = [
        SCOPE,
        Column("Items", one("items", count)),
        Column("Wordings", one("wordings", count)),
        Column("This study", one("this_study", yes_no), numeric=False),
        Column("Cells", one("cells", count)),
        Column("Smallest difference found, pp", one("detectable", unsigned)),
        Column("Interval", two("lower", "upper", unsigned_span)),
        Column("If whole items turn", one("turning", unsigned)),
        Column("Hardest comparison", one("largest", unsigned)),
        Column(_LOG_ODDS, one("log_odds", decimal)),
        Column("Share of the uncertainty: items", one("item_share", percent)),
        Column("Share of the uncertainty: single answers", one("answer_share", percent)),
        Column("Share of the uncertainty: wordings", one("wording_share", percent)),
    ]
    columns = [SYSTEM, *columns] if by_system else columns

    def make(tables: Tables) -> TableView:
        table = tables["next_studies"]
        shown = [column for column in columns if column.heading != _LOG_ODDS or table["log_odds"].notna().any()]
        query = f"system.{'notna' if by_system else 'isna'}()"
        return view("next_studies", table[table["system"].notna() == by_system], shown, query)

    return make


PLANNING_VIEWS: dict[str, Callable[[Tables], TableView]] = {
    "next_studies": _sizes(by_system=False),
    "next_studies_by_system": _sizes(by_system=True),
}


def next_study_figure(table: pd.DataFrame, margin: float, level: str) -> Figure | None:
    """A panel a scope, all systems together; None where there is nothing to plot.

    Args:
        table: `NextStudies`.
        margin: of equivalence, in percentage points.
        level: of the band.
    """
    table = table[table["system"].isna()]
    if table.empty:
        return None
    shown = table.assign(**{name: 100 * table[name] for name in ("detectable", "lower", "upper")})
    panels = {str(scope): part for scope, part in shown.groupby("scope", sort=False)}
    own = table.loc[table["this_study"], "wordings"]
    return size_figure(SizeGrid(panels, int(own.iloc[0]) if len(own) else 0, margin, level))
