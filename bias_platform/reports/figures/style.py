"""Colours, fonts and output formats that all plots share."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
SERIES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, "#000000")
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
INK, SOFT, FAINT, BAND = "#1d252c", "#5b6770", "#d9dfe3", "#eef2f4"
WIDTH = 10.8
"""Inches: on the page 100 units wide each, so that 8 points of text are 11 pixels."""
PNG_LIMIT = 100_000
"""Bytes a plot may have in the UI."""

_SETTINGS = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8.5,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8.5,
    "text.parse_math": False,  # a label may hold dollar signs
    "svg.fonttype": "none",
    "svg.hashsalt": "bias-platform",
    "axes.edgecolor": FAINT,
    "axes.labelcolor": SOFT,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
}


@contextmanager
def plotting() -> Iterator[None]:
    """The style of the report, for making and for saving figures."""
    with mpl.rc_context(_SETTINGS):
        yield


def to_svg(figure: Figure, name: str, title: str) -> str:
    """The figure as an `<svg>` element for a page, its ids led by `name`; equal figures give equal text."""
    with plotting():
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    body = stream.getvalue()
    body = body[body.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'^<svg([^>]*?) width="[^"]*"', r"<svg\1", body)
    body = re.sub(r'^<svg([^>]*?) height="[^"]*"', r"<svg\1", body)
    body = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", body)
    return body.replace("<svg", f'<svg role="img" aria-label="{_attribute(title)}" class="plot"', 1)


def to_png(figure: Figure, path: Path) -> None:
    """The figure as PNG below 100 kB: with fewer colours, then smaller where it must be."""
    with plotting():
        for dpi in (110, 90, 75, 60, 45, 30):
            figure.savefig(path, format="png", dpi=dpi, metadata={"Software": None})
            if path.stat().st_size < PNG_LIMIT:
                return
            _take_few_colours(path)
            if path.stat().st_size < PNG_LIMIT:
                return


def _take_few_colours(path: Path) -> None:
    """A third of the bytes, and hardly to be seen: plots have few colours, and many shades at the edges of letters."""
    with Image.open(path) as picture:
        fewer = picture.convert("RGB").quantize(64, dither=Image.Dither.NONE)
    fewer.save(path, format="png", optimize=True)


def quiet_grid(axes: Axes) -> None:
    """Thin vertical lines behind the data."""
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)


def broken(slug: str, width: int = 22) -> str:
    """A system's slug over several lines, broken where its parts meet.

    >>> broken("reference-small+annotators@nf4")
    'reference-small\\n+annotators@nf4'
    """
    lines, line = [], ""
    for part in re.split(r"(?=[+@])", slug):
        if line and len(line) + len(part) > width:
            lines.append(line)
            line = ""
        line += part
    return "\n".join([*lines, line])


def _attribute(text: str) -> str:
    for raw, safe in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(raw, safe)
    return text
