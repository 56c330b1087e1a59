"""`bias-platform price`: what a study would take, before anything is asked or loaded."""

import json
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import typer

from bias_platform.catalog import Catalog, load_catalog
from bias_platform.catalog.entries import StudyEntry
from bias_platform.catalog.served_systems import endpoint_of
from bias_platform.commands.chosen_study import chosen_study
from bias_platform.commands.sentences import CatalogOption, sentences
from bias_platform.errors import UserError
from bias_platform.storage.paths import Lake, lake_root


def price(
    study: Annotated[str | None, typer.Argument(help="the study; default: the only one of the catalog")] = None,
    catalog: CatalogOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="for machines")] = False,
) -> None:
    """Tells what asking a study would take: cells, tokens, time, money. Asks nothing and loads no weights."""
    with sentences():
        from bias_platform.commands.price_view import price_record, price_view
        from bias_platform.inference.pricing import budget_warnings, price_study

        chosen = load_catalog(catalog)
        slug = chosen_study(chosen, study)
        lake = Lake(lake_root(), chosen.name)
        prices = price_study(chosen, lake, slug)
        entry = chosen.studies[slug]
        warnings = [*_made_first(chosen, lake, slug), *_declared(entry), *budget_warnings(entry.budget, prices)]
        warnings += _unreachable(chosen, entry)
        if as_json:
            typer.echo(json.dumps(price_record(slug, prices, warnings), indent=1))
        else:
            typer.echo(price_view(slug, prices, warnings))


def _declared(study: StudyEntry) -> list[str]:
    """What the table does not show of what a study declares."""
    budget = study.budget
    limits = [f"{budget.tokens:,} tokens" if budget.tokens else "", f"{budget.money:,.2f}" if budget.money else ""]
    said = " and ".join(filter(None, limits))
    lines = [f"the study's budget, of all its runs together: {said}; it is never passed"] if said else []
    if study.noise_floor is not None:
        lines.append("not counted: the repeats of the study's noise floor, which a run asks too")
    return lines


def _unreachable(catalog: Catalog, study: StudyEntry) -> list[str]:
    """Why a run would stop at once: an endpoint whose address or key the environment does not hold."""
    from bias_platform.inference.endpoints.endpoint import read_endpoint

    endpoints = [endpoint_of(catalog, system) for system in study.systems]
    lines = []
    for endpoint in dict.fromkeys(filter(None, endpoints)):
        try:
            read_endpoint(endpoint)
        except UserError as error:
            lines.append(f"a run would stop: {error}")
    return lines


def _made_first(catalog: Catalog, lake: Lake, study: str) -> list[str]:
    """What a run would make before it asks; the figures stand on what is there now."""
    from bias_platform.orchestration.house import House
    from bias_platform.orchestration.plan import study_plan

    house = House.over(catalog, lake)
    waiting = []
    for step in study_plan(house, study):
        if step.key == house.keys.predictions(study):
            break
        draws: list[Callable[[], Any]] = [partial(step.draw, name) for name in step.partitions] or [step.draw]
        missing = sum(not _is_current(draw) for draw in draws)
        if missing:
            waiting.append("/".join(step.key.path[1:]) + (f" ({missing} of {len(draws)})" if step.partitions else ""))
    if not waiting:
        return []
    return [f"a run would first make, because it is missing or out of date: {', '.join(waiting)}"]


def _is_current(draw: Callable[[], Any]) -> bool:
    try:
        return draw().current_manifest() is not None
    except UserError:  # something before it is not there, or not to be read
        return False
