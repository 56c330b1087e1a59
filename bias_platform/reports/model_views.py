"""The page's tables of models: tests of terms, variance components, how each was fitted."""

from collections.abc import Callable, Hashable, Mapping

import pandas as pd

from bias_platform.reports.formats import count, decimal, p_value, signed_decimal, signed_decimal_span, text, yes_no
from bias_platform.reports.shared_columns import SCOPE
from bias_platform.reports.table_view import Column, TableView, one, two, view
from bias_platform.schemas.results import ERROR_MODELS, GROUPS_OF_PERSONAS, UNIT_ITEM

Tables = Mapping[str, pd.DataFrame]


def _tests(groups: bool) -> Callable[[Tables], TableView]:
    """Tests of the group model stand in the section on groups, those of errors with the errors, others with models."""
    elsewhere = list(ERROR_MODELS.values())

    def make(tables: Tables) -> TableView:
        table = tables["term_tests"]
        of_groups = table["model"] == GROUPS_OF_PERSONAS
        if groups:
            return term_test_view(table[of_groups], f"model == '{GROUPS_OF_PERSONAS}'", named=False)
        left_out = [GROUPS_OF_PERSONAS, *elsewhere]
        return term_test_view(table[~table["model"].isin(left_out)], f"model not in {left_out!r}", named=True)

    return make


def term_test_view(table: pd.DataFrame, query: str, named: bool) -> TableView:
    """Tests of terms.

    Args:
        table: the rows that `query` picks.
        query: of `term_tests`.
        named: whether the model has a column.
    """
    columns = [
        Column("Systems", one("systems", text), numeric=False),
        SCOPE,
        Column("Term", one("term", text), numeric=False),
        Column("Carried by", one("carrier", text), numeric=False),
        Column("F", one("f", decimal)),
        Column("df", two("f_df", "f_denominator_df", _degrees)),
        Column("p (F, the default)", one("f_p", p_value)),
        Column("Likelihood ratio", two("lr", "df", _chi_square)),
        Column("p", one("lr_p", p_value)),
        Column("Wald", two("wald", "df", _chi_square)),
        Column("p", one("wald_p", p_value)),
    ]
    model = [Column("Model", one("model", text), numeric=False)] if named else []
    return view("term_tests", table, [*model, *columns], query)


def _degrees(numerator: object, denominator: object) -> str:
    """Whole numbers where they are whole, one digit where they were shrunk."""
    return f"{_degree(numerator)}; {_degree(denominator)}"


def _degree(value: object) -> str:
    number = float(str(value))
    return count(number) if number == round(number) or number >= 100 else decimal(number, 1)


def _chi_square(statistic: object, df: object) -> str:
    shown = decimal(statistic, 1)
    return f"{shown} ({count(df)})" if shown != decimal(None) else shown


def _components(tables: Tables) -> TableView:
    table = tables["variance_components"]
    deviations = {
        "sd": "sd, maximum likelihood",
        "restricted_sd": "sd, restricted likelihood",
        "standard_error": "Standard error",
    }
    columns = [
        Column("Model", one("model", text), numeric=False),
        Column("Term", one("term", text), numeric=False),
        Column("Levels", one("levels", count)),
        *(Column(title, one(name, _fine)) for name, title in deviations.items() if table[name].notna().any()),
        Column("At zero", one("at_zero", yes_no), numeric=False),
    ]
    return view("variance_components", table, columns)


def _fine(value: object) -> str:
    return decimal(value, 4)


def _standing(tables: Tables) -> TableView:
    """Items, then personas in a wording, by model: each has its own column only where there are some."""
    table = tables["standing_out"]
    columns = [
        Column("Systems", one("systems", text), numeric=False),
        Column("What", one("unit", text), numeric=False),
        Column("Which", lambda rows: [standing_name(row) for row in rows.to_dict("records")], numeric=False),
        Column("Effect", one("effect", signed_decimal)),
        Column("Interval", two("lower", "upper", signed_decimal_span)),
    ]
    if table["text"].notna().any():
        columns.append(Column("Text", one("text", text), numeric=False))
    return view("standing_out", table, columns)


def standing_name(row: Mapping[Hashable, object]) -> str:
    """The item, or the persona and its wording."""
    return str(row["item_id"]) if row["unit"] == UNIT_ITEM else f"{row['label']}, {row['template_id']}"


def _fits(tables: Tables) -> TableView:
    columns = [
        Column("Model", one("model", text), numeric=False),
        Column("Notes", one("notes", text), numeric=False),
        Column("Rows", one("rows", count)),
        Column("Parameters", one("parameters", count)),
        Column("Log-likelihood", one("log_likelihood", decimal)),
        Column("Converged", one("converged", lambda value: "yes" if value else "no"), numeric=False),
        Column("Cells left out", one("excluded_cells", count)),
        Column("Formula", one("formula", text), numeric=False),
    ]
    return view("model_fits", tables["model_fits"], columns)


MODEL_VIEWS: dict[str, Callable[[Tables], TableView]] = {
    "tests": _tests(groups=False),
    "group_tests": _tests(groups=True),
    "components": _components,
    "fits": _fits,
    "standing": _standing,
}
