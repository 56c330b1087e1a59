"""A figure on disk, in the formats that papers, pages and the UI take."""

from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from bias_platform.reports.figures.style import plotting, to_png

_TRUE_TYPE = {"pdf.fonttype": 42}
"""Whole letters instead of drawings of them: journals ask for it, and the text can be searched."""


def save_plot(figure: Figure, svg: str, folder: Path, name: str) -> None:
    """Writes `name` as SVG (its text stays text), as PDF (fonts embedded) and as PNG below 100 kB.

    Equal figures give equal bytes: no file holds a date.

    Args:
        figure: the plot.
        svg: its element as `to_svg` makes it for a page.
        folder: where the files go.
        name: of the files, without an ending.
    """
    width, height = figure.get_size_inches()
    whole = svg.replace("<svg ", f'<svg width="{width:g}in" height="{height:g}in" ', 1)
    (folder / f"{name}.svg").write_text(f'<?xml version="1.0" encoding="utf-8"?>\n{whole}', "utf-8")
    with plotting(), rc_context(_TRUE_TYPE):
        figure.savefig(folder / f"{name}.pdf", format="pdf", metadata={"CreationDate": None, "Creator": None})
    to_png(figure, folder / f"{name}.png")
