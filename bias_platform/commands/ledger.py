"""`bias-platform ledger`: look at what was asked, check it, take it out, bring in what was recorded elsewhere."""

from pathlib import Path
from typing import Annotated

import typer

from bias_platform.catalog import Catalog, load_catalog
from bias_platform.commands.sentences import CatalogOption, sentences
from bias_platform.errors import UserError, counted
from bias_platform.storage.paths import Lake, lake_root

ledger_app = typer.Typer(help="Look after the ledgers: every outcome of a system at a task.", no_args_is_help=True)

SystemArgument = Annotated[str | None, typer.Argument(help="base[+adapter][@scheme]; default: all")]
TaskArgument = Annotated[str | None, typer.Argument(help="default: all")]


@ledger_app.command("inspect")
def inspect(system: SystemArgument = None, task: TaskArgument = None, catalog: CatalogOption = None) -> None:
    """Prints what ledgers hold: outcomes, reasons, batches, tokens, pace, and who is writing."""
    with sentences():
        from bias_platform.commands.ledger_view import summary_view
        from bias_platform.inference.ledger_summary import summarize_ledger

        lake = _lake(load_catalog(catalog))
        typer.echo("\n\n".join(summary_view(summarize_ledger(path)) for path in _ledgers(lake, system, task)))


@ledger_app.command("verify")
def verify(system: SystemArgument = None, task: TaskArgument = None, catalog: CatalogOption = None) -> None:
    """Compares ledgers with their checksums and changes nothing; ends with 1 if one is damaged."""
    with sentences():
        from bias_platform.commands.ledger_view import check_view
        from bias_platform.inference.ledger_checks import verify_ledger

        damaged = 0
        for path in _ledgers(_lake(load_catalog(catalog)), system, task):
            check = verify_ledger(path)
            damaged += bool(check.problems)
            typer.echo(check_view(path, check))
        if damaged:
            what = f"{counted(damaged, 'ledger')} damaged: the next run takes over what can still be read"
            typer.secho(f"{what}; or give `bias-platform ledger recover` now", err=True, fg=typer.colors.RED)
            raise typer.Exit(1)


@ledger_app.command("recover")
def recover(system: SystemArgument = None, task: TaskArgument = None, catalog: CatalogOption = None) -> None:
    """Mends damaged ledgers: sets them aside, takes over what can be read, and what was published."""
    with sentences():
        from bias_platform.commands.ledger_view import ledger_title
        from bias_platform.inference.ledger_recovery import published_parts, recover_ledger

        chosen = load_catalog(catalog)
        lake = _lake(chosen)
        for path in _ledgers(lake, system, task):
            recovery = recover_ledger(path, published_parts(lake, chosen, path.parent.name, path.stem))
            typer.echo(recovery.sentence if recovery else f"{ledger_title(path)}: sound")


@ledger_app.command("compact")
def compact(system: SystemArgument = None, task: TaskArgument = None, catalog: CatalogOption = None) -> None:
    """Gives back the space of what was deleted; refuses while a ledger is being written."""
    with sentences():
        from bias_platform.commands.ledger_view import compaction_view
        from bias_platform.inference.ledger import Ledger
        from bias_platform.inference.ledger_summary import ledger_size

        for path in _ledgers(_lake(load_catalog(catalog)), system, task):
            before = ledger_size(path)
            with Ledger.open(path, wait=False) as ledger:
                ledger.compact()
            typer.echo(compaction_view(path, before, ledger_size(path)))


@ledger_app.command("export")
def export(
    to: Annotated[Path, typer.Option("--to", "-o", help=".parquet or .csv; an existing file is replaced")],
    system: Annotated[str | None, typer.Argument(help="default: the only one with a ledger")] = None,
    task: Annotated[str | None, typer.Argument(help="default: the only one of the system")] = None,
    texts: Annotated[bool, typer.Option("--texts", help="with what the models wrote; hidden otherwise")] = False,
    catalog: CatalogOption = None,
) -> None:
    """Writes all outcomes of one ledger to a table."""
    with sentences():
        from bias_platform.inference.ledger_export import export_ledger

        chosen = load_catalog(catalog)
        path = _one(_ledgers(_lake(chosen), system, task))
        entry = chosen.tasks.get(path.stem)
        closed = entry is not None and entry.answer in ("option", "option-list")
        rows = export_ledger(path, to, texts=texts, answers=texts or closed)
        hidden = "" if texts else "; texts are left out (--texts)"
        typer.echo(f"{counted(rows, 'row')} written to {to}{hidden}")


@ledger_app.command("import")
def import_outcomes(
    file: Annotated[Path, typer.Argument(help="wide CSV: a row a post, two columns a persona and wording")],
    study: Annotated[str, typer.Option(help="whose questions were answered")],
    system: Annotated[str, typer.Option(help="that answered them: base[+adapter][@scheme]")],
    text_column: Annotated[str | None, typer.Option(help="column of the posts; default: as the corpus has it")] = None,
    catalog: CatalogOption = None,
) -> None:
    """Brings in answers that were recorded elsewhere, so that they are not asked again.

    That the system wrote them, to the study's questions and with its settings, is for you to know.
    """
    with sentences():
        from bias_platform.commands.ledger_import import import_file

        typer.echo(import_file(load_catalog(catalog), file, study=study, system=system, post_column=text_column))


def _lake(catalog: Catalog) -> Lake:
    return Lake(lake_root(), catalog.name)


def _ledgers(lake: Lake, system: str | None, task: str | None) -> list[Path]:
    """The ledgers that are meant.

    Raises:
        UserError: there is none; names those that are there.
    """
    # one whose recovery was cut off has its note only
    noted = {path.with_suffix("") for path in lake.home.glob("ledger/*/*.sqlite.suspect")}
    every = sorted({*lake.home.glob("ledger/*/*.sqlite"), *noted})
    chosen = [path for path in every if system in (None, path.parent.name) and task in (None, path.stem)]
    if not chosen:
        there = ", ".join(f"{path.parent.name} {path.stem}" for path in every)
        asked = f" of {' '.join(filter(None, (system, task)))}" if system or task else ""
        raise UserError(
            f"there is no ledger{asked} under {lake.home / 'ledger'}; "
            + (f"there are: {there}" if there else "it is made when a study is asked for the first time")
        )
    return chosen


def _one(ledgers: list[Path]) -> Path:
    if len(ledgers) > 1:
        there = ", ".join(f"{path.parent.name} {path.stem}" for path in ledgers)
        raise UserError(
            f"there are {len(ledgers)} ledgers: {there}; name the system, and the task where it has several"
        )
    return ledgers[0]
