"""Power over a difference: a line a number of items with its Monte-Carlo band, panels in rows under a heading."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from bias_platform.reports.figures.style import FAINT, INK, MARKERS, SOFT, VERMILION, WIDTH, plotting

_FEWEST, _MOST = "#8fc1e3", "#08306b"
"""Shades of the lines: the more items, the darker, so that their order is seen without colour, too."""
_PANEL, _ROW, _LEFT, _GAP, _HEAD, _FOOT = 3.3, 1.75, 0.75, 0.2, 0.64, 0.5
"""Inches."""


@dataclass(frozen=True)
class CurvePanel:
    """One panel: its lines share everything but the number of items."""

    title: str
    lines: dict[int, pd.DataFrame]
    """Number of items -> gap, power, lower, upper, all in per cent."""
    reached: float = math.nan
    """Where the emphasised line meets the wanted power; not a number: nowhere."""


@dataclass(frozen=True)
class CurveGrid:
    """What all panels share."""

    rows: Sequence[tuple[str, Sequence[CurvePanel]]]
    """(heading, panels) from top to bottom."""
    own: int
    """The number of items to emphasise."""
    target: float
    """The wanted power in per cent."""
    margin: float | None = None
    """A difference to mark, in percentage points."""
    counts: list[int] = field(init=False)

    def __post_init__(self) -> None:
        found = {count for _, panels in self.rows for panel in panels for count in panel.lines}
        object.__setattr__(self, "counts", sorted(found))


def power_figure(grid: CurveGrid) -> Figure:
    """The plot."""
    columns = max(len(panels) for _, panels in grid.rows)
    width = min(_PANEL, (WIDTH - _LEFT - 0.05) / columns)
    handles = _handles(grid)
    legend = 0.2 * math.ceil(len(handles) / 4) + 0.1
    tall = len(grid.rows) * (_HEAD + _ROW + _FOOT) + legend
    with plotting():
        figure = Figure(figsize=(WIDTH, tall))
        for row, (heading, panels) in enumerate(grid.rows):
            top = tall - row * (_HEAD + _ROW + _FOOT)
            figure.text(0.005, (top - 0.13) / tall, heading, fontsize=9, fontweight="bold", va="center")
            for column, panel in enumerate(panels):
                place = (_LEFT + column * width, top - _HEAD - _ROW, width - _GAP, _ROW)
                axes = figure.add_axes(tuple(np.array(place) / (WIDTH, tall, WIDTH, tall)))
                _draw(axes, panel, grid)
                _frame(axes, panel, grid, first=column == 0)
        figure.legend(handles=handles, loc="lower left", ncols=4, frameon=False, fontsize=8, borderaxespad=0.2)
    return figure


def _draw(axes: Axes, panel: CurvePanel, grid: CurveGrid) -> None:
    axes.axhline(grid.target, color=VERMILION, linewidth=1.0, linestyle=(0, (5, 3)), zorder=1)
    if grid.margin is not None:
        axes.axvline(grid.margin, color=SOFT, linewidth=1.0, linestyle=(0, (1, 2)), zorder=1)
    for number, count in enumerate(grid.counts):
        if count not in panel.lines:
            continue
        data, (color, thick) = panel.lines[count], _look(grid, number)
        axes.fill_between(data["gap"], data["lower"], data["upper"], color=color, alpha=0.18, linewidth=0, zorder=2)
        axes.plot(
            data["gap"],
            data["power"],
            color=color,
            linewidth=2.4 if thick else 1.2,
            marker=MARKERS[number % len(MARKERS)],
            markersize=4.2 if thick else 3.0,
            zorder=4 if thick else 3,
        )
    if math.isfinite(panel.reached):
        _mark_reached(axes, panel.reached, grid)


def _mark_reached(axes: Axes, reached: float, grid: CurveGrid) -> None:
    """A line from the wanted power down to the difference, which stands at its foot."""
    color, _ = _look(grid, grid.counts.index(grid.own))
    axes.vlines(reached, 0, grid.target, color=color, linewidth=1.0)
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.6}
    number = axes.annotate(f"{reached:.1f}", (reached, 0), (3, 3), textcoords="offset points", bbox=box, zorder=5)
    number.set(fontsize=8.5, fontweight="bold")


def _frame(axes: Axes, panel: CurvePanel, grid: CurveGrid, *, first: bool) -> None:
    axes.set_xlim(0, _widest(grid))
    axes.set_ylim(0, 101)
    axes.set_yticks([0, 20, 40, 60, 80, 100], [f"{tick} %" for tick in (0, 20, 40, 60, 80, 100)] if first else [])
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    axes.grid(color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_title(panel.title, loc="left", color=INK, pad=4)
    axes.set_xlabel("difference, percentage points")
    if first:
        axes.set_ylabel("studies that find it")


def _widest(grid: CurveGrid) -> float:
    """The first gap that every line finds nearly always, or else the largest of all."""
    lines = [line for _, panels in grid.rows for panel in panels for line in panel.lines.values()]
    every = pd.concat([line.set_index("gap")["power"] for line in lines], axis=1)
    sure = every.index[(every >= 99.5).all(axis=1)]
    return float(sure.min() if len(sure) else every.index.max())


def _look(grid: CurveGrid, number: int) -> tuple[str, bool]:
    """Colour of the line of that number, and whether it is emphasised."""
    share = number / max(1, len(grid.counts) - 1)
    blend = [(1 - share) * few + share * many for few, many in zip(to_rgb(_FEWEST), to_rgb(_MOST), strict=True)]
    return to_hex(blend), grid.counts[number] == grid.own


def _handles(grid: CurveGrid) -> list[Line2D | Patch]:
    handles: list[Line2D | Patch] = []
    for number, count in enumerate(grid.counts):
        color, thick = _look(grid, number)
        name = f"{count:,} items" + (" (this study)" if thick else "")
        marker, width = MARKERS[number % len(MARKERS)], 2.4 if thick else 1.2
        handles.append(Line2D([], [], color=color, label=name, marker=marker, markersize=4, linewidth=width))
    handles.append(Patch(color=_MOST, alpha=0.18, label="95 % Monte-Carlo interval"))
    handles.append(Line2D([], [], color=VERMILION, linestyle=(0, (5, 3)), label=f"{grid.target:g} % of studies"))
    if grid.margin is not None:
        label = f"margin of the study: {grid.margin:g} points"
        handles.append(Line2D([], [], color=SOFT, linestyle=(0, (1, 2)), label=label))
    return handles
