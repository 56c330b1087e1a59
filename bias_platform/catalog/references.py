"""What one entry says of another: that the other is declared and fits."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from bias_platform.catalog.entries import (
    Catalog,
    CorpusEntry,
    PersonaSetEntry,
    StudyEntry,
    TaskEntry,
    TrainingData,
)
from bias_platform.catalog.problems import Field, Problem, allowed, unknown
from bias_platform.catalog.slugs import SystemSlug
from bias_platform.catalog.systems import parse_system, study_personas
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
            yield from _labels_fit(catalog, model.recipe, ("models", slug, "recipe"))
    for slug, adapter in catalog.adapters.items():
        yield from _training(catalog, adapter.training, ("adapters", slug, "training"))
        if slug in written["models"]:
            yield Problem(
                ("adapters", slug), "is the slug of a model too, and their examples would collide; rename one"
            )
    for slug, study in catalog.studies.items():
        yield from _study(catalog, study, ("studies", slug))
    for slug, entry in written["studies"].items():
        for index, system in enumerate(_written_systems(entry)):
            yield from _system(catalog, system, ("studies", slug, "systems", index), written)


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


def _training(catalog: Catalog, training: TrainingData, place: Field) -> Iterator[Problem]:
    yield from _labels_fit(catalog, training, place)
    persona_set = catalog.persona_sets.get(training.persona_set)
    if persona_set is None:
        return
    yield from _dimensions(training.dimensions, persona_set, place)
    corpus = catalog.corpora.get(training.corpus)
    if training.personas == "matching" and corpus is not None:
        yield from _attributes_match(corpus, training, persona_set, place)


def _attributes_match(
    corpus: CorpusEntry, training: TrainingData, persona_set: PersonaSetEntry, place: Field
) -> Iterator[Problem]:
    wanted = training.dimensions or tuple(persona_set.dimensions)
    named = {
        attribute
        for dimension in wanted
        for persona in persona_set.dimensions.get(dimension, ())
        for attribute in persona.attributes
    }
    if not named:
        message = f"no persona of '{training.persona_set}' has `attributes` to match annotators by; add some"
        yield Problem((*place, "personas"), f"{message}, or use composite")
    elif corpus.columns is not None and not named & set(corpus.columns.annotator_attributes):
        message = f"'{training.corpus}' says none of {', '.join(sorted(named))} of its annotators"
        yield Problem((*place, "corpus"), f"{message}; map them under `columns.annotator_attributes`")


def _labels_fit(catalog: Catalog, entry: Any, place: Field) -> Iterator[Problem]:
    """The corpus something is trained on has labels."""
    corpus = catalog.corpora.get(entry.corpus)
    if corpus is None or corpus.columns is None:
        return
    if corpus.columns.label is None and not corpus.columns.label_counts:
        message = f"'{entry.corpus}' has no human labels to learn from; map `columns.label` or `columns.label_counts`"
        yield Problem((*place, "corpus"), message)
    else:
        yield from _options_fit(catalog, entry, place)


def _options_fit(catalog: Catalog, entry: Any, place: Field) -> Iterator[Problem]:
    """What a corpus calls its labels are options of the task it is used with."""
    corpus, task = catalog.corpora.get(entry.corpus), catalog.tasks.get(entry.task)
    if corpus is None or task is None:
        return
    for where, value in _corpus_options(corpus):
        if value not in task.option_values:
            user = "/".join(map(str, place[:2]))
            message = f"'{value}' is no option of the task '{entry.task}' ({user} uses both)"
            yield Problem(("corpora", entry.corpus, *where), f"{message}; {allowed(task.option_values, value)}")


def _corpus_options(corpus: CorpusEntry) -> Iterator[tuple[Field, str]]:
    for raw, option in corpus.label_values.items():
        yield ("label_values", raw), option
    if corpus.columns is not None:
        for column, option in corpus.columns.label_counts.items():
            yield ("columns", "label_counts", column), option


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


def _dimensions(wanted: tuple[str, ...], persona_set: PersonaSetEntry, place: Field) -> Iterator[Problem]:
    for index, dimension in enumerate(wanted):
        if dimension not in persona_set.dimensions:
            yield unknown((*place, "dimensions", index), dimension, "dimension", persona_set.dimensions)


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
    base = catalog.models.get(parts.base)
    if base is not None and base.kind == "api" and (parts.adapter or parts.scheme):
        message = f"'{system}': '{parts.base}' is an API model, which has no weights here to adapt or quantize"
        yield Problem(place, f"{message}; declare what is served as a model of its own, or give it kind 'hub'")


def _study(catalog: Catalog, study: StudyEntry, place: Field) -> Iterator[Problem]:
    yield from _options_fit(catalog, study, place)
    task = catalog.tasks.get(study.task)
    if task is not None:
        yield from _orders(study, task, place)
    yield from _engine_fits(catalog, study, place)
    persona_set = catalog.persona_sets.get(study.persona_set)
    if persona_set is None:
        return
    yield from _dimensions(study.dimensions, persona_set, place)
    yield from _families(study, persona_set, place)
    yield from _groups(study, persona_set, place)
    if study.noise_floor is not None and set(study.dimensions) <= set(persona_set.dimensions):
        yield from _asked_again(study_personas(catalog, study), study.noise_floor.personas, place)
    if set(study.dimensions) <= set(persona_set.dimensions):
        yield from _grid(catalog, study, place)


def _engine_fits(catalog: Catalog, study: StudyEntry, place: Field) -> Iterator[Problem]:
    """Endpoints serve api models, and only they do; options can be scored only where there are some."""
    for index, system in enumerate(study.systems):
        base = catalog.models.get(parse_system(system).base)
        if base is None or (base.kind == "api") == (study.engine.name == "openai"):
            continue
        where = (*place, "systems", index)
        if base.kind == "api":
            yield Problem(where, f"'{system}' is an API model, which only engine.name: openai can ask")
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
    bases = {system: catalog.models.get(parse_system(system).base) for system in study.systems}
    unpriced = [system for system, base in bases.items() if base and base.kind == "api" and base.price is None]
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
    keys = len(study.systems) * personas
    if keys > MOST_PARTITIONS:
        grid = f"{counted(len(study.systems), 'system')} x {personas} personas are {keys} partitions"
        message = f"{grid}; at most {MOST_PARTITIONS}"
        yield Problem((*place, "systems"), f"{message} can be kept; split the study by `dimensions` or by systems")
