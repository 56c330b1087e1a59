"""`bias-platform demo`, `materialize` and `report`: a study from what is missing to its reports."""

import os
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bias_platform.catalog import Catalog, load_catalog
from bias_platform.catalog.launches import Launch, launches
from bias_platform.catalog.report_kinds import report_kinds
from bias_platform.commands.chosen_study import chosen_study
from bias_platform.commands.sentences import CatalogOption, sentences
from bias_platform.errors import UserError
from bias_platform.storage.names import REPORT_PAGE
from bias_platform.storage.paths import Lake, lake_root

if TYPE_CHECKING:
    import dagster as dg

    from bias_platform.orchestration.house import House
    from bias_platform.orchestration.plan import Step

DEMO, PERSONA_DEMO = "demo", "demo-persona"


def demo(
    persona: Annotated[
        bool, typer.Option("--persona", help="the persona study instead: posts, tweets and memes, with people beside")
    ] = False,
) -> None:
    """Runs a demo: trains small models on the spot, asks them, writes the reports."""
    with sentences():
        name = PERSONA_DEMO if persona else DEMO
        chosen = load_catalog(name)
        pages: list[Path] = []
        for number, (study, entry) in enumerate(chosen.studies.items(), 1):
            if len(chosen.studies) > 1:
                typer.echo(f"\n== study {number} of {len(chosen.studies)}: {study} - {entry.title}")
            pages += _materialize(chosen, study, force=False)
        setting = "BIAS_PLATFORM_CATALOG=demo-persona " if persona else ""
        _tell(pages)
        typer.echo(f"UI:       {setting}make ui   (then open the address it prints)")


def materialize(
    study: Annotated[str | None, typer.Argument(help="the study; default: the only one of the catalog")] = None,
    catalog: CatalogOption = None,
    run: Annotated[str | None, typer.Option(help="only this run (see `launches`), up to its answers")] = None,
    system: Annotated[str | None, typer.Option(help="only this system, up to its answers")] = None,
    force: Annotated[bool, typer.Option(help="make again what is current; answers are never asked twice")] = False,
) -> None:
    """Materializes all that is missing for a study's reports, in this process; or the answers of some launches."""
    with sentences():
        chosen = load_catalog(catalog)
        slug = chosen_study(chosen, study)
        if run is None and system is None:
            typer.echo("")
            _tell(_materialize(chosen, slug, force=force))
            return
        for launch in chosen_launches(chosen, slug, run, system):
            _execute(chosen, lambda house, one=launch: _launch_steps(house, one), force=force)  # type: ignore[misc]


def report(
    study: Annotated[str | None, typer.Argument(help="the study; default: the only one of the catalog")] = None,
    catalog: CatalogOption = None,
    show: Annotated[bool, typer.Option("--open", help="open them in the browser")] = False,
) -> None:
    """Prints the headlines and the paths of a study's reports."""
    with sentences():
        chosen = load_catalog(catalog)
        pages = report_pages(chosen, chosen_study(chosen, study))
        _tell(pages)
        for page in pages if show else []:
            webbrowser.open(page.as_uri())


def chosen_launches(catalog: Catalog, study: str, run: str | None, system: str | None) -> list[Launch]:
    """The launches of a study in one run, of one system, or both.

    Raises:
        UserError: there is none; tells which there are.
    """
    every = launches(catalog, study)
    found = [one for one in every if run in (None, one.run) and system in (None, one.system)]
    if not found:
        runs = ", ".join(dict.fromkeys(one.run for one in every))
        systems = ", ".join(dict.fromkeys(one.system for one in every))
        raise UserError(
            f"study '{study}' launches nothing with --run {run or '(any)'} and --system {system or '(any)'}; runs: "
            f"{runs}; systems: {systems}"
        )
    return found


def report_pages(catalog: Catalog, study: str) -> list[Path]:
    """The page of each report of a study, its headline printed.

    Raises:
        ArtifactError: one is missing or damaged.
    """
    from bias_platform.storage import verify_artifact

    lake = Lake(lake_root(), catalog.name)
    pages = []
    for kind in report_kinds(catalog, study):
        folder = lake.report(study, kind)
        headline = verify_artifact(folder, f"reports/{study}_{kind}").facts.get("headline")
        if headline:
            typer.echo(f"\n{headline}\n")
        pages.append(folder / REPORT_PAGE)
    return pages


def instance_here() -> "dg.DagsterInstance":
    """The Dagster instance of `DAGSTER_HOME`, made ready."""
    from bias_platform.orchestration.execution import prepare_instance

    return prepare_instance(Path(os.environ.get("DAGSTER_HOME", "dagster_home")).absolute())


def _materialize(catalog: Catalog, study: str, *, force: bool) -> list[Path]:
    from bias_platform.orchestration.plan import study_plan

    _execute(catalog, lambda house: study_plan(house, study), force=force)
    return report_pages(catalog, study)


def _launch_steps(house: "House", launch: Launch) -> "list[Step]":
    from bias_platform.orchestration.plan import launch_plan

    return launch_plan(house, launch)


def _execute(catalog: Catalog, plan: "Callable[[House], list[Step]]", *, force: bool) -> None:
    from bias_platform.orchestration.build import build_definitions
    from bias_platform.orchestration.execution import execute_plan, sweep_lost_runs
    from bias_platform.orchestration.house import House

    instance = instance_here()
    sweep_lost_runs(instance)
    house = House.over(catalog, Lake(lake_root(), catalog.name))
    definitions = build_definitions(catalog, house.lake)
    execute_plan(definitions, house, plan(house), instance, typer.echo, force=force)


def _tell(pages: list[Path]) -> None:
    for page in pages:
        typer.echo(f"Report:   {page}")
