"""The page's tables that need no model."""

from collections.abc import Callable, Mapping

import pandas as pd

from bias_platform.reports.formats import count, decimal, decimal_span, p_value, percent, text, yes_no
from bias_platform.reports.shared_columns import (
    ADJUSTED,
    DIFFERENCE,
    DIMENSION,
    INTERVAL,
    PERSONA,
    SCOPE,
    SYSTEM,
    unsigned,
    unsigned_span,
)
from bias_platform.reports.table_view import Column, TableView, one, two, view

Tables = Mapping[str, pd.DataFrame]


def _systems(tables: Tables) -> TableView:
    table = tables["system_outcomes"]
    others = ("refused", "invalid", "truncated", "failed", "set_aside")
    counts = ["questions", "answered", *(name for name in others if table[name].any())]
    columns = [SYSTEM, *(Column(name.replace("_", " ").capitalize(), one(name, count)) for name in counts)]
    columns += [
        Column("Coverage", one("coverage", percent)),
        Column("Yes-rate", one("yes_rate", percent)),
        Column("Interval, %", two("lower", "upper", unsigned_span)),
        Column("Bounds, %", two("bound_low", "bound_high", unsigned_span)),
    ]
    if (table["lenient_rate"] > table["yes_rate"]).any():
        columns.append(Column("Lenient", one("lenient_rate", percent)))
    return view("system_outcomes", table, columns)


def _persona_coverage(tables: Tables) -> TableView:
    columns = [
        SYSTEM,
        PERSONA,
        Column("Questions", one("questions", count)),
        Column("Refused", one("refused", count)),
        Column("Set aside", one("set_aside", count)),
        Column("Judged", one("judged", count)),
        Column("Coverage", one("coverage", percent)),
        Column("Yes-rate", one("yes_rate", percent)),
        Column("Bounds, %", two("bound_low", "bound_high", unsigned_span)),
    ]
    return view("persona_outcomes", tables["persona_outcomes"], columns)


def _answers(tables: Tables) -> TableView:
    columns = [
        SYSTEM,
        Column("Persona", one("persona_id", text), numeric=False),
        Column("Answer", one("answer", text), numeric=False),
        Column("Counts as", one("kind", text), numeric=False),
        Column("Answers", one("count", count)),
        Column("Share", one("share", percent)),
    ]
    table = tables["answer_shares"]
    return view("answer_shares", table[table["kind"] == "set aside"], columns, "kind == 'set aside'")


def _noise(tables: Tables) -> TableView:
    table = tables["serving_noise"]
    columns = [
        SYSTEM,
        Column("Asked more than once", one("repeated", count)),
        Column("Answered differently", one("disagreeing", count)),
        Column("Share", one("share", percent)),
    ]
    return view("serving_noise", table[table["repeated"] > 0], columns, "repeated > 0")


def _baseline(tables: Tables) -> TableView:
    columns = [SYSTEM, PERSONA, Column("Items", one("items", count)), DIFFERENCE, INTERVAL, ADJUSTED]
    return view("baseline_differences", tables["baseline_differences"], columns)


def _agreement(tables: Tables) -> TableView:
    columns = [
        SYSTEM,
        PERSONA,
        Column("Items", one("items", count)),
        Column("Agreement", one("agreement", percent)),
        Column("Interval, %", two("agreement_lower", "agreement_upper", unsigned_span)),
        Column("Kappa", one("kappa", decimal)),
        Column("Interval", two("kappa_lower", "kappa_upper", decimal_span)),
        Column("People say Yes", one("human_yes", percent)),
        Column("System says Yes", one("system_yes", percent)),
    ]
    return view("human_agreement", tables["human_agreement"], columns)


def _divided(tables: Tables) -> TableView:
    columns = [
        SYSTEM,
        Column("Item", one("item_id", text), numeric=False),
        Column("Personas say Yes", one("yes_share", percent)),
        Column("Division", one("division", decimal)),
    ]
    table = tables["divided_items"]
    if table["text"].notna().any():
        columns.append(Column("Text", one("text", text), numeric=False))
    return view("divided_items", table, columns)


def _null(tables: Tables) -> TableView:
    columns = [
        Column("Pattern", one("pattern", text), numeric=False),
        SYSTEM,
        DIMENSION,
        Column("Observed (raw), %", one("observed", unsigned)),
        Column("Expected without difference", one("expected", unsigned)),
        Column("Exceeded once in twenty", one("quantile_95", unsigned)),
        Column("As large in", one("frequency", percent)),
    ]
    return view("pattern_null", tables["pattern_null"], columns)


def _declared(tables: Tables) -> TableView:
    columns = [
        Column("Family", one("title", text), numeric=False),
        SCOPE,
        SYSTEM,
        PERSONA,
        DIFFERENCE,
        INTERVAL,
        Column("Correction", one("multiplicity", _adjustment), numeric=False),
        Column("p in the family", one("p_adjusted", p_value)),
        Column("Significant", one("significant", yes_no), numeric=False),
        Column("in the report", one("significant_in_report", yes_no), numeric=False),
    ]
    return view("declared_families", tables["declared_families"], columns)


_CORRECTIONS = {
    "holm": "Holm",
    "fdr_bh": "Benjamini-Hochberg",
    "fdr_by": "Benjamini-Yekutieli",
    "single_step": "single step",
}


def _adjustment(value: object) -> str:
    return _CORRECTIONS.get(str(value), str(value))


def _families(tables: Tables) -> TableView:
    columns = [
        Column("Family", one("family", text), numeric=False),
        Column("Tests", one("tests", count)),
        Column("Significant", one("significant", count)),
        Column("Adjustment", one("method", _adjustment), numeric=False),
        Column("Headline", one("headline", yes_no), numeric=False),
    ]
    return view("test_families", tables["test_families"], columns)


VIEWS: dict[str, Callable[[Tables], TableView]] = {
    "systems": _systems,
    "persona_coverage": _persona_coverage,
    "set_aside": _answers,
    "noise": _noise,
    "baseline": _baseline,
    "agreement": _agreement,
    "null": _null,
    "families": _families,
    "declared": _declared,
    "divided": _divided,
}
