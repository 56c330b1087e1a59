"""The fingerprint of what a catalog says of a model: change any entry that goes into it, and it changes.

A fingerprint covers declarations only, not data: what was made from which content stands in manifests.
"""

from typing import Any

from bias_platform.catalog.entries import AdapterEntry, Catalog, PersonaSetEntry, ReferenceRecipe, TrainingData
from bias_platform.catalog.systems import SystemParts, all_systems, parse_system
from bias_platform.storage.hashing import value_hash

_SAID_OF_A_CORPUS = {"licence", "source", "sensitivity", "text_may_leave_machine"}
"""What is declared of a corpus and changes nothing in what is learnt from it."""


def recipe_fingerprint(catalog: Catalog, slug: str) -> str:
    """32 hex digits over every catalog entry that makes up `slug` (a base, `base+adapter`, or any system).

    Renaming nothing and editing anything that can change the weights, or how they are loaded, changes it.
    """
    return value_hash(recipe(catalog, slug))


def recipe(catalog: Catalog, slug: str) -> dict[str, Any]:
    """The entries behind a slug, by part: `base`, `adapter`, `quantization` and what they learn from."""
    parts = parse_system(slug)
    description: dict[str, Any] = {"base": _base(catalog, parts)}
    if parts.adapter:
        description["adapter"] = _adapter(catalog, catalog.adapters[parts.adapter])
    if parts.scheme:
        description["quantization"] = catalog.quantizations[parts.scheme]
    return description


def learner_fingerprint(catalog: Catalog, learner: str) -> str:
    """Fingerprint of what an adapter or a reference base is shown in training."""
    return value_hash(_lessons(catalog, learner_data(catalog, learner)))


def learner_data(catalog: Catalog, learner: str) -> TrainingData | ReferenceRecipe:
    """What an adapter or a reference base learns from; `learner` is an adapter's or a base model's slug."""
    if learner in catalog.adapters:
        return catalog.adapters[learner].training
    reference = catalog.models[learner].recipe
    if reference is None:
        raise ValueError(f"'{learner}' is no reference model: it learns nothing here")
    return reference


def learners(catalog: Catalog) -> tuple[str, ...]:
    """Slugs of all adapters and reference bases that the catalog's systems use."""
    used: dict[str, None] = {}
    for slug in model_slugs(catalog):
        parts = parse_system(slug)
        if catalog.models[parts.base].recipe is not None:
            used[parts.base] = None
        if parts.adapter:
            used[parts.adapter] = None
    return tuple(used)


def model_slugs(catalog: Catalog) -> tuple[str, ...]:
    """Every slug that stands for weights: bases, adapted bases, quantized ones; each once, parts before wholes."""
    systems = [parse_system(slug) for slug in all_systems(catalog)]
    bases = [parts.base for parts in systems]
    adapted = [parts.adapted_slug for parts in systems if parts.adapted_slug]
    quantized = [parts.slug for parts in systems if parts.scheme]
    return tuple(dict.fromkeys([*bases, *adapted, *quantized]))


def _base(catalog: Catalog, parts: SystemParts) -> dict[str, Any]:
    entry = catalog.models[parts.base]
    lessons = _lessons(catalog, entry.recipe) if entry.recipe else None
    # neither what a model costs nor its licence changes what it answers
    declared = entry.model_dump(mode="json", exclude={"price", "licence"})
    return {"entry": declared, "lessons": lessons}


def _adapter(catalog: Catalog, entry: AdapterEntry) -> dict[str, Any]:
    return {"entry": entry, "lessons": _lessons(catalog, entry.training)}


def _lessons(catalog: Catalog, data: TrainingData | ReferenceRecipe) -> dict[str, Any]:
    return {
        "data": data,
        "corpus": catalog.corpora[data.corpus].model_dump(mode="json", exclude=_SAID_OF_A_CORPUS),
        "task": catalog.tasks[data.task],
        "personas": _without_labels(catalog.persona_sets[data.persona_set]),
        "templates": catalog.template_sets[data.template_set],
    }


def _without_labels(personas: PersonaSetEntry) -> dict[str, Any]:
    """Who is shown to a learner; what plots call them is none of its business."""
    named = {
        dimension: [persona.model_dump(mode="json", exclude={"label"}) for persona in members]
        for dimension, members in personas.dimensions.items()
    }
    return {"dimensions": named, "control": personas.control.model_dump(mode="json", exclude={"label"})}
