"""What must hold within a study's noise floor beyond the types of its fields."""

from collections.abc import Iterator

from bias_platform.catalog.entries import StudyEntry
from bias_platform.catalog.noise_settings import NoiseFloor, RepeatSettings
from bias_platform.catalog.problems import Field, Problem, allowed
from bias_platform.errors import counted

_ENGINE_FIELDS = {"batch_tokens": "batch_tokens", "concurrency": "concurrency", "dtype": "dtype", "engine": "name"}
"""Field of a repeat -> field of `EngineSettings` that it replaces."""


def noise_problems(study: StudyEntry, floor: NoiseFloor, place: Field) -> Iterator[Problem]:
    """Every broken rule of a study's noise floor; `place` is its `noise_floor`."""
    if floor.items is not None and study.items.n is not None and floor.items > study.items.n:
        message = f"{floor.items} is too many: the study asks about {counted(study.items.n, 'item')}"
        yield Problem((*place, "items"), f"{message}; lower it, or leave it out for all")
    for index, persona in enumerate(floor.personas):
        if persona in floor.personas[:index]:
            yield Problem((*place, "personas", index), f"'{persona}' is named twice; keep one")
    if not floor.repeats:
        yield Problem((*place, "repeats"), "must name at least one, e.g. {name: again}")
    names = [repeat.name for repeat in floor.repeats]
    for index, repeat in enumerate(floor.repeats):
        where = (*place, "repeats", index)
        if repeat.name in names[:index]:
            yield Problem((*where, "name"), f"'{repeat.name}' is the name of another repeat; give it a name of its own")
        yield from _changes_something(study, repeat, where)
        yield from _fits_engine(study, repeat, where)
        yield from _systems(study, repeat, where)


def _changes_something(study: StudyEntry, repeat: RepeatSettings, where: Field) -> Iterator[Problem]:
    """What is named must differ from the study's own, else a reader would be told of a change that was none."""
    for field, replaced in _ENGINE_FIELDS.items():
        value = getattr(repeat, field)
        if value is not None and value == getattr(study.engine, replaced):
            yield Problem((*where, field), f"{value} is what the study uses already; name another, or leave it out")


def _fits_engine(study: StudyEntry, repeat: RepeatSettings, where: Field) -> Iterator[Problem]:
    """Endpoints batch requests on their own and compute as they like; engines that load weights have no requests."""
    again = repeat.applied_to(study.engine)
    served = again.name == "openai"
    if served != (study.engine.name == "openai"):
        message = "an endpoint asks api models, which have no weights here, and no other engine asks them"
        yield Problem((*where, "engine"), f"{message}; leave it out")
        return
    for field, fits, instead in (
        ("batch_tokens", not served, "an endpoint makes its own batches; use concurrency"),
        ("dtype", not served, "an endpoint computes in the number format of its model's entry; leave it out"),
        ("concurrency", served, f"{again.name} is sent no requests; use batch_tokens"),
    ):
        if getattr(repeat, field) is not None and not fits:
            yield Problem((*where, field), instead)
    if again.structured and again.name == "transformers":
        message = "the study's answers are `structured`, which transformers cannot write"
        yield Problem((*where, "engine"), f"{message}; use vllm")


def _systems(study: StudyEntry, repeat: RepeatSettings, where: Field) -> Iterator[Problem]:
    for index, system in enumerate(repeat.systems):
        if system not in study.systems:
            message = f"'{system}' is not among the study's systems; {allowed(study.systems, system)}"
            yield Problem((*where, "systems", index), message)
        if system in repeat.systems[:index]:
            yield Problem((*where, "systems", index), f"'{system}' is named twice; keep one")
