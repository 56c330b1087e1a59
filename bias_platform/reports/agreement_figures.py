"""All plots of an agreement report."""

from collections.abc import Mapping

import pandas as pd

from bias_platform.reports.agreement_forests import forests
from bias_platform.reports.agreement_heat_maps import pair_maps
from bias_platform.reports.agreement_pictures import Picture
from bias_platform.reports.figures.tiles import Palette


def agreement_figures(
    tables: Mapping[str, pd.DataFrame], facts: Mapping[str, object], palette: Palette = "colour-blind"
) -> dict[str, Picture]:
    """File name without its ending -> plot, in the order of the page."""
    return {**forests(tables, facts), **pair_maps(tables["pair_tests"], facts, palette)}
