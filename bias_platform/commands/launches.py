"""`bias-platform launches`: the launch matrix of a catalog's studies."""

import json
from typing import Annotated

import typer

from bias_platform.catalog import load_catalog
from bias_platform.catalog.launches import Launch, launches
from bias_platform.commands.chosen_study import chosen_study
from bias_platform.commands.sentences import CatalogOption, sentences
from bias_platform.errors import counted


def show_launches(
    study: Annotated[str | None, typer.Argument(help="the study; default: all of the catalog")] = None,
    catalog: CatalogOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="for machines")] = False,
) -> None:
    """Prints which partitions are launched together: each system in each run of personas. Launches nothing."""
    with sentences():
        chosen = load_catalog(catalog)
        studies = [chosen_study(chosen, study)] if study else list(chosen.studies)
        found = [launch for slug in studies for launch in launches(chosen, slug)]
        if as_json:
            typer.echo(json.dumps([launch._asdict() for launch in found], indent=1))
            return
        for line in launch_lines(found):
            typer.echo(line)


def launch_lines(found: list[Launch]) -> list[str]:
    """One line a launch under each study; one is launched by `materialize STUDY --run RUN --system SYSTEM`."""
    lines = []
    for study in dict.fromkeys(launch.study for launch in found):
        own = [launch for launch in found if launch.study == study]
        partitions = sum(len(launch.personas) for launch in own)
        lines.append(f"{study}: {counted(len(own), 'launch', 'launches')}, {counted(partitions, 'partition')}")
        width = max(len(launch.system) for launch in own)
        for launch in own:
            about = f", items of {launch.labels}" if launch.labels else ""
            lines.append(f"  {launch.system:<{width}}  {launch.run}: {', '.join(launch.personas)}{about}")
    return lines
