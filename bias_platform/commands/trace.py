"""`bias-platform trace`: a number of a report, made again from the published tables, and the items behind it."""

import math
import numbers
from typing import Annotated, Any

import duckdb
import pandas as pd
import typer

from bias_platform.catalog import load_catalog
from bias_platform.commands.sentences import CatalogOption, sentences
from bias_platform.commands.traced_reports import Number, TracedRow, parsed_number, traced_row, traced_study
from bias_platform.errors import UserError, counted
from bias_platform.storage import Lake, read_table
from bias_platform.storage.names import ITEMS
from bias_platform.storage.paths import lake_root

_TOLERANCE = 1e-9


def trace(
    report: Annotated[str, typer.Argument(help="the study, or <study>_agreement or <study>_regression")],
    number: Annotated[str, typer.Argument(help="<table>:<row>, as the page shows it; a column may follow: `.alpha`")],
    catalog: CatalogOption = None,
    items: Annotated[int, typer.Option(min=0, help="how many of the items behind it are listed")] = 10,
    show_texts: Annotated[bool, typer.Option("--show-texts", help="print the posts; they may be hateful")] = False,
) -> None:
    """Makes a number of a report again from the published tables, and lists the items it rests on."""
    with sentences():
        chosen = load_catalog(catalog)
        lake = Lake(lake_root(), chosen.name)
        where = parsed_number(number)
        study, kind = traced_study(chosen, report, where)
        for line in _lines(lake, study, traced_row(lake, study, kind, where), where, items, show_texts):
            typer.echo(line)


def _lines(lake: Lake, study: str, traced: TracedRow, where: Number, items: int, show_texts: bool) -> list[str]:
    rows = _run(lake, traced.statement)
    again = traced.remaker.derive(where.table, traced.row, rows)
    told = [traced.title, *_said(traced.row)]
    told += ["", f"Statement, to be run by DuckDB in {lake.home}:", f"  {traced.statement}", ""]
    told += [
        f"It gives {counted(len(rows), 'row')}. Made again from them:",
        *_compared(traced.row, again, where.column),
    ]
    apart = traced.remaker.apart(where.table, traced.row, rows)
    return [*told, *_behind(lake, study, rows, apart, items, show_texts, traced.written)]


def _said(row: pd.Series) -> list[str]:
    """What the row is of: its texts."""
    named = {name: value for name, value in row.items() if isinstance(value, str) and value and name != "query"}
    return [f"  {name}: {value}" for name, value in named.items()]


def _compared(row: pd.Series, again: dict[str, float], column: str | None) -> list[str]:
    if column is not None and column not in again:
        raise UserError(f"'{column}' cannot be made again from this row's statement; allowed: {', '.join(again)}")
    lines, wrong = [], []
    for name, value in again.items():
        published = row[name]
        same = _same(published, value)
        wrong += [] if same else [name]
        if column in (None, name):
            lines.append(f"  {name}: {_shown(value)}" + ("" if same else f", published {_shown(published)}"))
    if wrong:
        raise UserError(
            "\n".join(lines)
            + f"\nThe tables now give another {', '.join(wrong)} than was published: the answers or labels changed "
            "since. Materialize the report again"
        )
    rest = [str(name) for name, value in row.items() if isinstance(value, numbers.Real) and name not in again]
    left = f"; not made again: {', '.join(rest)}" if rest else ""
    return [*lines, f"  the same as published{left}"]


def _same(published: Any, again: float) -> bool:
    if published is None or pd.isna(published) or math.isnan(again):
        return (published is None or bool(pd.isna(published))) and math.isnan(again)
    return abs(float(published) - again) <= _TOLERANCE * max(1.0, abs(again))


def _shown(value: Any) -> str:
    return "not defined" if value is None or pd.isna(value) else f"{float(value):.10g}"


def _behind(
    lake: Lake, study: str, rows: pd.DataFrame, apart: pd.DataFrame, items: int, show_texts: bool, written: bool
) -> list[str]:
    if "item_id" not in rows:
        return ["", *rows.to_string(index=False).splitlines()]
    lines = ["", f"Items on which the answers differ, or none was given: {len(apart):,} of {len(rows):,}"]
    shown = apart.head(items)
    hide = written and not show_texts
    answers = [name for name in map(str, rows.columns) if name != "item_id" and not name.endswith("_outcome")]
    texts = _texts(lake, study) if show_texts else {}
    for record in shown.to_dict("records"):
        said = ", ".join(f"{name} {_answer(record, name, hide)}" for name in answers)
        lines.append(f"  {record['item_id']}: {said}")
        if show_texts:
            lines.append(f"    {_one_line(texts.get(record['item_id'], ''))}")
    if len(apart) > len(shown):
        lines.append(f"  ... and {len(apart) - len(shown):,} more (--items)")
    return lines if show_texts else [*lines, "  (--show-texts prints the posts)"]


def _answer(record: dict[Any, Any], name: str, hide: bool) -> str:
    """An option, or what was written; that only when texts are asked for."""
    value = record[name]
    if value is None or pd.isna(value):
        return f"({record.get(f'{name}_outcome', 'none')})"
    if isinstance(value, float):
        return f"{value:.2f}"
    return f"({counted(len(str(value)), 'character')})" if hide else _one_line(str(value))


def _texts(lake: Lake, study: str) -> dict[str, str]:
    table = read_table(lake.questions(study) / ITEMS, f"prompts/{study}_questions")
    pictures = table["picture"] if "picture" in table else [None] * len(table)
    shown = [
        f"{text} [picture {picture}, {source}]" if isinstance(picture, str) else text
        for text, picture, source in zip(table["text"], pictures, table["source_id"], strict=True)
    ]
    return dict(zip(table["item_id"], shown, strict=True))


def _one_line(text: str) -> str:
    """A post on one line of a terminal, whatever it holds."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _run(lake: Lake, query: str) -> pd.DataFrame:
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET file_search_path = ?", [str(lake.home)])
        try:
            return connection.execute(query).df()
        except duckdb.Error as error:
            raise UserError(
                f"the statement of this number cannot be run: {error}. A table it reads is missing or has changed; "
                "materialize the study again"
            ) from None
