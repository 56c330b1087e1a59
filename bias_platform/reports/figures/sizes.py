"""Smallest difference found over the number of items: a line a number of wordings, a panel a scope."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bias_platform.reports.figures.style import FAINT, MARKERS, SERIES, SOFT, WIDTH, plotting


@dataclass(frozen=True)
class SizeGrid:
    """What the panels show, in percentage points."""

    panels: Mapping[str, pd.DataFrame]
    """Title -> items, wordings, detectable, lower, upper, this_study."""
    own: int
    """The study's number of wordings, whose line has the band."""
    margin: float
    """Of equivalence."""
    level: str
    """Of the band."""


def size_figure(grid: SizeGrid) -> Figure:
    """The plot."""
    wordings = sorted({int(number) for table in grid.panels.values() for number in table["wordings"]})
    with plotting():
        figure = Figure(figsize=(WIDTH, 3.4))
        axes = figure.subplots(1, len(grid.panels), sharey=True, squeeze=False)[0]
        for place, (title, table) in zip(axes, grid.panels.items(), strict=True):
            place.axhline(grid.margin, color=SOFT, linewidth=1.0, linestyle=(0, (1, 2)), zorder=1)
            for number, line in table.groupby("wordings"):
                _draw(place, line.sort_values("items"), wordings.index(int(str(number))), number == grid.own)
            _frame(place, title, table)
        axes[0].set_ylabel("smallest difference found, percentage points")
        axes[0].set_ylim(bottom=0)
        figure.legend(handles=_handles(grid, wordings), loc="lower left", ncols=5, frameon=False, fontsize=8)
        figure.subplots_adjust(left=0.06, right=0.99, top=0.92, bottom=0.24, wspace=0.06)
    return figure


def _draw(axes: Axes, line: pd.DataFrame, number: int, own: bool) -> None:
    color = SERIES[number % len(SERIES)]
    if own:
        axes.fill_between(line["items"], line["lower"], line["upper"], color=color, alpha=0.15, linewidth=0, zorder=2)
    marker, width = MARKERS[number % len(MARKERS)], 2.4 if own else 1.2
    axes.plot(line["items"], line["detectable"], color=color, marker=marker, markersize=4, linewidth=width, zorder=3)
    for row in line[line["this_study"]].itertuples():
        axes.annotate(
            _shown(float(str(row.detectable))),
            (row.items, row.detectable),
            (5, 6),
            textcoords="offset points",
            fontweight="bold",
        )


def _shown(difference: float) -> str:
    """Cut at 100 points."""
    return f"{difference:.1f}" if difference < 100 else "100 or more"


def _frame(axes: Axes, title: str, table: pd.DataFrame) -> None:
    counts = sorted({int(count) for count in table["items"]})
    axes.set_xscale("log")
    axes.set_xticks(counts, [f"{count:,}" for count in counts])
    axes.minorticks_off()
    axes.grid(color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_title(title.capitalize(), loc="left")
    axes.set_xlabel("items")


def _handles(grid: SizeGrid, wordings: list[int]) -> list[Line2D | Patch]:
    handles: list[Line2D | Patch] = []
    for number, count in enumerate(wordings):
        own = count == grid.own
        name = f"{count} wording{'s' if count > 1 else ''}{' (this study)' if own else ''}"
        color, marker = SERIES[number % len(SERIES)], MARKERS[number % len(MARKERS)]
        width = 2.4 if own else 1.2
        handles.append(Line2D([], [], color=color, label=name, marker=marker, markersize=4, linewidth=width))
    if grid.own:
        color = SERIES[wordings.index(grid.own) % len(SERIES)]
        handles.append(Patch(color=color, alpha=0.15, label=f"{grid.level} interval: how well this study tells"))
    margin = f"margin of equivalence: {grid.margin:g} points"
    handles.append(Line2D([], [], color=SOFT, linestyle=(0, (1, 2)), label=margin))
    return handles
