"""Rows with several marks each: one panel a system, one shape a wording, on a scale whose bands have names."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, MultipleLocator

from bias_platform.reports.figures.forest import Rows
from bias_platform.reports.figures.pair_map import short
from bias_platform.reports.figures.style import (
    BAND,
    FAINT,
    INK,
    MARKERS,
    SERIES,
    SOFT,
    WIDTH,
    broken,
    plotting,
    quiet_grid,
)

PANELS_A_ROW = 5
_LEFT, _GAP, _FOOT, _TITLE_LINE, _LEGEND_ROW = 1.95, 0.26, 0.44, 0.145, 0.19
_FEW = {1: 6.4, 2: 4.3}
"""Inches of a panel at most, by how many there are."""
_BAND_NAMES = 0.3


@dataclass(frozen=True)
class MarkPanel:
    """One panel.

    `data`: row (a key of the rows), series (name of the mark), estimate; lower and upper, missing where there is no
    interval; for what chance gives, optionally chance and chance_95.
    """

    title: str
    data: pd.DataFrame


@dataclass(frozen=True)
class Scale:
    """The x-axis."""

    title: str
    bands: Sequence[tuple[float, float, str]] = ()
    """(from, to, name) of shaded ranges; the axis then ends where a range ends"""
    least: float | None = None
    most: float | None = None
    """Ends of the axis where they are given."""
    interval: str = ""
    chance: str = ""
    chance_95: str = ""
    """What bars, ticks and grey bars mean; empty ones are not in the legend."""


def marked_rows_figure(rows: Rows, panels: Sequence[MarkPanel], series: Sequence[str], scale: Scale) -> Figure:
    """The plot; `series` are the names of the marks in the order of the legend."""
    handles = _handles(series, scale)
    size = _sizes(rows, panels, len(series), handles, scale)
    heights, headings = rows.positions()
    limits = _limits(panels, scale)
    with plotting():
        figure = Figure(figsize=(size.width, size.height))
        for k, panel in enumerate(panels):
            axes = figure.add_axes(size.of_panel(k))
            _frame(axes, panel.title, limits, max(heights.values()), headings, scale)
            _shade(axes, scale, limits, size.panel - _GAP)
            _draw(axes, panel, heights, series)
            if k % size.columns == 0:
                _name_rows(axes, rows, heights, headings)
                axes.set_xlabel(scale.title, loc="left")
        figure.legend(
            handles=handles, loc="lower left", ncols=size.across, frameon=False, fontsize=8, columnspacing=1.8
        )
    return figure


@dataclass(frozen=True)
class _Sizes:
    """Inches, and how many panels stand side by side."""

    columns: int
    panel: float
    rows: float
    head: float
    bands: int
    across: int
    """entries of the legend in a row"""
    legend: float

    @property
    def width(self) -> float:
        return _LEFT + self.columns * self.panel + 0.12

    @property
    def band(self) -> float:
        return self.rows + self.head + _FOOT

    @property
    def height(self) -> float:
        return self.bands * self.band + self.legend

    def of_panel(self, k: int) -> tuple[float, float, float, float]:
        """Place of a panel as shares of the figure."""
        row, column = divmod(k, self.columns)
        left, base = _LEFT + column * self.panel, self.height - (row + 1) * self.band + _FOOT
        return left / self.width, base / self.height, (self.panel - _GAP) / self.width, self.rows / self.height


def _sizes(
    rows: Rows, panels: Sequence[MarkPanel], marks: int, handles: Sequence[Line2D | Patch], scale: Scale
) -> _Sizes:
    bands = math.ceil(len(panels) / PANELS_A_ROW)
    columns = math.ceil(len(panels) / bands)  # as many in each row
    lines = max(broken(panel.title).count("\n") + 1 for panel in panels)
    across = 4 if max(len(str(handle.get_label())) for handle in handles) < 26 else 2
    return _Sizes(
        columns=columns,
        panel=min((WIDTH - _LEFT - 0.12) / columns, _FEW.get(columns, 3.6)),
        rows=(max(rows.positions()[0].values()) + 1.5) * _row_inches(marks),
        head=_TITLE_LINE * (1 + lines) + (_BAND_NAMES if scale.bands else 0.0),
        bands=bands,
        across=across,
        legend=_LEGEND_ROW * math.ceil(len(handles) / across) + 0.15,
    )


def _row_inches(marks: int) -> float:
    return max(0.19, 0.062 * marks + 0.06)


def _limits(panels: Sequence[MarkPanel], scale: Scale) -> tuple[float, float]:
    names = ("estimate", "lower", "upper", "chance_95")
    values = np.concatenate([p.data[[n for n in names if n in p.data]].to_numpy(float).ravel() for p in panels])
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    if scale.bands:
        low = max(start for start, _, _ in scale.bands if start <= low or start == scale.bands[0][0])
        return low, scale.bands[-1][1] + 0.01
    pad = 0.04 * max(high - low, 1e-6)
    low = low - pad if scale.least is None else scale.least
    return low, high + pad if scale.most is None else scale.most + 0.02 * (scale.most - low)


def _frame(
    axes: Axes,
    title: str,
    limits: tuple[float, float],
    bottom: float,
    headings: list[tuple[float, str]],
    scale: Scale,
) -> None:
    axes.set_xlim(*limits)
    axes.set_ylim(bottom + 0.8, -0.7)
    axes.set_yticks([])
    spans = limits[1] - limits[0]
    locator = MultipleLocator(0.2 if spans > 0.45 else 0.1) if scale.bands else MaxNLocator(6, steps=[1, 2, 5, 10])
    axes.xaxis.set_major_locator(locator)
    quiet_grid(axes)
    for height, _ in headings:
        axes.axhline(height + 0.45, color=FAINT, linewidth=0.6, zorder=0.5)
    axes.set_title(broken(title), loc="left", fontweight="bold", color=INK, pad=5 + 72 * (0.24 if scale.bands else 0))


def _shade(axes: Axes, scale: Scale, limits: tuple[float, float], inches: float) -> None:
    """Every other band, so that neighbours can be told apart; its name above it where there is room."""
    for k, (least, most, name) in enumerate(reversed(scale.bands)):
        start, end = max(least, limits[0]), min(most, limits[1])
        if start >= end:
            continue
        if k % 2 == 0:
            axes.axvspan(start, end, color=BAND, zorder=0, linewidth=0)
        room = inches * (end - start) / (limits[1] - limits[0])
        if max(map(len, name.split())) * 0.052 < room:
            place = axes.get_xaxis_transform()
            text = name.replace(" ", "\n")
            axes.text((start + end) / 2, 1.0, text, transform=place, ha="center", va="bottom", fontsize=6.5, color=SOFT)


def _draw(axes: Axes, panel: MarkPanel, heights: dict[str, float], series: Sequence[str]) -> None:
    step = min(0.8 / max(len(series), 1), 0.34)
    for k, name in enumerate(series):
        data = panel.data[panel.data["series"] == name]
        middle = np.array([heights[key] for key in data["row"]])
        alone = ~np.isin(middle, _shared(panel.data, heights))
        y = middle + np.where(alone, 0.0, step * (k - (len(series) - 1) / 2))
        color = SERIES[k % len(SERIES)]
        if "chance_95" in data:
            axes.barh(y, data["chance_95"], height=0.5, color=FAINT, zorder=1)
            axes.scatter(data["chance"], y, s=58, marker="|", color=SOFT, linewidths=1.4, zorder=3)
        if "lower" in data:
            axes.hlines(y, data["lower"], data["upper"], color=color, linewidth=1.5, alpha=0.65, zorder=2)
        axes.scatter(
            data["estimate"],
            y,
            s=17,
            marker=MARKERS[k % len(MARKERS)],
            color=color,
            zorder=4,
            linewidths=0,
            clip_on=False,
        )


def _shared(data: pd.DataFrame, heights: dict[str, float]) -> npt.NDArray[np.float64]:
    """Heights of the rows that have more than one mark."""
    counts = data["row"].value_counts()
    return np.array([heights[key] for key in counts.index[counts > 1]], dtype=float)


def _name_rows(axes: Axes, rows: Rows, heights: dict[str, float], headings: list[tuple[float, str]]) -> None:
    for height, name in headings:
        _name(axes, short(name.replace("_", " "), 27), height, color=SOFT, fontsize=8, style="italic")
    for _, members in rows.groups:
        for key, label in members:
            _name(axes, short(label, 26), heights[key], color=INK)


def _name(axes: Axes, text: str, height: float, **look: Any) -> None:
    """Left of the axes, the same distance from it however wide they are."""
    axes.annotate(
        text,
        (0, height),
        xycoords=axes.get_yaxis_transform(),
        xytext=(-6.5, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        **look,
    )


def _handles(series: Sequence[str], scale: Scale) -> list[Line2D | Patch]:
    handles: list[Line2D | Patch] = [
        Line2D([], [], linestyle="", marker=MARKERS[k % len(MARKERS)], markersize=4.5, color=SERIES[k % len(SERIES)])
        for k in range(len(series))
    ]
    for handle, name in zip(handles, series, strict=True):
        handle.set_label(short(name, 34))
    if scale.interval:
        handles.append(Line2D([], [], color=SOFT, linewidth=1.5, label=scale.interval))
    if scale.chance:
        handles.append(
            Line2D([], [], linestyle="", marker="|", markersize=8, markeredgewidth=1.4, color=SOFT, label=scale.chance)
        )
    if scale.chance_95:
        handles.append(Patch(facecolor=FAINT, label=scale.chance_95))
    return handles
