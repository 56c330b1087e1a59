"""Forest plots of contrasts in both scopes: personas against the generic person, and changes between systems."""

from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from bias_platform.reports.figures.forest import Legend, Panel, Rows, forest_figure
from bias_platform.schemas.results import BEYOND_WORDING, THESE_WORDINGS

SQUARE = "no log-odds claim (too few answers of one kind)"


class Axis(NamedTuple):
    """How a contrast is plotted."""

    name: str
    factor: float
    """Plotted units in one unit of the table."""
    margin: float | None = None
    """Of equivalence, in plotted units; shaded."""


def contrast_figure(table: pd.DataFrame, axis: Axis, level: str) -> Figure | None:
    """A panel a system; None where there is nothing to plot."""
    return _figure(table, ["system"], axis, level)


def change_figure(table: pd.DataFrame, axis: Axis, level: str) -> Figure | None:
    """A panel a change; None where there is nothing to plot."""
    return _figure(table, ["from_system", "to_system"], axis, level)


def difference_figure(table: pd.DataFrame, interval: str) -> Figure | None:
    """Differences of probabilities by persona, a panel a system; None where there is nothing to plot.

    Args:
        table: system, persona_id, label, dimension, difference, lower, upper, significant.
        interval: what the intervals are, for the legend.
    """
    if table.empty:
        return None
    panels = [
        Panel(
            str(system),
            pd.DataFrame(
                {
                    "estimate": 100 * part["difference"],
                    "lower": 100 * part["lower"],
                    "upper": 100 * part["upper"],
                    "filled": part["significant"],
                }
            ).set_index(part["persona_id"]),
        )
        for system, part in table.groupby("system", sort=False)
    ]
    filled = "significant after adjustment" if table["significant"].any() else ""
    legend = Legend("percentage points", interval, filled=filled, hollow="not significant")
    return forest_figure(rows_by_dimension(table), panels, legend)


def _figure(table: pd.DataFrame, keys: list[str], axis: Axis, level: str) -> Figure | None:
    if table.empty:
        return None
    squares = lacks_log_odds(table)
    panels = [
        _panel(part.assign(square=squares[part.index]), "\n→ ".join(map(str, names)), axis.factor)
        for names, part in table.groupby(keys, sort=False)
    ]
    wide = table[table["scope"] == BEYOND_WORDING]
    legend = Legend(
        axis=axis.name,
        inner=f"{level}, these wordings",
        outer=f"{level}, beyond wording" if len(wide) else "",
        filled="significant after adjustment" if (wide if len(wide) else table)["significant"].any() else "",
        hollow="not significant",
        square=SQUARE if squares.any() else "",
        band=f"±{axis.margin:g} points: equivalence margin" if axis.margin else "",
    )
    return forest_figure(rows_by_dimension(table[table["scope"] == THESE_WORDINGS]), panels, legend, axis.margin)


def _panel(rows: pd.DataFrame, title: str, factor: float) -> Panel:
    """Both scopes of one system or change; where there is a wider claim, it decides whether a marker is filled."""
    inner = rows[rows["scope"] == THESE_WORDINGS].set_index("persona_id")
    outer = rows[rows["scope"] == BEYOND_WORDING].set_index("persona_id").reindex(inner.index)
    wide = outer["difference"].notna()
    data = {
        "estimate": factor * inner["difference"],
        "lower": factor * inner["lower"],
        "upper": factor * inner["upper"],
        "outer_lower": factor * outer["lower"],
        "outer_upper": factor * outer["upper"],
        "filled": outer["significant"].where(wide, inner["significant"]).astype(bool),
        "square": inner["square"],
    }
    return Panel(title, pd.DataFrame(data))


def lacks_log_odds(table: pd.DataFrame) -> pd.Series:
    """Rows to mark because others have log-odds and they have none; no row where all are alike in this."""
    missing = table["log_odds"].isna() if "log_odds" in table else pd.Series(False, index=table.index)
    return missing & bool(not missing.all())


def rows_by_dimension(table: pd.DataFrame, value: str = "difference") -> Rows:
    """Personas by dimension in the order of the set, within it by their mean over systems."""
    groups = []
    for dimension, part in table.groupby("dimension", sort=False):
        order = part.groupby("persona_id", sort=False)[value].mean().sort_values(ascending=False, kind="stable")
        label = part.drop_duplicates("persona_id").set_index("persona_id")["label"]
        groups.append((str(dimension), [(str(key), str(label[key])) for key in order.index]))
    return Rows(groups)
