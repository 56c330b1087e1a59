"""Which rows of the power tables the plot shows."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from bias_platform.analysis.declared_power import DeclaredPower, looked_at
from bias_platform.reports.figures.power_curves import CurveGrid, CurvePanel, power_figure
from bias_platform.schemas.power import DECIDED, GRADED

PLOT = "power_curves"
TITLE = "Share of simulated studies that find a difference, over its size, by number of items"
_HEADINGS = {
    GRADED: "If items are judged by degrees",
    DECIDED: "If nearly all items are decided alike by everybody",
}


def power_curves_figure(found: DeclaredPower) -> Figure:
    """A row a kind of items, a panel a question and scope, a line a number of items."""
    curves, smallest = found.tables["power_curves"], found.tables["smallest_differences"]
    rows = []
    for kind, part in curves.groupby("assumptions", sort=False):
        own = smallest[(smallest["assumptions"] == kind) & (smallest["items"] == found.size.items)]
        panels = [_panel(row, part) for row in own.itertuples(index=False)]
        rows.append((_HEADINGS[str(kind)], panels))
    margin = found.study.analysis.equivalence_margin
    shown = 100 * margin if margin in looked_at(found.study) else None
    return power_figure(CurveGrid(rows, found.size.items, 100 * found.study.power.target, shown))


def _panel(own: Any, curves: pd.DataFrame) -> CurvePanel:
    """The curves of a question and scope, with what the study's own number of items reaches."""
    rows = curves[(curves["question"] == own.question) & (curves["scope"] == own.scope)]
    columns = ["gap", "power", "lower", "upper"]
    lines = {count: 100 * rows.loc[rows["items"] == count, columns] for count in rows["items"].unique()}
    return CurvePanel(f"{own.question.capitalize()},\n{own.scope}", lines, 100 * own.gap)
