"""What the tiles of a heat map look like: one look a state, told apart by a mark as well as by colour."""

from typing import Any, Literal, NamedTuple

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.legend import Legend
from matplotlib.legend_handler import HandlerBase
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.path import Path
from matplotlib.transforms import Transform

from bias_platform.reports.figures.style import BLUE, FAINT, INK, ORANGE, SOFT
from bias_platform.schemas.results_of_agreement import ALIKE, FIRST, SAME, SECOND, UNKNOWN

Palette = Literal["colour-blind", "published"]
EQUALS = Path([(-1, 0.5), (1, 0.5), (-1, -0.5), (1, -0.5)], [Path.MOVETO, Path.LINETO, Path.MOVETO, Path.LINETO])
MARKS = {FIRST: "v", SECOND: "<", ALIKE: EQUALS, UNKNOWN: "x"}
"""State -> mark: triangles point at the axis that names the nearer persona; no mark where nothing was found."""


class Look(NamedTuple):
    """Colours of a state."""

    fill: str
    mark: str = INK
    edge: str = "white"


_REST = {ALIKE: Look("#f4f6f7", SOFT, FAINT), UNKNOWN: Look("#ffffff", SOFT, FAINT)}
PALETTES: dict[Palette, dict[str, Look]] = {
    "colour-blind": {FIRST: Look(BLUE, "white"), SECOND: Look(ORANGE), SAME: Look("#dfe4e8"), **_REST},
    "published": {FIRST: Look("#840032", "white"), SECOND: Look("#e59500"), SAME: Look("#002642"), **_REST},
}
"""Of Okabe and Ito (2008), or of the study whose layout this is, so that its figures can be made again."""


def draw_tile(axes: Axes, place: tuple[float, float], state: str, strong: bool, palette: Palette, size: float) -> None:
    """A unit square around `place` (x, y).

    Args:
        axes: where.
        place: its middle.
        state: one of `STATES`.
        strong: the mark is solid: the difference outlives correction.
        palette: which colours.
        size: of a tile, in points.
    """
    look = PALETTES[palette][state]
    x, y = place
    axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=look.fill, edgecolor="white", linewidth=1))
    if look.edge != "white":
        inside = Rectangle((x - 0.44, y - 0.44), 0.88, 0.88, facecolor="none", edgecolor=look.edge, linewidth=0.6)
        axes.add_patch(inside)
    if state in MARKS:
        axes.add_line(_mark([x], [y], state, strong, palette, 0.36 * size))


class LegendTile(NamedTuple):
    """A tile of a legend."""

    state: str
    strong: bool
    palette: Palette


class TileHandler(HandlerBase):
    """Draws `LegendTile`s: the mark in the middle of its tile."""

    def create_artists(
        self,
        legend: Legend,
        orig_handle: Any,
        xdescent: float,
        ydescent: float,
        width: float,
        height: float,
        fontsize: float,
        trans: Transform,
    ) -> list[Artist]:
        """The tile and its mark, in the place the legend gives."""
        state, strong, palette = orig_handle
        tile = Rectangle(
            (-xdescent, -ydescent), width, height, facecolor=PALETTES[palette][state].fill, edgecolor=FAINT
        )
        tile.set_linewidth(0.6)
        made: list[Artist] = [tile]
        if state in MARKS:
            made.append(_mark([width / 2 - xdescent], [height / 2 - ydescent], state, strong, palette, 0.55 * height))
        for artist in made:
            artist.set_transform(trans)
        return made


def _mark(x: list[float], y: list[float], state: str, strong: bool, palette: Palette, size: float) -> Line2D:
    look = PALETTES[palette][state]
    line = Line2D(x, y, linestyle="", marker=MARKS[state], markersize=size, color=look.mark, markeredgewidth=1.0)
    line.set_markerfacecolor(look.mark if strong else look.fill)
    return line
