"""Many intervals, readable: one panel a system, personas as rows grouped by dimension, one x-axis for all."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from bias_platform.reports.figures.style import BAND, BLUE, FAINT, INK, SOFT, WIDTH, broken, plotting, quiet_grid

ROW_INCHES = 0.185
PANELS_A_ROW = 5
_LEGEND_COLUMNS = 3
_LEGEND_ROW = 0.18
_TITLE_LINE = 0.14
_FOOT = 0.42


@dataclass(frozen=True)
class Rows:
    """The rows of a forest plot: (dimension, ((key, label), ...)) from top to bottom."""

    groups: Sequence[tuple[str, Sequence[tuple[str, str]]]]

    def positions(self) -> tuple[dict[str, float], list[tuple[float, str]]]:
        """Height of each key, and height and text of each dimension's heading."""
        heights: dict[str, float] = {}
        headings, at = [], 0.0
        for dimension, members in self.groups:
            headings.append((at, dimension))
            at += 1.0
            for key, _ in members:
                heights[key] = at
                at += 1.0
            at += 0.35
        return heights, headings


@dataclass(frozen=True)
class Panel:
    """One panel: a title and its intervals in percentage points.

    `data` is indexed by row key: estimate, lower, upper, optionally outer_lower, outer_upper (a wider claim), filled
    (the marker is solid) and square (item-paired).
    """

    title: str
    data: pd.DataFrame
    line: float | None = 0.0
    """Vertical reference line."""


@dataclass(frozen=True)
class Legend:
    """What the marks mean; missing ones are not drawn."""

    axis: str
    inner: str = "95 % interval"
    outer: str = ""
    filled: str = ""
    hollow: str = ""
    square: str = ""
    band: str = ""


def forest_figure(rows: Rows, panels: Sequence[Panel], legend: Legend, margin: float | None = None) -> Figure:
    """The plot; `margin` shades -margin to +margin (percentage points)."""
    heights, headings = rows.positions()
    columns = min(PANELS_A_ROW, len(panels))
    bands = math.ceil(len(panels) / columns)
    bottom = max([*heights.values(), 0.0])
    head = _TITLE_LINE * (1 + max(broken(panel.title).count("\n") + 1 for panel in panels))
    band_inches = (bottom + 2.2) * ROW_INCHES + head + _FOOT - 0.09
    handles = _legend_handles(legend)
    total = bands * band_inches + _LEGEND_ROW * math.ceil(len(handles) / _LEGEND_COLUMNS) + 0.12
    with plotting():
        figure = Figure(figsize=(WIDTH, total))
        limits = _limits(panels, margin)
        left, right = 1.95 / WIDTH, 1 - 0.12 / WIDTH
        width = min((right - left) / columns, 3.6 / WIDTH)
        for k, panel in enumerate(panels):
            row, column = divmod(k, columns)
            base = 1 - ((row + 1) * band_inches - _FOOT) / total
            tall = (band_inches - _FOOT - head) / total
            axes = figure.add_axes((left + column * width, base, width - 0.16 / WIDTH, tall))
            _draw(axes, panel, heights, margin)
            _frame(axes, panel, limits, bottom, headings)
            if column == 0:
                _name_rows(axes, rows, heights, headings)
            if row == bands - 1 or k + columns >= len(panels):
                axes.set_xlabel(legend.axis if column == 0 or columns == 1 else "")
        figure.legend(
            handles=handles,
            loc="lower left",
            bbox_to_anchor=(0.0, 0.0),
            ncols=_LEGEND_COLUMNS,
            frameon=False,
            fontsize=8,
            handlelength=1.6,
            columnspacing=2.4,
            borderaxespad=0.2,
        )
    return figure


def _limits(panels: Sequence[Panel], margin: float | None) -> tuple[float, float]:
    names = ("lower", "upper", "outer_lower", "outer_upper", "estimate")
    values = np.concatenate([p.data[[n for n in names if n in p.data]].to_numpy(float).ravel() for p in panels])
    lines = [panel.line for panel in panels if panel.line is not None]
    values = np.concatenate([values[np.isfinite(values)], lines, [margin, -margin] if margin else []])
    low, high = (float(values.min()), float(values.max())) if len(values) else (-1.0, 1.0)
    pad = 0.05 * max(high - low, 1.0)
    return low - pad, high + pad


def _draw(axes: Axes, panel: Panel, heights: dict[str, float], margin: float | None) -> None:
    if margin:
        axes.axvspan(-margin, margin, color=BAND, zorder=0, linewidth=0)
    if panel.line is not None:
        axes.axvline(panel.line, color=SOFT, linewidth=0.9, zorder=1)
    data = panel.data[[key in heights for key in panel.data.index]]
    y = np.array([heights[key] for key in data.index])
    if "outer_lower" in data:
        axes.hlines(y, data["outer_lower"], data["outer_upper"], color=BLUE, linewidth=0.9, alpha=0.75, zorder=2)
    axes.hlines(y, data["lower"], data["upper"], color=BLUE, linewidth=2.4, zorder=3)
    filled = _flag(data, "filled", True)
    square = _flag(data, "square", False)
    for is_square, marker in ((False, "o"), (True, "s")):
        rows = square == is_square
        face = np.where(filled[rows], BLUE, "white")
        axes.scatter(
            data["estimate"][rows], y[rows], s=20, marker=marker, c=face, edgecolors=BLUE, linewidths=1.1, zorder=4
        )


def _flag(data: pd.DataFrame, name: str, default: bool) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    return data[name].to_numpy(bool) if name in data else np.full(len(data), default)


def _frame(
    axes: Axes, panel: Panel, limits: tuple[float, float], bottom: float, headings: list[tuple[float, str]]
) -> None:
    axes.set_xlim(*limits)
    axes.set_ylim(bottom + 0.8, -0.7)
    axes.set_yticks([])
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    quiet_grid(axes)
    for height, _ in headings:
        axes.axhline(height + 0.45, color=FAINT, linewidth=0.6, zorder=0)
    axes.set_title(broken(panel.title), loc="left", fontweight="bold", color=INK, pad=5)


def _name_rows(axes: Axes, rows: Rows, heights: dict[str, float], headings: list[tuple[float, str]]) -> None:
    place = axes.get_yaxis_transform()
    for height, name in headings:
        text = _short(name.replace("_", " "), 27)
        axes.text(-0.04, height, text, transform=place, ha="right", va="center", color=SOFT, fontsize=8, style="italic")
    for _, members in rows.groups:
        for key, label in members:
            axes.text(-0.04, heights[key], _short(label, 26), transform=place, ha="right", va="center", color=INK)


def _short(label: str, width: int) -> str:
    return label if len(label) <= width else label[: width - 1] + "…"


def _legend_handles(legend: Legend) -> list[Line2D]:
    """Bars first, then markers: read down the columns."""
    handles: list[Line2D] = []
    for text, width in ((legend.inner, 2.4), (legend.outer, 0.9)):
        if text:
            handles.append(Line2D([], [], color=BLUE, linewidth=width, label=text))
    for text, marker, face in (
        (legend.filled, "o", BLUE),
        (legend.hollow, "o", "white"),
        (legend.square, "s", "white"),
    ):
        if text:
            handle = Line2D([], [], label=text, color=BLUE, marker=marker, markersize=4.5, linestyle="")
            handle.set_markerfacecolor(face)
            handles.append(handle)
    if legend.band:
        handles.append(Line2D([], [], color=BAND, linewidth=7, label=legend.band))
    return handles
