"""Pictures are shown only to models that can be shown them."""

from collections.abc import Iterator

from bias_platform.catalog.entries import Catalog, StudyEntry
from bias_platform.catalog.problems import Field, Problem
from bias_platform.catalog.systems import all_systems, parse_system, study_systems


def picture_problems(catalog: Catalog) -> Iterator[Problem]:
    """Every study and every learner whose task shows pictures to a model that reads text only."""
    for slug, study in catalog.studies.items():
        yield from _study(catalog, study, ("studies", slug))
    for slug, model in catalog.models.items():
        if model.recipe is not None and model.recipe.vision is None and _shows(catalog, model.recipe.task):
            message = f"'{model.recipe.task}' shows pictures, and the model has no eyes; give the recipe a `vision`"
            yield Problem(("models", slug, "recipe", "task"), message)
    yield from _adapters(catalog)


def _study(catalog: Catalog, study: StudyEntry, place: Field) -> Iterator[Problem]:
    if not _shows(catalog, study.task):
        return
    for index, system in enumerate(study_systems(study)):
        base = catalog.models.get(parse_system(system).base)
        if base is not None and base.modality == "text":
            own = index < len(study.systems)
            where: Field = ("systems", index) if own else ("group_systems", index - len(study.systems))
            message = f"'{system}' reads text only, and task '{study.task}' shows pictures"
            yield Problem((*place, *where), f"{message}; ask models of `modality: image-text`")


def _adapters(catalog: Catalog) -> Iterator[Problem]:
    """Adapters learn from pictures on whatever bases the catalog's systems put them."""
    for system in all_systems(catalog):
        parts = parse_system(system)
        adapter, base = catalog.adapters.get(parts.adapter or ""), catalog.models.get(parts.base)
        if adapter is None or adapter.training is None or base is None:
            continue
        if base.modality == "text" and _shows(catalog, adapter.training.task):
            message = f"'{adapter.training.task}' shows pictures, and system '{system}' puts the adapter on a model"
            hint = "that reads text only; use it with models of `modality: image-text`"
            yield Problem(("adapters", str(parts.adapter), "training", "task"), f"{message} {hint}")


def _shows(catalog: Catalog, task: str) -> bool:
    return task in catalog.tasks and catalog.tasks[task].shown != "text"
