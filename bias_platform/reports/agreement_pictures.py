"""A plot of an agreement report, with what the page says of it."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from markupsafe import Markup
from matplotlib.figure import Figure

from bias_platform.reports.figures.style import to_svg


class Picture(NamedTuple):
    """A plot."""

    figure: Figure
    title: str
    """what it shows, for who cannot see it"""
    section: str
    """of the page"""
    system: str = ""
    """whom it is about; empty: all of them"""

    @property
    def pixels(self) -> int:
        """Width on the page: 100 an inch, so that 8 points of text are 11 pixels."""
        return round(100 * self.figure.get_figwidth())


def file_name(text: str) -> str:
    """What a file may be called everywhere: letters, digits, and `_ + @ . -`.

    >>> file_name("pairs_race_org/model:7b+women@nf4")
    'pairs_race_org-model-7b+women@nf4'
    """
    return re.sub(r"[^A-Za-z0-9_+@.-]+", "-", text)


class Plot(NamedTuple):
    """A plot as the page holds it."""

    name: str
    """of its files"""
    svg: Markup
    pixels: int
    system: str


def on_page(pictures: Mapping[str, Picture]) -> dict[str, list[Plot]]:
    """Section -> its plots; ids inside them are led by their place, which is unique whatever their names hold."""
    placed: dict[str, list[Plot]] = {}
    for place, (name, picture) in enumerate(pictures.items()):
        svg = Markup(to_svg(picture.figure, f"plot{place}", picture.title))
        placed.setdefault(picture.section, []).append(Plot(name, svg, picture.pixels, picture.system))
    return placed
