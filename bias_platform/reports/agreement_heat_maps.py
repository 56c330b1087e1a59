"""Which pairs of personas each heat map of an agreement report shows: one map a dimension, a system and a measure."""

from collections.abc import Mapping

import pandas as pd

from bias_platform.reports.agreement_pictures import Picture, file_name
from bias_platform.reports.figures.pair_map import PairMap, TilePanel, pair_map_figure
from bias_platform.reports.figures.tiles import Palette
from bias_platform.reports.formats import words
from bias_platform.schemas.results_of_agreement import ALIKE, FIRST, SAME, SECOND, UNKNOWN

PAIRS = "pairs"
_ALPHA = "alpha"


def pair_maps(table: pd.DataFrame, facts: Mapping[str, object], palette: Palette) -> dict[str, Picture]:
    """File name -> map, in the order of table `PairTests`."""
    made = {}
    for (measure, system, dimension), part in table.groupby(["measure", "system", "dimension"], sort=False):
        scored = "" if measure == _ALPHA else f"_{measure}"
        by = "" if measure == _ALPHA else f" · {measure}"
        title = f"{words(dimension)} · {system}{by}"
        figure = pair_map_figure(_map(title, part, facts), palette)
        said = f"Pairs of personas, {words(dimension)}, {system}{by}: which is nearer to {facts['reference']}"
        made[file_name(f"pairs_{dimension}_{system}{scored}")] = Picture(figure, said, PAIRS, str(system))
    return made


def _map(title: str, part: pd.DataFrame, facts: Mapping[str, object]) -> PairMap:
    significance = float(str(facts["significance"]))
    panels = [
        TilePanel(str(template), _states(pairs, significance))
        for template, pairs in part.groupby("template_id", sort=False)
    ]
    seen = {look for panel in panels for look in panel.states.values()}
    test = "Paired t test" if part["measure"].iloc[0] == _ALPHA else "Wilcoxon signed-rank test"
    return PairMap(
        title,
        _labels(part),
        panels,
        f"{test}, p < {significance:g}, uncorrected",
        _legend(seen, f"“{facts['reference']}”"),
    )


def _labels(part: pd.DataFrame) -> dict[str, str]:
    """Personas in the order of the set: the firsts come in that order, the last one is only ever a second."""
    ends = pd.concat(
        [
            part[["first_id", "first_label"]].set_axis(["id", "label"], axis=1),
            part[["second_id", "second_label"]].set_axis(["id", "label"], axis=1),
        ]
    ).drop_duplicates("id")
    return dict(zip(ends["id"], ends["label"], strict=True))


def _states(pairs: pd.DataFrame, significance: float) -> dict[tuple[str, str], tuple[str, bool]]:
    """A mark is solid where the difference outlives Holm's correction; marks of other states always are."""
    found = pairs["state"].isin([FIRST, SECOND])
    strong = ~found | (pairs["p_holm"] < significance)
    keys = zip(pairs["first_id"], pairs["second_id"], strict=True)
    return dict(zip(keys, zip(pairs["state"], strong.map(bool), strict=True), strict=True))


def _legend(seen: set[tuple[str, bool]], reference: str) -> list[tuple[str, bool, str]]:
    """The three states of the published figures always; what else there is only where it occurs."""
    nearer = {FIRST: f"x-axis persona nearer to {reference}", SECOND: f"y-axis persona nearer to {reference}"}
    said = []
    for state, meaning in nearer.items():
        said.append((state, True, f"{meaning}, also after Holm’s correction"))
        said.append((state, False, f"{meaning}"))
    said.append((SAME, True, "nonsignificant"))
    kept = [one for one in said if one[0] == SAME or one[:2] in seen or not (one[1] or (one[0], True) in seen)]
    if (ALIKE, True) in seen:
        kept.append((ALIKE, True, "not different: identical answers"))
    if (UNKNOWN, True) in seen:
        kept.append((UNKNOWN, True, "not tested"))
    return kept
