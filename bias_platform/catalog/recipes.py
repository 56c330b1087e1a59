"""The fingerprint of what a catalog says of a model: change any entry that goes into it, and it changes.

A fingerprint covers declarations only, not data: what was made from which content stands in manifests.
"""

from typing import Any

from bias_platform.catalog.declared import declared
from bias_platform.catalog.entries import AdapterEntry, Catalog, PersonaSetEntry, ReferenceRecipe, TrainingData
from bias_platform.catalog.served_systems import served_adapter
from bias_platform.catalog.systems import SystemParts, all_systems, parse_system
from bias_platform.storage.hashing import value_hash

_SAID_OF_A_CORPUS = frozenset(
    {"licence", "source", "sensitivity", "text_may_leave_machine", "download", "access", "label_policies"}
)
"""What is declared of a corpus and changes nothing in what is learnt from it: of the label policies, the one used is
declared with the lessons."""
_LABEL = frozenset({"label"})


def recipe_fingerprint(catalog: Catalog, slug: str) -> str:
    """32 hex digits over every catalog entry that makes up `slug` (a base, `base+adapter`, or any system).

    Renaming nothing and editing anything that can change the weights, or how they are loaded, changes it.
    """
    return value_hash(recipe(catalog, slug))


def recipe(catalog: Catalog, slug: str) -> dict[str, Any]:
    """The entries behind a slug, by part: `base`, `adapter`, `quantization` and what they learn from."""
    parts = parse_system(slug)
    served = served_adapter(catalog, slug)
    if served is not None:
        return {"served": served._asdict()}
    description: dict[str, Any] = {"base": _base(catalog, parts)}
    if parts.adapter:
        description["adapter"] = _adapter(catalog, catalog.adapters[parts.adapter])
    if parts.scheme:
        description["quantization"] = declared(catalog.quantizations[parts.scheme])
    return description


def learner_fingerprint(catalog: Catalog, learner: str) -> str:
    """Fingerprint of what an adapter or a reference base is shown in training."""
    return value_hash(_lessons(catalog, learner_data(catalog, learner)))


def learner_data(catalog: Catalog, learner: str) -> TrainingData | ReferenceRecipe:
    """What an adapter or a reference base learns from; `learner` is an adapter's or a base model's slug."""
    adapter = catalog.adapters.get(learner)
    data = adapter.training if adapter else catalog.models[learner].recipe
    if data is None:
        raise ValueError(f"'{learner}' learns nothing here: it is no reference model, or an adapter without `training`")
    return data


def learners(catalog: Catalog) -> tuple[str, ...]:
    """Slugs of all reference bases, and of all adapters with declared training data, that the catalog's systems use.

    An adapter trained elsewhere may be among them: its examples are then published for whoever trains it.
    """
    used: dict[str, None] = {}
    for slug in model_slugs(catalog):
        base = parse_system(slug).base
        if catalog.models[base].recipe is not None:
            used[base] = None
    for slug in all_systems(catalog):
        adapter = parse_system(slug).adapter
        if adapter and catalog.adapters[adapter].training is not None:
            used[adapter] = None
    return tuple(used)


def learns_here(catalog: Catalog, learner: str) -> bool:
    """Whether the weights of an adapter or a base come about here, from the examples of the lake."""
    adapter = catalog.adapters.get(learner)
    return adapter.trained_elsewhere is None if adapter else catalog.models[learner].recipe is not None


def model_slugs(catalog: Catalog) -> tuple[str, ...]:
    """Every slug that stands for weights: bases, adapted bases, quantized ones; each once, parts before wholes.

    A tuned model that is served elsewhere has none, and its base is needed here only if another system uses it.
    """
    systems = [parse_system(slug) for slug in all_systems(catalog) if served_adapter(catalog, slug) is None]
    bases = [parts.base for parts in systems]
    adapted = [parts.adapted_slug for parts in systems if parts.adapted_slug]
    quantized = [parts.slug for parts in systems if parts.scheme]
    return tuple(dict.fromkeys([*bases, *adapted, *quantized]))


def _base(catalog: Catalog, parts: SystemParts) -> dict[str, Any]:
    entry = catalog.models[parts.base]
    lessons = _lessons(catalog, entry.recipe) if entry.recipe else None
    # neither what a model costs nor its licence changes what it answers
    return {"entry": declared(entry, without=frozenset({"price", "licence"})), "lessons": lessons}


def _adapter(catalog: Catalog, entry: AdapterEntry) -> dict[str, Any]:
    if entry.trained_elsewhere is not None:
        return {"trained_elsewhere": declared(entry.trained_elsewhere)}
    assert entry.training is not None
    return {"entry": declared(entry), "lessons": _lessons(catalog, entry.training)}


def _lessons(catalog: Catalog, data: TrainingData | ReferenceRecipe) -> dict[str, Any]:
    corpus = catalog.corpora[data.corpus]
    lessons = {
        "data": declared(data),
        "corpus": declared(corpus, without=_SAID_OF_A_CORPUS),
        "task": declared(catalog.tasks[data.task]),
        "personas": _personas(catalog.persona_sets[data.persona_set], data),
        "templates": declared(catalog.template_sets[data.template_set]),
    }
    if isinstance(data, TrainingData) and data.labels is not None:
        lessons["labels"] = declared(corpus.label_policies[data.labels])
    return lessons


def _personas(personas: PersonaSetEntry, data: TrainingData | ReferenceRecipe) -> dict[str, Any]:
    """Who is shown to a learner; what plots call them is none of its business."""
    only = data.persona if isinstance(data, TrainingData) else None
    if isinstance(data, TrainingData) and data.personas == "none":
        return {}
    if only is not None:
        shown = (persona for members in personas.dimensions.values() for persona in members if persona.id == only)
        return {"only": [declared(persona, without=_LABEL) for persona in shown]}
    named = {
        dimension: [declared(persona, without=_LABEL) for persona in members]
        for dimension, members in personas.dimensions.items()
    }
    return {"dimensions": named, "control": declared(personas.control, without=_LABEL)}
