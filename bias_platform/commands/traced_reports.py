"""Which report a number is of, its row, and what can make it again."""

from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pandas as pd
from pydantic import ValidationError

from bias_platform.analysis.agreements.derivations import Deriving
from bias_platform.analysis.agreements.inputs import Scorer
from bias_platform.analysis.traced_differences import TRACED, TracedDifferences
from bias_platform.catalog import Catalog
from bias_platform.catalog.agreement_settings import AgreementSettings
from bias_platform.catalog.entries import TaskEntry
from bias_platform.catalog.report_kinds import AGREEMENT, REGRESSION, report_kinds
from bias_platform.errors import UserError, counted
from bias_platform.schemas.results_of_agreement import AGREEMENT_TABLES
from bias_platform.storage import Lake, Manifest, read_table, verify_artifact
from bias_platform.storage.names import PART, PERSONAS

_TABLES = {AGREEMENT: tuple(AGREEMENT_TABLES), REGRESSION: TRACED}


class Number(NamedTuple):
    """Where a number stands."""

    table: str
    row: int
    """from 1"""
    column: str | None


class Remaker(Protocol):
    """Makes numbers of a report again."""

    def derive(self, table: str, row: pd.Series, rows: pd.DataFrame) -> dict[str, float]:
        """Column -> number, from the rows of a statement."""

    def apart(self, table: str, row: pd.Series, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows that a reader wants to see."""


class TracedRow(NamedTuple):
    """A row of a published report and all that makes it again."""

    title: str
    """e.g. `alphas:17 of reports/posts_agreement`"""
    row: pd.Series
    statement: str
    remaker: Remaker
    written: bool
    """answers are texts of the model's own"""


def parsed_number(text: str) -> Number:
    """`alphas:17`, `[alphas:17]`, `alphas-17` or `alphas:17.alpha`.

    Raises:
        UserError: it names no table whose rows can be made again, or no row.
    """
    table, _, rest = text.strip("[]# ").replace("-", ":", 1).partition(":")
    row, _, column = rest.partition(".")
    known = [name for tables in _TABLES.values() for name in tables]
    if table not in known or not row.isdigit():
        allowed = "; ".join(f"{', '.join(tables)} ({kind} report)" for kind, tables in _TABLES.items())
        raise UserError(f"'{text}' is no number of a report; write <table>:<row>, e.g. alphas:17. Tables: {allowed}")
    return Number(table, int(row), column or None)


def traced_study(catalog: Catalog, report: str, number: Number) -> tuple[str, str]:
    """The study and the kind of its report that hold a number.

    Raises:
        UserError: there is no such report.
    """
    kind = AGREEMENT if number.table in AGREEMENT_TABLES else REGRESSION
    study = report.removesuffix(f"_{kind}")
    having = [slug for slug in catalog.studies if kind in report_kinds(catalog, slug)]
    if study not in having:
        allowed = ", ".join(f"{slug}_{kind}" for slug in having) or f"none: no study has a report of kind {kind}"
        raise UserError(f"'{number.table}' stands in no report '{report}'; allowed: {allowed}")
    return study, kind


def traced_row(lake: Lake, study: str, kind: str, number: Number) -> TracedRow:
    """The row, its statement, and what makes it again.

    Raises:
        ArtifactError: the report is missing or damaged.
        UserError: there is no such row or column.
    """
    name = f"reports/{study}_{kind}"
    manifest = verify_artifact(lake.report(study, kind), name)
    row = _row(lake.report(study, kind) / "tables" / f"{number.table}.parquet", name, number)
    try:
        task = TaskEntry.model_validate(manifest.parameters["task"])
        remaker = _agreement(manifest, task) if kind == AGREEMENT else _differences(lake, study, task)
    except ValidationError:
        raise UserError(f"'{name}' was made by an earlier version of the platform: materialize it again") from None
    title = f"{number.table}:{number.row} of {name}"
    if isinstance(remaker, Deriving):
        return TracedRow(title, row, str(row["query"]), remaker, task.answer != "option")
    said = {str(column): value for column, value in row.items()}
    return TracedRow(title, row, remaker.statement(number.table, said), remaker, written=False)


def _agreement(manifest: Manifest, task: TaskEntry) -> Deriving:
    settings = AgreementSettings.model_validate(manifest.parameters["study"]["agreement"])

    def scorer(name: str) -> Scorer:
        from bias_platform.models.text_similarity import text_scorer

        return text_scorer(name, settings.similarity)

    return Deriving(settings, task, scorer)


def _differences(lake: Lake, study: str, task: TaskEntry) -> TracedDifferences:
    personas = read_table(lake.questions(study) / PERSONAS, f"prompts/{study}_questions")
    control = str(personas.loc[personas["role"] == "control", "persona_id"].iloc[0])

    def part(system: str, persona: str) -> str:
        return (lake.prediction_partition(study, system, persona) / PART).relative_to(lake.home).as_posix()

    return TracedDifferences(task, control, part)


def _row(path: Path, report: str, number: Number) -> pd.Series:
    table: Any = read_table(path, report)
    if table.empty:
        raise UserError(f"'{number.table}' has no row in this report: the study has nothing for it")
    if not 1 <= number.row <= len(table):
        raise UserError(f"'{number.table}' has {counted(len(table), 'row')}; give a row from 1 to {len(table)}")
    if number.column is not None and number.column not in table:
        raise UserError(f"'{number.table}' has no column '{number.column}'; it has: {', '.join(table.columns)}")
    row: pd.Series = table.iloc[number.row - 1]
    return row
