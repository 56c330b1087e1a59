"""`bias-platform trace`: a number of a report, made again from the published tables, and the items behind it."""

import math
import numbers
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import duckdb
import pandas as pd
import typer

from bias_platform.analysis.agreements.derivations import Deriving
from bias_platform.analysis.agreements.inputs import Scorer
from bias_platform.catalog import Catalog, load_catalog
from bias_platform.catalog.agreement_settings import AgreementSettings
from bias_platform.catalog.entries import TaskEntry
from bias_platform.catalog.report_kinds import AGREEMENT
from bias_platform.commands.sentences import CatalogOption, sentences
from bias_platform.errors import UserError, counted
from bias_platform.schemas.results_of_agreement import AGREEMENT_TABLES
from bias_platform.storage import Lake, Manifest, read_table, verify_artifact
from bias_platform.storage.names import ITEMS
from bias_platform.storage.paths import lake_root

_SUFFIX = f"_{AGREEMENT}"
_TOLERANCE = 1e-9


class _Number(NamedTuple):
    """Where a number stands."""

    table: str
    row: int
    """from 1"""
    column: str | None


def trace(
    report: Annotated[str, typer.Argument(help="<study>_agreement, or the study")],
    number: Annotated[str, typer.Argument(help="<table>:<row>, as the page shows it; a column may follow: `.alpha`")],
    catalog: CatalogOption = None,
    items: Annotated[int, typer.Option(min=0, help="how many of the items behind it are listed")] = 10,
    show_texts: Annotated[bool, typer.Option("--show-texts", help="print the posts; they may be hateful")] = False,
) -> None:
    """Makes a number of a report again from the published tables, and lists the items it rests on."""
    with sentences():
        chosen = load_catalog(catalog)
        lake = Lake(lake_root(), chosen.name)
        study = _study(chosen, report)
        manifest = verify_artifact(lake.report(study, AGREEMENT), f"reports/{study}{_SUFFIX}")
        where = _number(number)
        row = _row(lake, study, where)
        for line in _lines(lake, study, manifest, where, row, items, show_texts):
            typer.echo(line)


def _lines(
    lake: Lake, study: str, manifest: Manifest, where: _Number, row: pd.Series, items: int, show_texts: bool
) -> list[str]:
    rows = _run(lake, str(row["query"]))
    deriving = _deriving(manifest)
    again = deriving.derive(where.table, row, rows)
    told = [f"{where.table}:{where.row} of reports/{study}{_SUFFIX}", *_said(row)]
    told += ["", f"Statement, to be run by DuckDB in {lake.home}:", f"  {row['query']}", ""]
    told += [f"It gives {counted(len(rows), 'row')}. Made again from them:", *_compared(row, again, where.column)]
    apart = deriving.apart(where.table, row, rows)
    return [*told, *_behind(lake, study, rows, apart, items, show_texts, deriving.task.answer != "option")]


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


def _deriving(manifest: Manifest) -> Deriving:
    settings = AgreementSettings.model_validate(manifest.parameters["study"]["agreement"])
    task = TaskEntry.model_validate(manifest.parameters["task"])

    def scorer(name: str) -> Scorer:
        from bias_platform.models.text_similarity import text_scorer

        return text_scorer(name, settings.similarity)

    return Deriving(settings, task, scorer)


def _row(lake: Lake, study: str, where: _Number) -> pd.Series:
    path: Path = lake.report(study, AGREEMENT) / "tables" / f"{where.table}.parquet"
    table = read_table(path, f"reports/{study}{_SUFFIX}")
    if table.empty:
        raise UserError(f"'{where.table}' has no row in this report: the study has nothing for it")
    if not 1 <= where.row <= len(table):
        raise UserError(f"'{where.table}' has {counted(len(table), 'row')}; give a row from 1 to {len(table)}")
    if where.column is not None and where.column not in table:
        raise UserError(f"'{where.table}' has no column '{where.column}'; it has: {', '.join(table.columns)}")
    return table.iloc[where.row - 1]


def _number(text: str) -> _Number:
    table, _, rest = text.strip("[]# ").replace("-", ":", 1).partition(":")
    row, _, column = rest.partition(".")
    if table not in AGREEMENT_TABLES or not row.isdigit():
        allowed = ", ".join(AGREEMENT_TABLES)
        raise UserError(f"'{text}' is no number of a report; write <table>:<row>, e.g. alphas:17. Tables: {allowed}")
    return _Number(table, int(row), column or None)


def _study(catalog: Catalog, report: str) -> str:
    study = report.removesuffix(_SUFFIX)
    having = [slug for slug, entry in catalog.studies.items() if entry.agreement is not None]
    if study not in having:
        allowed = ", ".join(f"{slug}{_SUFFIX}" for slug in having) or "none: no study declares `agreement`"
        raise UserError(f"there is no report '{report}' whose numbers can be traced; allowed: {allowed}")
    return study
