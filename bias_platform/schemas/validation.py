"""Checks a table against its schema and says everything that is wrong with it at once."""

import pandas as pd
import pandera.errors
import pandera.pandas as pa

from bias_platform.errors import TableError, bullet_list, counted

_A_ROW = "a row"


def validate_table(table: pd.DataFrame, schema: type[pa.DataFrameModel], name: str) -> pd.DataFrame:
    """Returns the table if it meets the schema.

    Raises:
        TableError: names the table and lists every failure: column, rule, how many rows, examples of their row
            numbers (never the values: they may be posts).
    """
    try:
        return schema.validate(table, lazy=True)
    except pandera.errors.SchemaErrors as error:
        lines = _failure_lines(error.failure_cases)
        message = f"table '{name}' breaks its schema {schema.__name__}:\n{bullet_list(lines)}"
        raise TableError(message) from None


def _failure_lines(cases: pd.DataFrame) -> list[str]:
    lines = []
    # a rule about whole rows fails once for each column of the row: it is said once
    other_columns = cases["check"].astype(str).str.startswith("column_in")
    whole_rows = (cases["schema_context"] == "DataFrameSchema") & ~other_columns
    cases = cases.assign(column=cases["column"].astype(object).where(~whole_rows, _A_ROW))
    grouped = cases.groupby(["column", "check"], dropna=False, sort=True)
    for (column, check), rows in grouped:
        indices = rows["index"].dropna().unique()
        where = f" in {counted(len(indices), 'row')}, first at row {indices[0]}" if len(indices) else ""
        names_problem = str(check).startswith(("column_in", "dtype", "coerce"))
        found = f" (found {rows['failure_case'].iloc[0]})" if names_problem else ""
        place = str(column) if column == _A_ROW else f"column '{column}'"
        lines.append(f"{place}: must meet {check}{where}{found}")
    return lines
