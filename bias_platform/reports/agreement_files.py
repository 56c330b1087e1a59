"""The tables of an agreement report on disk: Parquet with the statements, CSV for everybody, LaTeX for a paper."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from bias_platform.reports.agreement_latex import latex_table
from bias_platform.schemas.results_of_agreement import AGREEMENT_TABLES
from bias_platform.storage import write_table


def write_tables(tables: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """Writes <name>.parquet, <name>.csv and <name>.tex for every table of `AGREEMENT_TABLES`, with or without rows.

    Row n of the Parquet file, counted from 1, is line n + 1 of the CSV file, and `<name>:n` on the page. CSV files are
    UTF-8 with a header, numbers unrounded and missing ones empty; they leave out the column `query`.
    """
    for name in AGREEMENT_TABLES:
        table = tables[name]
        write_table(table, folder / f"{name}.parquet")
        table.drop(columns="query").to_csv(folder / f"{name}.csv", index=False, lineterminator="\n", encoding="utf-8")
        (folder / f"{name}.tex").write_text(latex_table(name, table, caption_of(name)), "utf-8")


def caption_of(name: str) -> str:
    """What the table holds: the first line of its schema."""
    return (AGREEMENT_TABLES[name].__doc__ or "").split("\n")[0]
