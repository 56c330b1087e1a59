"""Few rows, one panel: intervals of systems, or of dimensions with the systems beside each other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bias_platform.reports.figures.style import (
    BLUE,
    FAINT,
    INK,
    MARKERS,
    SERIES,
    SKY,
    SOFT,
    WIDTH,
    plotting,
    quiet_grid,
)

_LEFT, _RIGHT = 2.45, 0.3


def rate_figure(table: pd.DataFrame, axis: str) -> Figure:
    """Rates by system in per cent: estimate, lower, upper, bound_low, bound_high, note; index: system."""
    tall = 0.34 * len(table) + 0.75
    with plotting():
        figure = Figure(figsize=(WIDTH, tall))
        axes = figure.add_axes((_LEFT / WIDTH, 0.5 / tall, 1 - (_LEFT + 2.3) / WIDTH, (tall - 0.65) / tall))
        y = np.arange(len(table))
        axes.hlines(y, table["bound_low"], table["bound_high"], color=SKY, linewidth=7, alpha=0.45)
        axes.hlines(y, table["lower"], table["upper"], color=BLUE, linewidth=2.4)
        axes.scatter(table["estimate"], y, s=26, color=BLUE, zorder=3)
        for height, note in enumerate(table["note"]):
            axes.text(1.02, height, note, transform=axes.get_yaxis_transform(), va="center", fontsize=8, color=SOFT)
        axes.set_yticks(y, [str(name) for name in table.index])
        axes.set_ylim(len(table) - 0.5, -0.5)
        axes.set_xlim(0, 100)
        axes.set_xlabel(axis)
        quiet_grid(axes)
    return figure


@dataclass(frozen=True)
class Series:
    """One system's marks in a grouped plot; `data` is indexed by group: estimate, lower, upper, tick."""

    name: str
    data: pd.DataFrame


def grouped_figure(groups: Sequence[str], series: Sequence[Series], axis: str, tick: str = "") -> Figure:
    """Rows in groups, the systems of a group under each other; `tick` marks a further value of each row."""
    step = 0.17
    inner = len(series) * step + 0.16
    tall = len(groups) * inner + 0.5 + 0.25 * (1 + (len(series) - 1) // 3) + 0.25
    with plotting():
        figure = Figure(figsize=(WIDTH, tall))
        low = 0.45 + 0.22 * (1 + len(series) // 3)
        axes = figure.add_axes((_LEFT / WIDTH, low / tall, 1 - (_LEFT + _RIGHT) / WIDTH, (tall - low - 0.1) / tall))
        for k, one in enumerate(series):
            at = np.array([groups.index(name) for name in one.data.index], dtype=float) * inner + k * step
            color = SERIES[k % len(SERIES)]
            axes.hlines(at, one.data["lower"], one.data["upper"], color=color, linewidth=2.0)
            axes.scatter(one.data["estimate"], at, s=22, color=color, marker=MARKERS[k % 7], zorder=3, label=one.name)
            if tick and "tick" in one.data:
                label = tick if k == 0 else None
                axes.scatter(one.data["tick"], at, s=42, color=SOFT, marker="|", linewidths=1.3, zorder=4, label=label)
        middle = (len(series) - 1) * step / 2
        axes.set_yticks([k * inner + middle for k in range(len(groups))], [g.replace("_", " ") for g in groups])
        for k in range(1, len(groups)):
            axes.axhline(k * inner - (inner - (len(series) - 1) * step) / 2, color=FAINT, linewidth=0.6)
        axes.set_ylim((len(groups) - 1) * inner + (len(series) - 1) * step + 0.16, -0.16)
        axes.set_xlim(left=min(0.0, *(float(one.data["lower"].min()) for one in series)))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=9, steps=[1, 2, 5, 10]))
        axes.set_xlabel(axis, color=INK)
        quiet_grid(axes)
        figure.legend(loc="lower left", ncols=3, frameon=False, fontsize=8, borderaxespad=0.2, columnspacing=1.6)
    return figure
