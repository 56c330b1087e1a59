"""Pairs of personas as a triangle of tiles: one panel a wording, which persona of a pair is nearer to the reference."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bias_platform.reports.figures.style import FAINT, INK, SOFT, plotting
from bias_platform.reports.figures.tiles import LegendTile, Palette, TileHandler, draw_tile

TILE = 0.32
"""Inches of a tile, at most."""
_LEAST_TILE, _LEAST_PANEL = 0.13, 1.0
_WIDEST = 10.8
_GAP, _TOP, _HEAD, _MARGIN = 0.2, 0.3, 0.24, 0.08
_LETTER = 0.062
"""Inches of a letter of the axes, about."""
LONGEST = 18
"""Letters of a label; longer ones are cut."""


@dataclass(frozen=True)
class TilePanel:
    """One wording."""

    title: str
    states: Mapping[tuple[str, str], tuple[str, bool]]
    """(first, second) keys -> state, and whether it outlives correction"""


@dataclass(frozen=True)
class PairMap:
    """What is drawn."""

    title: str
    labels: Mapping[str, str]
    """Key of every persona -> label, in the order of the axes: the first of a pair comes before the second."""
    panels: Sequence[TilePanel]
    legend_title: str
    legend: Sequence[tuple[str, bool, str]]
    """(state, solid, meaning) from top to bottom"""


def pair_map_figure(drawn: PairMap, palette: Palette = "colour-blind") -> Figure:
    """The plot: first personas along x, second ones down y, so that each pair has one tile below the diagonal."""
    size = _sizes(drawn)
    with plotting():
        figure = Figure(figsize=(size.width, size.height))
        figure.text(
            _MARGIN / size.width,
            1 - 0.17 / size.height,
            drawn.title,
            va="center",
            fontweight="bold",
            fontsize=9.5,
        )
        for k, panel in enumerate(drawn.panels):
            axes = figure.add_axes(size.of_panel(k))
            _draw(axes, drawn, k, palette, size.tile)
            if k % size.columns:
                axes.set_yticklabels([])
            axes.set_title(_title(k, panel.title, size.panel), loc="left", fontsize=8.5, color=INK, pad=4)
        _legend(figure, drawn, palette)
    return figure


@dataclass(frozen=True)
class _Sizes:
    """Inches; panels side by side, in several rows where they would get too small."""

    tile: float
    columns: int
    rows: int
    panel: float
    tiles: float
    left: float
    foot: float
    legend: float
    meanings: float
    """width of the legend's texts"""

    @property
    def width(self) -> float:
        return max(self.left + self.columns * (self.panel + _GAP) + _MARGIN, 3.9, self.meanings + 0.6)

    @property
    def band(self) -> float:
        return _HEAD + self.tiles + self.foot

    @property
    def height(self) -> float:
        return _TOP + self.rows * self.band + self.legend

    def of_panel(self, k: int) -> tuple[float, float, float, float]:
        """Place of a panel as shares of the figure."""
        row, column = divmod(k, self.columns)
        x = self.left + column * (self.panel + _GAP)
        y = self.height - _TOP - row * self.band - _HEAD - self.tiles
        return x / self.width, y / self.height, self.tiles / self.width, self.tiles / self.height


def _sizes(drawn: PairMap) -> _Sizes:
    across = len(drawn.labels) - 1
    longest = min(max(len(label) for label in drawn.labels.values()), LONGEST) * _LETTER
    left, room = longest + 0.25, _WIDEST - longest - 0.25 - _MARGIN
    columns = max(1, min(len(drawn.panels), math.floor(room / (max(across * _LEAST_TILE, _LEAST_PANEL) + _GAP))))
    rows = math.ceil(len(drawn.panels) / columns)
    columns = math.ceil(len(drawn.panels) / rows)  # as many in each row
    tile = min(TILE, (room / columns - _GAP) / across)
    return _Sizes(
        tile=tile,
        columns=columns,
        rows=rows,
        panel=max(across * tile, _LEAST_PANEL),
        tiles=across * tile,
        left=left,
        foot=longest * math.sin(math.radians(_angle(tile))) + 0.1,
        legend=0.22 + 0.175 * len(drawn.legend),
        meanings=max(len(meaning) for _, _, meaning in drawn.legend) * _LETTER,
    )


def _draw(axes: Axes, drawn: PairMap, k: int, palette: Palette, tile: float) -> None:
    keys = list(drawn.labels)
    for (first, second), (state, strong) in drawn.panels[k].states.items():
        place = (float(keys.index(first)), float(keys.index(second) - 1))
        draw_tile(axes, place, state, strong, palette, 72 * tile)
    ends = range(len(keys) - 1)
    labels = [short(label, LONGEST) for label in drawn.labels.values()]
    axes.set_xticks(list(ends), labels[:-1], rotation=_angle(tile), ha="right", rotation_mode="anchor", color=INK)
    axes.set_yticks(list(ends), labels[1:])
    axes.tick_params(length=0, pad=3, labelsize=8)
    axes.set_xlim(-0.5, len(keys) - 1.5)
    axes.set_ylim(len(keys) - 1.5, -0.5)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.grid(color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)


def _angle(tile: float) -> int:
    """Labels stand steeper where they would touch."""
    return 30 if tile > 0.26 else 45 if tile > 0.18 else 75


def _title(k: int, title: str, panel: float) -> str:
    return f"({chr(97 + k)}) {short(title, max(6, math.floor((panel + _GAP) / 0.07) - 4))}"


def _legend(figure: Figure, drawn: PairMap, palette: Palette) -> None:
    tiles: list[Any] = [LegendTile(state, strong, palette) for state, strong, _ in drawn.legend]
    legend = figure.legend(
        tiles,
        [meaning for _, _, meaning in drawn.legend],
        handler_map={LegendTile: TileHandler()},
        title=drawn.legend_title,
        loc="lower left",
        bbox_to_anchor=(0.0, 0.0),
        frameon=False,
        fontsize=8,
        title_fontsize=8,
        handlelength=1.3,
        handleheight=1.25,
        labelspacing=0.3,
        borderaxespad=0.2,
        alignment="left",
    )
    legend.get_title().set_color(SOFT)


def short(label: str, width: int) -> str:
    """A label cut to `width` letters.

    >>> short("moderate conservative", 12)
    'moderate co…'
    """
    return label if len(label) <= width else label[: width - 1] + "…"
