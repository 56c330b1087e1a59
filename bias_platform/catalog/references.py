"""What one entry says of another: that the other is declared and fits."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from bias_platform.catalog.agreement_rules import agreement_problems
from bias_platform.catalog.entries import (
    AdapterEntry,
    Catalog,
    PersonaSetEntry,
    StudyEntry,
    TaskEntry,
    TrainedElsewhere,
)
from bias_platform.catalog.picture_rules import picture_problems
from bias_platform.catalog.problems import Field, Problem, allowed, unknown
from bias_platform.catalog.served_systems import endpoint_of
from bias_platform.catalog.slugs import SystemSlug
from bias_platform.catalog.systems import SystemParts, parse_system, study_personas, study_systems
from bias_platform.catalog.training_references import (
    dimension_problems,
    lessons_problems,
    options_problems,
    training_problems,
)
from bias_platform.errors import counted

MOST_PARTITIONS = 25_000
"""Keys of one study's grid of systems x personas that the orchestration can show and schedule."""

Written = Mapping[str, Mapping[str, Any]]
"""Section -> slug -> entry as YAML gave it, broken entries included: their names count as declared, and what they
name is checked too."""

_SECTION_OF = {
    "corpus": "corpora",
    "task": "tasks",
    "persona_set": "persona_sets",
    "template_set": "template_sets",
}
_PARTS = {"models": "recipe", "adapters": "training", "studies": None}
_SYSTEM: TypeAdapter[str] = TypeAdapter(SystemSlug)


def reference_problems(catalog: Catalog, written: Written) -> Iterator[Problem]:
    """Every reference that leads nowhere, or to something that does not fit.

    Args:
        catalog: the entries that have the right shape.
        written: all entries as written.
    """
    yield from _names(written)
    for index, system in enumerate(catalog.systems):
        yield from _system(catalog, system, ("systems", index), written)
    for slug, model in catalog.models.items():
        if model.recipe is not None:
            yield from lessons_problems(catalog, model.recipe, ("models", slug, "recipe"))
    for slug, adapter in catalog.adapters.items():
        if adapter.training is not None:
            yield from training_problems(catalog, adapter.training, ("adapters", slug, "training"))
        yield from _tuned_bases(adapter, ("adapters", slug, "trained_elsewhere", "api_names"), written)
        if slug in written["models"]:
            yield Problem(
                ("adapters", slug), "is the slug of a model too, and their examples would collide; rename one"
            )
    for slug, study in catalog.studies.items():
        yield from _study(catalog, study, ("studies", slug))
    yield from picture_problems(catalog)
    for slug, entry in written["studies"].items():
        for index, system in enumerate(_written_systems(entry)):
            yield from _system(catalog, system, ("studies", slug, "systems", index), written)
        for index, system in enumerate(_written_group_systems(entry)):
            yield from _system(catalog, system, ("studies", slug, "group_systems", index, "system"), written)


def _names(written: Written) -> Iterator[Problem]:
    for section, part in _PARTS.items():
        for slug, entry in written[section].items():
            place: Field = (section, slug) if part is None else (section, slug, part)
            inner = entry if part is None else entry.get(part) if isinstance(entry, dict) else None
            for name, target in _SECTION_OF.items():
                value = inner.get(name) if isinstance(inner, dict) else None
                if isinstance(value, str) and value not in written[target]:
                    yield unknown((*place, name), value, name.replace("_", " "), written[target])


def _written_systems(entry: Any) -> list[Any]:
    systems = entry.get("systems") if isinstance(entry, dict) else None
    return systems if isinstance(systems, list) else []


def _written_group_systems(entry: Any) -> list[Any]:
    groups = entry.get("group_systems") if isinstance(entry, dict) else None
    return [group.get("system") for group in groups if isinstance(group, dict)] if isinstance(groups, list) else []


def _families(study: StudyEntry, persona_set: PersonaSetEntry, place: Field) -> Iterator[Problem]:
    """Families of tests name dimensions and personas that the study asks for."""
    asked = [name for name in persona_set.dimensions if name in study.dimensions or not study.dimensions]
    for slug, family in study.analysis.families.items():
        where = (*place, "analysis", "families", slug)
        for index, dimension in enumerate(family.dimensions):
            if dimension not in asked:
                yield unknown((*where, "dimensions", index), dimension, "dimension of the study", asked)
        if not set(family.dimensions) <= set(asked):
            continue
        within = [name for name in asked if name in family.dimensions or not family.dimensions]
        known = [persona.id for name in within for persona in persona_set.dimensions[name]]
        for index, persona in enumerate(family.personas):
            if persona not in known:
                yield unknown((*where, "personas", index), persona, "persona of these dimensions", known)


def _system(catalog: Catalog, system: Any, place: Field, written: Written) -> Iterator[Problem]:
    try:
        parts = parse_system(_SYSTEM.validate_python(system))
    except ValidationError:
        return  # said already, as a problem of its type
    named = (
        (parts.base, "models", "model"),
        (parts.adapter, "adapters", "adapter"),
        (parts.scheme, "quantizations", "quantization"),
    )
    for value, section, what in named:
        if value is not None and value not in written[section]:
            yield Problem(place, f"'{system}': there is no {what} '{value}'; {allowed(written[section], value)}")
    yield from _weights(catalog, system, parts, place)


def _weights(catalog: Catalog, system: str, parts: SystemParts, place: Field) -> Iterator[Problem]:
    """What is adapted or quantized has weights here; a tuned model served elsewhere is named for the base."""
    adapter = catalog.adapters.get(parts.adapter) if parts.adapter else None
    elsewhere = adapter.trained_elsewhere if adapter else None
    base = catalog.models.get(parts.base)
    if elsewhere is not None and elsewhere.endpoint is not None:
        if parts.base not in elsewhere.api_names:
            message = f"'{system}': adapter '{parts.adapter}' is served for other bases; add '{parts.base}' to its"
            yield Problem(place, f"{message} `trained_elsewhere.api_names`, or name one of {_listed(elsewhere)}")
        if parts.scheme:
            message = (
                f"'{system}': adapter '{parts.adapter}' is served at an endpoint, with no weights here to quantize"
            )
            yield Problem(place, f"{message}; leave out '@{parts.scheme}'")
    elif base is not None and base.kind == "api" and (parts.adapter or parts.scheme):
        message = f"'{system}': '{parts.base}' is an API model, which has no weights here to adapt or quantize"
        yield Problem(place, f"{message}; declare what is served as a model of its own, or give it kind 'hub'")


def _listed(elsewhere: TrainedElsewhere) -> str:
    return ", ".join(elsewhere.api_names) or "none"


def _tuned_bases(adapter: AdapterEntry, place: Field, written: Written) -> Iterator[Problem]:
    for base in adapter.trained_elsewhere.api_names if adapter.trained_elsewhere else ():
        if base not in written["models"]:
            yield unknown((*place, base), base, "model", written["models"])


def _study(catalog: Catalog, study: StudyEntry, place: Field) -> Iterator[Problem]:
    yield from options_problems(catalog, study, place)
    task = catalog.tasks.get(study.task)
    if task is not None:
        yield from _orders(study, task, place)
    yield from _engine_fits(catalog, study, place)
    persona_set = catalog.persona_sets.get(study.persona_set)
    if persona_set is None:
        return
    yield from dimension_problems(study.dimensions, persona_set, place)
    yield from _families(study, persona_set, place)
    yield from _groups(study, persona_set, place)
    if study.noise_floor is not None and set(study.dimensions) <= set(persona_set.dimensions):
        yield from _asked_again(study_personas(catalog, study), study.noise_floor.personas, place)
    if set(study.dimensions) <= set(persona_set.dimensions):
        yield from _grid(catalog, study, place)
        yield from agreement_problems(catalog, study, place)


def _placed_systems(study: StudyEntry, place: Field) -> Iterator[tuple[Field, str]]:
    """Every system that a study names, with where."""
    for index, system in enumerate(study.systems):
        yield (*place, "systems", index), system
    for index, group in enumerate(study.group_systems):
        yield (*place, "group_systems", index, "system"), group.system


def _engine_fits(catalog: Catalog, study: StudyEntry, place: Field) -> Iterator[Problem]:
    """Endpoints serve api models, and only they do; options can be scored only where there are some."""
    for where, system in _placed_systems(study, place):
        base = catalog.models.get(parse_system(system).base)
        served = endpoint_of(catalog, system) is not None
        if base is None or served == (study.engine.name == "openai"):
            continue
        if base.kind == "api":
            yield Problem(where, f"'{system}' is an API model, which only engine.name: openai can ask")
        elif served:
            yield Problem(where, f"'{system}' is served at an endpoint, which only engine.name: openai can ask")
        else:
            yield Problem(where, f"'{system}' has its weights here; engine.name: openai asks models of kind api only")
    task = catalog.tasks.get(study.task)
    if task is not None and task.answer != "option" and study.engine.ask == "score":
        message = f"the answers of task '{study.task}' ({task.answer}) can only be written"
        yield Problem((*place, "engine", "ask"), f"{message}; set it to generate")
    yield from _budget_fits(catalog, study, (*place, "budget", "money"))


def _budget_fits(catalog: Catalog, study: StudyEntry, where: Field) -> Iterator[Problem]:
    if study.budget.money is None:
        return
    paid = [system for system in study_systems(study) if endpoint_of(catalog, system)]
    bases = {system: catalog.models.get(parse_system(system).base) for system in paid}
    unpriced = [system for system, base in bases.items() if base and base.price is None]
    currencies = {base.price.currency for base in bases.values() if base and base.price}
    if unpriced:
        yield Problem(where, f"needs a `price` in the entry of {', '.join(unpriced)}")
    if len(currencies) > 1:
        yield Problem(where, f"models are priced in {', '.join(sorted(currencies))}; use one")


def _orders(study: StudyEntry, task: TaskEntry, place: Field) -> Iterator[Problem]:
    most = math.factorial(len(task.options))
    if study.option_orders > most:
        message = f"{study.option_orders} is too many: {len(task.options)} options have {most} orders"
        yield Problem((*place, "option_orders"), message)


def _groups(study: StudyEntry, persona_set: PersonaSetEntry, place: Field) -> Iterator[Problem]:
    groups = study.analysis.groups
    named = [
        attribute
        for personas in persona_set.dimensions.values()
        for persona in personas
        for attribute in persona.attributes
    ]
    if groups is not None and groups not in named:
        yield unknown((*place, "analysis", "groups"), groups, "attribute of the personas", named)


def _asked_again(asked: tuple[str, ...], again: tuple[str, ...], place: Field) -> Iterator[Problem]:
    """Only what is asked can be asked again."""
    for index, persona in enumerate(again):
        if persona not in asked:
            yield unknown((*place, "noise_floor", "personas", index), persona, "persona in this study", asked)


def _grid(catalog: Catalog, study: StudyEntry, place: Field) -> Iterator[Problem]:
    personas = len(study_personas(catalog, study))
    keys = len(study.systems) * personas + len(study.group_systems)
    if keys > MOST_PARTITIONS:
        grid = f"{counted(len(study.systems), 'system')} x {personas} personas are {keys} partitions"
        message = f"{grid}; at most {MOST_PARTITIONS}"
        yield Problem((*place, "systems"), f"{message} can be kept; split the study by `dimensions` or by systems")
