"""Numbers in a grid, a panel a system, on one scale from blue (less) over white to orange (more)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bias_platform.reports.figures.style import BLUE, FAINT, INK, SOFT, VERMILION, WIDTH, broken, plotting
from bias_platform.reports.formats import MINUS

FloatArray = NDArray[np.float64]
_COLOURS = LinearSegmentedColormap.from_list("less-more", [BLUE, "#f7f7f7", VERMILION])
"""Blue and vermilion of Okabe and Ito: told apart by people who do not see red or green, and by their lightness."""
_ROW, _LEFT, _TOP, _LETTER = 0.21, 1.9, 0.5, 0.052
"""Inches: a row, labels of rows, titles, and what a letter of a slanted label takes of the height."""
_DARK = 0.62
"""Share of the scale from which numbers are white."""
_ACROSS = 3


@dataclass(frozen=True)
class NumberGrid:
    """What is shown."""

    panels: Mapping[str, FloatArray]
    """Title -> (rows, columns); NaN: nothing is known."""
    rows: Sequence[str]
    columns: Sequence[str]
    title: str
    """Of the scale."""
    marked: Mapping[str, NDArray[np.bool_]]
    """Title -> (rows, columns): numbers in bold, with a frame."""


def number_grid_figure(what: NumberGrid) -> Figure:
    """The plot: at most three panels beside each other."""
    across = min(_ACROSS, len(what.panels))
    down = -(-len(what.panels) // across)
    panel = _ROW * len(what.rows)
    foot = 0.3 + _LETTER * max(len(name) for name in what.columns)
    tall = down * (panel + _TOP + foot) + 0.15
    largest = max([1.0, *(float(np.nanmax(np.abs(one))) for one in what.panels.values() if np.isfinite(one).any())])
    wide = (WIDTH - _LEFT - 0.2) / across
    with plotting():
        figure = Figure(figsize=(WIDTH, tall))
        for k, (name, values) in enumerate(what.panels.items()):
            row, column = divmod(k, across)
            low = tall - (row + 1) * (panel + _TOP) - row * foot
            place = ((_LEFT + column * wide) / WIDTH, low / tall, (wide - 0.12) / WIDTH, panel / tall)
            axes = figure.add_axes(place)
            _panel(axes, values, what, largest, name)
            axes.set_yticks(range(len(what.rows)), what.rows if column == 0 else [""] * len(what.rows))
        any_marked = any(one.any() for one in what.marked.values())
        bold = "; bold in a frame: significant after adjustment" if any_marked else ""
        figure.text(0.01, 0.1 / tall, f"{what.title} (blue: fewer, orange: more{bold})", color=SOFT, fontsize=8)
    return figure


def _panel(axes: Axes, values: FloatArray, what: NumberGrid, largest: float, name: str) -> None:
    axes.imshow(values, cmap=_COLOURS, vmin=-largest, vmax=largest, aspect="auto")
    axes.set_title(broken(name), loc="left")
    axes.set_xticks(range(len(what.columns)), what.columns, rotation=45, ha="right")
    for edge in ("bottom", "left"):
        axes.spines[edge].set_visible(False)
    axes.set_xticks(np.arange(len(what.columns) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(what.rows) - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.0)
    axes.tick_params(which="minor", length=0)
    marked = what.marked.get(name, np.zeros(values.shape, dtype=bool))
    for (y, x), value in np.ndenumerate(values):
        if np.isfinite(value):
            _number(axes, (x, y), float(value), bool(marked[y, x]), largest)
        else:
            axes.text(x, y, "–", ha="center", va="center", fontsize=7, color=FAINT)


def _number(axes: Axes, at: tuple[int, int], value: float, bold: bool, largest: float) -> None:
    color = "white" if abs(value) > _DARK * largest else INK
    frame = {"boxstyle": "square,pad=0.15", "fill": False, "edgecolor": color, "linewidth": 0.7} if bold else None
    written = f"{value:+.0f}".replace("-", MINUS) if round(value) else "0"
    weight = "bold" if bold else "normal"
    axes.text(*at, written, ha="center", va="center", fontsize=7, color=color, weight=weight, bbox=frame)
