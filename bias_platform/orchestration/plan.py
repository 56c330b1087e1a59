"""One plan of a whole study, shared by the demo, the command line and the nightly schedule.

A job over assets with different partitions does not resolve in Dagster, so the whole study is an ordered list of steps,
each one asset and some of its partitions.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_TAG

from bias_platform.catalog.launches import Launch
from bias_platform.catalog.recipes import learner_data, learners, learns_here
from bias_platform.catalog.report_kinds import AGREEMENT, REGRESSION, report_kinds
from bias_platform.catalog.served_systems import served_adapter
from bias_platform.catalog.systems import parse_system, study_cells, study_systems
from bias_platform.errors import ArtifactError
from bias_platform.orchestration.assets.models import recipe_versions
from bias_platform.orchestration.assets.predictions import current_versions
from bias_platform.orchestration.assets.repeats import current_repeats
from bias_platform.orchestration.blueprint import Blueprint
from bias_platform.orchestration.house import House
from bias_platform.orchestration.recording import latest_record, record_version

Draw = Callable[..., Blueprint]


class Step(NamedTuple):
    """One asset, and the partitions of it to materialize together (none: an unpartitioned asset)."""

    key: dg.AssetKey
    draw: Draw
    """Gives the blueprint: of a partition, if the asset has any."""
    partitions: tuple[str, ...] = ()

    def __str__(self) -> str:
        name = self.key.to_user_string()
        if not self.partitions:
            return name
        models = list(dict.fromkeys(key.split("|")[0] for key in self.partitions))
        count = len({key.partition("|")[2] for key in self.partitions})
        noun = "repeats" if name.endswith("_repeats") else "personas"
        each = f" x {count} {noun}" if "|" in self.partitions[0] and count > 1 else ""
        return f"{name} [{', '.join(models)}{each}]"


def study_plan(house: House, study: str) -> list[Step]:
    """Every step of a study, upstream first; predictions one step a system; then the reports it declares."""
    keys, draw, entry = house.keys, house.blueprints, house.catalog.studies[study]
    return [
        *_steps_before_asking(house, study, study_systems(entry)),
        *_prediction_steps(house, study, study_cells(house.catalog, entry)),
        *_repeat_steps(house, study),
        Step(keys.index(study), lambda: draw.index(study, current_versions(house, study))),
        *_report_steps(house, study),
    ]


def launch_plan(house: House, launch: Launch) -> list[Step]:
    """Every step up to the answers of one launch: one system in some personas."""
    cells = [(launch.system, persona) for persona in launch.personas]
    before = _steps_before_asking(house, launch.study, [launch.system])
    return [*before, *_prediction_steps(house, launch.study, cells)]


def power_plan(house: House, study: str) -> list[Step]:
    """What a study could find, and the corpus only where it tells how many items there are.

    Not part of `study_plan`: no report needs it, and it takes longer than many a study.
    """
    keys, draw, entry = house.keys, house.blueprints, house.catalog.studies[study]
    corpus = Step(keys.corpus(entry.corpus), partial(draw.corpus, entry.corpus))
    power = Step(keys.report(study, "power"), partial(draw.power, study))
    return [corpus, power] if entry.items.n is None else [power]


def missing_part(instance: dg.DagsterInstance, step: Step) -> Step | None:
    """What of a step has to be run: what is not published as the catalog now asks, or is unknown to the instance.

    None when nothing has. What cannot be told, because something upstream is missing, counts as missing.
    """
    if not step.partitions:
        return None if _is_done(instance, step.key, None, step.draw) else step
    left = tuple(name for name in step.partitions if not _is_done(instance, step.key, name, partial(step.draw, name)))
    return step._replace(partitions=left) if left else None


def observe_recipes(house: House, instance: dg.DagsterInstance) -> int:
    """Records every recipe that changed since it was last observed; returns how many did. Runs nothing."""
    changed = 0
    observed = ((house.keys.recipes, house.partitions.models), (house.keys.system_recipes, house.partitions.systems))
    for key, partitions in observed:
        for slug, version in recipe_versions(house, partitions).items():
            record = latest_record(instance, key, slug)
            if record is not None and record_version(record) == version:
                continue
            changed += 1
            event = dg.AssetObservation(asset_key=key, partition=slug, tags={DATA_VERSION_TAG: version})
            instance.report_runless_asset_event(event)
    return changed


def _steps_before_asking(house: House, study: str, systems: Sequence[str]) -> list[Step]:
    keys, draw = house.keys, house.blueprints
    learning = _learners_of(house, systems)
    corpora, persona_sets = (_used(house, study, learning, field) for field in ("corpus", "persona_set"))
    return [
        *(Step(keys.corpus(slug), partial(draw.corpus, slug)) for slug in corpora),
        *(Step(keys.personas(slug), partial(draw.personas, slug)) for slug in persona_sets),
        Step(keys.questions(study), partial(draw.questions, study)),
        *_model_steps(house, systems, learning),
    ]


def _report_steps(house: House, study: str) -> list[Step]:
    """The reports that a study has."""
    draw, key = house.blueprints, house.keys.report

    def regression() -> Blueprint:
        return draw.report(study, current_versions(house, study, whole=True), current_repeats(house, study))

    def agreement() -> Blueprint:
        return draw.agreement(study, current_versions(house, study), current_repeats(house, study))

    drawn = {REGRESSION: regression, AGREEMENT: agreement}
    return [Step(key(study, kind), drawn[kind]) for kind in report_kinds(house.catalog, study)]


def _model_steps(house: House, systems: Sequence[str], learning: Sequence[str]) -> list[Step]:
    keys, draw = house.keys, house.blueprints
    parts = [parse_system(slug) for slug in systems if served_adapter(house.catalog, slug) is None]
    wanted: list[tuple[dg.AssetKey, Draw, list[str]]] = [
        (keys.examples, draw.examples, list(learning)),
        (keys.base, draw.base, [part.base for part in parts]),
        (keys.adapters, draw.adapter, [part.adapted_slug for part in parts if part.adapted_slug]),
        (keys.checkpoints, draw.checkpoint, [part.slug for part in parts if part.scheme]),
        (keys.systems, draw.system, list(systems)),
    ]
    return [Step(key, maker, tuple(dict.fromkeys(slugs))) for key, maker, slugs in wanted if slugs]


def _prediction_steps(house: House, study: str, cells: Sequence[tuple[str, str]]) -> list[Step]:
    def draw(partition: str) -> Blueprint:
        system, persona = partition.split("|")
        return house.blueprints.prediction(study, system, persona)

    by_system: dict[str, list[str]] = {}
    for system, persona in cells:
        by_system.setdefault(system, []).append(f"{system}|{persona}")
    return [Step(house.keys.predictions(study), draw, tuple(keys)) for keys in by_system.values()]


def _repeat_steps(house: House, study: str) -> list[Step]:
    """One step a system that is asked again."""

    def draw(partition: str) -> Blueprint:
        return house.blueprints.repeat(study, *partition.split("|"))

    by_system: dict[str, list[str]] = {}
    for key in map(str, house.partitions.repeat_keys(study)):
        by_system.setdefault(key.split("|")[0], []).append(key)
    return [Step(house.keys.repeats(study), draw, tuple(keys)) for keys in by_system.values()]


def _is_done(instance: dg.DagsterInstance, key: dg.AssetKey, partition: str | None, draw: Draw) -> bool:
    try:
        manifest = draw().current_manifest()
    except ArtifactError:
        return False
    record = latest_record(instance, key, partition)
    return manifest is not None and record is not None and record_version(record) == manifest.data_version


def _learners_of(house: House, systems: Sequence[str]) -> list[str]:
    parts = [parse_system(slug) for slug in systems]
    used = {part.base for part in parts} | {part.adapter for part in parts}
    return [learner for learner in learners(house.catalog) if learner in used and learns_here(house.catalog, learner)]


def _used(house: House, study: str, learning: Sequence[str], field: str) -> list[str]:
    """Slugs of the corpora (or persona sets) that the study or what it tunes refers to."""
    entries = [house.catalog.studies[study], *(learner_data(house.catalog, learner) for learner in learning)]
    return list(dict.fromkeys(getattr(entry, field) for entry in entries))
