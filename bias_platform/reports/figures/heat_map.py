"""Differences, rows by columns, as shaded cells with their numbers: a panel a system, blue below zero, orange above."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from bias_platform.reports.figures.style import BLUE, INK, SOFT, VERMILION, WIDTH, broken, plotting

ROW_INCHES = 0.21
_LEFT, _RIGHT, _GAP, _HEAD, _FOOT = 1.9, 0.2, 0.12, 0.5, 1.7
_COLOURS = LinearSegmentedColormap.from_list("blue to orange", [BLUE, "#f7f7f7", VERMILION])
"""Two hues that readers with colour-blindness can tell apart; the numbers say the same."""
_DARK = 0.65
"""Share of the largest difference above which a cell is too dark for dark text."""


@dataclass(frozen=True)
class HeatMap:
    """What is drawn."""

    panels: Mapping[str, npt.NDArray[np.float64]]
    """title -> (rows, columns) differences; NaN where there is none"""
    rows: Sequence[str]
    columns: Sequence[str]
    title: str
    """what the numbers are"""
    marks: Mapping[str, npt.NDArray[np.bool_]]
    """title -> (rows, columns) whether a cell is framed as significant"""


def heat_map_figure(drawn: HeatMap) -> Figure:
    """The plot; all panels share one scale of colours, symmetric around zero."""
    height = _HEAD + ROW_INCHES * len(drawn.rows) + _FOOT
    pitch = (WIDTH - _LEFT - _RIGHT) / len(drawn.panels)
    known = np.concatenate([np.abs(values[np.isfinite(values)]) for values in drawn.panels.values()])
    most = float(known.max()) if known.size and known.max() > 0 else 1.0
    with plotting():
        figure = Figure(figsize=(WIDTH, height))
        for k, (title, values) in enumerate(drawn.panels.items()):
            left = (_LEFT + k * pitch) / WIDTH
            axes = figure.add_axes(
                (left, _FOOT / height, (pitch - _GAP) / WIDTH, ROW_INCHES * len(drawn.rows) / height)
            )
            axes.imshow(values, aspect="auto", cmap=_COLOURS, norm=Normalize(-most, most))
            _frame(axes, drawn, title, first=k == 0)
            _write(axes, values, drawn.marks[title], most)
        framed = "; framed: significant after adjustment" if any(mark.any() for mark in drawn.marks.values()) else ""
        said = f"{drawn.title} (blue: fewer, orange: more{framed})"
        figure.text(0.01, 0.1 / height, said, color=SOFT, fontsize=8)
    return figure


def _frame(axes: Axes, drawn: HeatMap, title: str, first: bool) -> None:
    axes.set_title(broken(title), loc="left", color=INK, pad=5)
    axes.set_xticks(range(len(drawn.columns)), list(drawn.columns), rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(drawn.rows)), list(drawn.rows) if first else [""] * len(drawn.rows))
    axes.set_xticks(np.arange(0.5, len(drawn.columns) - 1), minor=True)
    axes.set_yticks(np.arange(0.5, len(drawn.rows) - 1), minor=True)
    axes.grid(which="minor", color="white", linewidth=1.2)
    axes.tick_params(which="minor", length=0)
    axes.spines["bottom"].set_visible(False)


def _write(axes: Axes, values: npt.NDArray[np.float64], marks: npt.NDArray[np.bool_], most: float) -> None:
    for (row, column), value in np.ndenumerate(values):
        dark = abs(value) > _DARK * most
        frame = {"boxstyle": "square,pad=0.25", "facecolor": "none", "edgecolor": "white" if dark else INK}
        axes.text(
            column,
            row,
            _number(float(value)),
            ha="center",
            va="center",
            fontsize=7,
            color="white" if dark else INK,
            bbox={**frame, "linewidth": 0.8} if marks[row, column] else None,
        )


def _number(value: float) -> str:
    if not np.isfinite(value):
        return "–"
    return f"{value:+.0f}".replace("-", "−") if round(value) else "0"
