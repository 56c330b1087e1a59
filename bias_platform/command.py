"""The `bias-platform` command: what the Dagster UI does not do."""

import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bias_platform.catalog import Catalog, load_catalog
from bias_platform.catalog.description import describe_catalog
from bias_platform.catalog.field_reference import field_reference
from bias_platform.catalog.report_kinds import REGRESSION, report_kinds
from bias_platform.commands.chosen_study import chosen_study
from bias_platform.commands.fetch import fetch
from bias_platform.commands.launches import show_launches
from bias_platform.commands.ledger import ledger_app
from bias_platform.commands.materialize import demo, instance_here, materialize, report
from bias_platform.commands.price import price
from bias_platform.commands.sentences import CatalogOption, sentences
from bias_platform.commands.study_import import import_study
from bias_platform.commands.trace import trace
from bias_platform.errors import UserError, bullet_list, counted
from bias_platform.storage.names import REPORT_PAGE, SUMMARY
from bias_platform.storage.paths import Lake, lake_root

if TYPE_CHECKING:
    from bias_platform.orchestration.house import House

app = typer.Typer(help="Measures social bias in language models.", no_args_is_help=True, pretty_exceptions_enable=False)
catalog_app = typer.Typer(help="Look at what can be studied.", no_args_is_help=True)
app.add_typer(catalog_app, name="catalog")
catalog_app.command("import-study")(import_study)
app.add_typer(ledger_app, name="ledger")
app.command()(price)
app.command()(fetch)
app.command("launches")(show_launches)
app.command()(demo)
app.command()(materialize)
app.command()(report)
app.command()(trace)


@catalog_app.command("check")
def check_catalog(
    catalog: CatalogOption = None,
    data: Annotated[bool, typer.Option(help="read the corpora, too, where their files are there")] = True,
) -> None:
    """Checks a catalog and the files of its corpora, and names all mistakes at once."""
    with sentences():
        checked = load_catalog(catalog)
        typer.echo(f"catalog '{checked.name}' is right: {_counts(checked)}")
        for line in _checked_data(checked) if data else ():
            typer.echo(line)


@catalog_app.command("describe")
def describe(catalog: CatalogOption = None) -> None:
    """Prints what a catalog holds."""
    with sentences():
        typer.echo(describe_catalog(load_catalog(catalog)))


@catalog_app.command("fields")
def fields() -> None:
    """Prints every field a catalog file may have, with its meaning."""
    typer.echo(field_reference())


@app.command()
def power(
    study: Annotated[str | None, typer.Argument(help="the study; default: the only one of the catalog")] = None,
    catalog: CatalogOption = None,
    items: Annotated[list[int] | None, typer.Option(min=2, help="numbers of items; may be repeated")] = None,
    replicates: Annotated[int | None, typer.Option(min=20, max=100_000, help="simulated studies")] = None,
    base_rate: Annotated[float | None, typer.Option(min=0.01, max=0.99, help="share of Yes of the control")] = None,
    force: Annotated[bool, typer.Option(help="make again what is current")] = False,
    show: Annotated[bool, typer.Option("--open", help="open the page in the browser")] = False,
) -> None:
    """Tells which differences a study could find, and what it asks, before any model is asked.

    As the study declares it (its field `power`), the result is published and kept. With --items, --replicates or
    --base-rate instead, it is only printed.
    """
    with sentences():
        chosen = load_catalog(catalog)
        slug = chosen_study(chosen, study)
        if REGRESSION not in report_kinds(chosen, slug):
            kind = chosen.tasks[chosen.studies[slug].task].answer
            raise UserError(f"power is told of answers of kind 'option', and study '{slug}' asks for a '{kind}'")
        tried = {"items": items or None, "replicates": replicates, "base_rate": base_rate}
        instead = {name: value for name, value in tried.items() if value is not None}
        if instead:
            from bias_platform.orchestration.tried_power import tried_power

            lake = Lake(lake_root(), chosen.name)
            typer.echo(f"\n{tried_power(chosen, lake, slug, instead, typer.echo)}")
            typer.echo("Only printed: the study declares other settings.")
            return
        folder = _published_power(chosen, slug, force=force)
        typer.echo(f"\n{(folder / SUMMARY).read_text('utf-8')}\nPage:     {folder / REPORT_PAGE}")
        typer.echo("Try out:  --items, --replicates, --base-rate; to keep it, write it into the study's `power`")
        if show:
            webbrowser.open((folder / REPORT_PAGE).as_uri())


def _published_power(catalog: Catalog, study: str, *, force: bool) -> Path:
    """The folder of a study's power, made through Dagster where it is not current."""
    from bias_platform.orchestration.build import build_definitions
    from bias_platform.orchestration.execution import execute_plan, sweep_lost_runs
    from bias_platform.orchestration.plan import power_plan
    from bias_platform.storage import verify_artifact

    house, instance = _house(catalog), instance_here()
    sweep_lost_runs(instance)
    definitions = build_definitions(catalog, house.lake)
    execute_plan(definitions, house, power_plan(house, study), instance, typer.echo, force=force)
    folder = house.lake.report(study, "power")
    verify_artifact(folder, f"reports/{study}_power")
    return folder


@app.command()
def forget(
    item_id: Annotated[
        list[str] | None, typer.Option(help="item_id or source_id of a withdrawn post (items.parquet); may be repeated")
    ] = None,
    text_file: Annotated[
        Path | None, typer.Option(help="UTF-8 file holding the withdrawn post as the source has it")
    ] = None,
    catalog: CatalogOption = None,
) -> None:
    """Deletes withdrawn posts everywhere: lake, ledgers, reports; and keeps them out of later readings."""
    with sentences():
        from bias_platform.orchestration.withdrawal import find_items, forget_items, resolve_ids

        chosen = load_catalog(catalog)
        lake = Lake(lake_root(), chosen.name)
        ids = [*resolve_ids(lake, item_id or []), *(find_items(lake, _text(text_file)) if text_file else [])]
        for line in forget_items(lake, ids):
            typer.echo(line)


@app.command()
def prepare() -> None:
    """Makes the Dagster instance ready: pool limits set, runs whose process is gone marked as failed."""
    with sentences():
        instance = instance_here()
        from bias_platform.orchestration.execution import sweep_lost_runs

        for run_id in sweep_lost_runs(instance):
            typer.echo(f"run {run_id} had lost its process: marked as failed")


def _house(catalog: Catalog) -> "House":
    from bias_platform.orchestration.house import House

    return House.over(catalog, Lake(lake_root(), catalog.name))


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--text-file {file} cannot be read as UTF-8 text: {error}") from error


def _counts(catalog: Catalog) -> str:
    plurals = {"corpus": "corpora", "study": "studies"}
    nouns = ("corpus", "persona set", "template set", "task", "model", "adapter", "quantization", "study")
    sections = {noun: plurals.get(noun, f"{noun}s") for noun in nouns}
    return ", ".join(
        counted(len(getattr(catalog, plural.replace(" ", "_"))), noun, plural) for noun, plural in sections.items()
    )


def _checked_data(catalog: Catalog) -> Iterator[str]:
    """What each corpus holds, or that its file is not there yet.

    Raises:
        UserError: files that cannot be read as declared; all of them at once.
    """
    from bias_platform.catalog.paths import resolve_corpus
    from bias_platform.corpora import read_corpus

    wrong = []
    for slug, entry in catalog.corpora.items():
        try:
            resolved = resolve_corpus(catalog, slug)
        except UserError as error:
            yield f"not read: {error}"
            continue
        if resolved.path and not Path(resolved.path).exists():
            hint = f"; run `bias-platform fetch {slug}`" if entry.download else ""
            yield f"not read: corpus '{slug}' has no file at {resolved.path}{hint}"
            continue
        try:
            posts = len(read_corpus(slug, resolved).items)
        except UserError as error:
            wrong.append(str(error))
        else:
            yield f"corpus '{slug}': {counted(posts, 'post')}"
    if wrong:
        raise UserError(f"the catalog is right, its data are not:\n{bullet_list(wrong)}")


if __name__ == "__main__":
    app()
