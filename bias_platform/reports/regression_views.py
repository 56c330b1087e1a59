"""The tables of a regression report's page."""

from collections.abc import Callable, Mapping

import pandas as pd

from bias_platform.reports.formats import count, decimal, p_value, percent, points, span, text, yes_no
from bias_platform.reports.shared_columns import (
    ADJUSTED,
    DIFFERENCE,
    DIMENSION,
    INTERVAL,
    LOG_ODDS,
    LOG_ODDS_INTERVAL,
    METHOD,
    PERSONA,
    SCOPE,
    SYSTEM,
    unsigned,
    unsigned_span,
)
from bias_platform.reports.table_view import Column, TableView, one, two, view
from bias_platform.reports.views_without_model import VIEWS
from bias_platform.schemas.results import LENIENT, PRIMARY, THESE_WORDINGS

Tables = Mapping[str, pd.DataFrame]
_MOST = 10
"""Pairs shown for their disagreement; more where the last ones tie."""
_SIMULTANEOUS = Column("Simultaneous", two("simultaneous_lower", "simultaneous_upper", span))
_WITHIN = Column("Within margin", one("equivalent", yes_no), numeric=False)


def regression_views(tables: Tables) -> dict[str, TableView]:
    """All tables that have rows, by the name the template uses."""
    made = {name: make(tables) for name, make in _VIEWS.items()}
    return {name: one_view for name, one_view in made.items() if one_view.rows}


def _contrasts(reading: str) -> Callable[[Tables], TableView]:
    columns = [
        SYSTEM,
        DIMENSION,
        PERSONA,
        SCOPE,
        DIFFERENCE,
        INTERVAL,
        _SIMULTANEOUS,
        ADJUSTED,
        _WITHIN,
        Column("Bounds", two("bound_low", "bound_high", span)),
        Column("Item-paired check", two("paired_lower", "paired_upper", span)),
        LOG_ODDS,
        LOG_ODDS_INTERVAL,
        METHOD,
    ]

    def make(tables: Tables) -> TableView:
        table = tables["control_contrasts"]
        return view("control_contrasts", table[table["reading"] == reading], columns, f"reading == '{reading}'")

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
        METHOD,
    ]
    table = tables["persona_pairs"]
    return view("persona_pairs", table[table["significant"]], columns, "significant")


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
    columns = [
        Column("From", one("from_system", text), numeric=False),
        Column("To", one("to_system", text), numeric=False),
        DIMENSION,
        PERSONA,
        SCOPE,
        Column("Change, pp", one("difference", points)),
        INTERVAL,
        _SIMULTANEOUS,
        ADJUSTED,
        _WITHIN,
        LOG_ODDS,
        LOG_ODDS_INTERVAL,
        METHOD,
    ]
    table = tables["system_changes"]
    return view("system_changes", table[table["reading"] == PRIMARY], columns, "reading == 'primary'")


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
        Column("Noise-corrected sd, pp", one("deviation", unsigned)),
        Column("Interval", two("deviation_lower", "deviation_upper", unsigned_span)),
        Column("Highest", one("highest", text), numeric=False),
        Column("Lowest", one("lowest", text), numeric=False),
        METHOD,
    ]
    return view("dimension_spreads", tables["dimension_spreads"], columns)


def _group_tests(tables: Tables) -> TableView:
    columns = [
        Column("Term", one("term", text), numeric=False),
        Column("F", one("statistic", decimal)),
        Column("df", two("df", "denominator_df", lambda a, b: f"{count(a)}, {count(b)}")),
        Column("p (F)", one("p_value", p_value)),
        Column("p (likelihood ratio)", one("likelihood_ratio_p", p_value)),
        Column("p (Wald)", one("wald_p", p_value)),
    ]
    return view("group_tests", tables["group_tests"], columns)


def _group_means(tables: Tables) -> TableView:
    columns = [
        Column("Group", one("group", text), numeric=False),
        SYSTEM,
        Column("Personas", one("personas", count)),
        Column("Probability of Yes, %", one("probability", unsigned)),
        Column("Interval", two("lower", "upper", unsigned_span)),
    ]
    return view("group_probabilities", tables["group_probabilities"], columns)


def _components(tables: Tables) -> TableView:
    columns = [
        Column("Model", one("model", text), numeric=False),
        Column("Term", one("term", text), numeric=False),
        Column("Levels", one("levels", count)),
        Column("sd, maximum likelihood", one("sd", lambda value: decimal(value, 3))),
        Column("Standard error", one("standard_error", lambda value: decimal(value, 3))),
        Column("sd, restricted", one("restricted_sd", lambda value: decimal(value, 3))),
        Column("At zero", one("at_zero", yes_no), numeric=False),
    ]
    return view("variance_components", tables["variance_components"], columns)


def _fits(tables: Tables) -> TableView:
    columns = [
        Column("Model", one("model", text), numeric=False),
        Column("Formula", one("formula", text), numeric=False),
        Column("Answers", one("rows", count)),
        Column("Parameters", one("parameters", count)),
        Column("Log-likelihood", one("log_likelihood", decimal)),
        Column("Converged", one("converged", lambda value: "yes" if value else "no"), numeric=False),
        Column("Cells left out", one("excluded_cells", count)),
        Column("Notes", one("notes", text), numeric=False),
    ]
    return view("model_fits", tables["model_fits"], columns)


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
    "contrasts": _contrasts(PRIMARY),
    "lenient": _contrasts(LENIENT),
    "pairs": _pairs,
    "disagreements": _disagreements,
    "changes": _changes,
    "spreads": _spreads,
    "group_tests": _group_tests,
    "group_means": _group_means,
    "components": _components,
    "fits": _fits,
    "degenerate": _degenerate,
}
