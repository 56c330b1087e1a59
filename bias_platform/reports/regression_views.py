"""The tables of a regression report's page."""

from collections.abc import Callable, Mapping

import pandas as pd

from bias_platform.reports.alternative_views import ALTERNATIVE_VIEWS
from bias_platform.reports.formats import count, p_value, percent, points, text, yes_no
from bias_platform.reports.further_views import FURTHER_VIEWS
from bias_platform.reports.graded_views import GRADED_VIEWS
from bias_platform.reports.model_views import MODEL_VIEWS
from bias_platform.reports.noise_views import NOISE_VIEWS
from bias_platform.reports.people_views import PEOPLE_VIEWS
from bias_platform.reports.planning_views import PLANNING_VIEWS
from bias_platform.reports.scored_views import SCORED_VIEWS
from bias_platform.reports.shared_columns import (
    ADJUSTED,
    BOUNDS,
    DIFFERENCE,
    DIMENSION,
    FROM,
    INTERVAL,
    PERSONA,
    SCOPE,
    SIMULTANEOUS,
    SYSTEM,
    TO,
    log_odds_columns,
    unsigned,
    unsigned_span,
)
from bias_platform.reports.table_view import Column, TableView, one, two, view
from bias_platform.reports.views_without_model import VIEWS
from bias_platform.schemas.results import LENIENT, PRIMARY, THESE_WORDINGS

Tables = Mapping[str, pd.DataFrame]
_MOST = 10
"""Pairs shown for their disagreement; more where the last ones tie."""
_WITHIN = Column("Within margin", one("equivalent", yes_no), numeric=False)


def regression_views(tables: Tables) -> dict[str, TableView]:
    """All tables that have rows, by the name the template uses."""
    made = {name: make(tables) for name, make in _VIEWS.items()}
    return {name: one_view for name, one_view in made.items() if one_view.rows}


def _contrasts(reading: str) -> Callable[[Tables], TableView]:
    columns = [SYSTEM, DIMENSION, PERSONA, SCOPE, DIFFERENCE, INTERVAL, SIMULTANEOUS, ADJUSTED, _WITHIN, BOUNDS]

    def make(tables: Tables) -> TableView:
        table = tables["control_contrasts"]
        table = table[table["reading"] == reading]
        return view("control_contrasts", table, [*columns, *log_odds_columns(table)], f"reading == '{reading}'")

    return make


def _pairs(tables: Tables) -> TableView:
    columns = [
        SYSTEM,
        DIMENSION,
        PERSONA,
        Column("minus", one("other_label", text), numeric=False),
        SCOPE,
        DIFFERENCE,
        INTERVAL,
        ADJUSTED,
        Column("Answered apart", one("disagreement", percent)),
        Column("Items with more / fewer Yes", two("more_yes_items", "fewer_yes_items", _against)),
        Column("p, signed McNemar, adjusted", one("sign_p_adjusted", p_value)),
    ]
    table = tables["persona_pairs"]
    table = table[table["significant"]]
    return view("persona_pairs", table, [*columns, *log_odds_columns(table)], "significant")


def _disagreements(tables: Tables) -> TableView:
    """Pairs may answer many questions apart in both directions alike, which a mean difference does not show."""
    columns = [
        SYSTEM,
        DIMENSION,
        PERSONA,
        Column("against", one("other_label", text), numeric=False),
        Column("Answered apart", one("disagreement", percent)),
        Column("Items with more / fewer Yes", two("more_yes_items", "fewer_yes_items", _against)),
        Column("p, signed McNemar", one("sign_p", p_value)),
        Column("adjusted", one("sign_p_adjusted", p_value)),
        DIFFERENCE,
    ]
    table = tables["persona_pairs"]
    table = table[table["scope"] == THESE_WORDINGS]
    largest = table["disagreement"].astype(float).nlargest(_MOST)
    least = float(largest.min()) if len(largest) else 1.0
    query = f"scope == '{THESE_WORDINGS}' and disagreement >= {least!r}"
    return view("persona_pairs", table[table["disagreement"] >= least], columns, query)


def _against(first: object, second: object) -> str:
    return f"{count(first)} / {count(second)}"


def _changes(tables: Tables) -> TableView:
    moved = Column("Change, pp", one("difference", points))
    columns = [FROM, TO, DIMENSION, PERSONA, SCOPE, moved, INTERVAL, SIMULTANEOUS, ADJUSTED, _WITHIN]
    table = tables["system_changes"]
    table = table[table["reading"] == PRIMARY]
    return view("system_changes", table, [*columns, *log_odds_columns(table)], "reading == 'primary'")


def _spreads(tables: Tables) -> TableView:
    columns = [
        SYSTEM,
        DIMENSION,
        Column("Personas", one("personas", count)),
        SCOPE,
        Column("Largest − smallest, pp", one("spread", unsigned)),
        Column("Interval", two("spread_lower", "spread_upper", unsigned_span)),
        Column("Simultaneous", two("simultaneous_lower", "simultaneous_upper", unsigned_span)),
        ADJUSTED,
        Column("Within margin", one("within_margin", yes_no), numeric=False),
        Column("Noise-corrected sd, pp", one("deviation", unsigned)),
        Column("Interval", two("deviation_lower", "deviation_upper", unsigned_span)),
        Column("Highest", one("highest", text), numeric=False),
        Column("Lowest", one("lowest", text), numeric=False),
    ]
    return view("dimension_spreads", tables["dimension_spreads"], columns)


def _group_means(tables: Tables) -> TableView:
    columns = [
        Column("Group", one("group", text), numeric=False),
        SYSTEM,
        Column("Personas", one("personas", count)),
        Column("Probability of Yes, %", one("probability", unsigned)),
        Column("Interval", two("lower", "upper", unsigned_span)),
    ]
    return view("group_probabilities", tables["group_probabilities"], columns)


def _degenerate(tables: Tables) -> TableView:
    columns = [
        Column("Reading", one("reading", text), numeric=False),
        SYSTEM,
        PERSONA,
        Column("Judged", one("judged", count)),
        Column("Yes", one("yes", count)),
        Column("Rarer answer", one("minority", count)),
        Column("Consequence", one("consequence", text), numeric=False),
    ]
    return view("degenerate_cells", tables["degenerate_cells"], columns)


_VIEWS: dict[str, Callable[[Tables], TableView]] = {
    **VIEWS,
    **NOISE_VIEWS,
    **SCORED_VIEWS,
    **MODEL_VIEWS,
    **GRADED_VIEWS,
    **ALTERNATIVE_VIEWS,
    **PLANNING_VIEWS,
    **FURTHER_VIEWS,
    **PEOPLE_VIEWS,
    "contrasts": _contrasts(PRIMARY),
    "lenient": _contrasts(LENIENT),
    "pairs": _pairs,
    "disagreements": _disagreements,
    "changes": _changes,
    "spreads": _spreads,
    "group_means": _group_means,
    "degenerate": _degenerate,
}
