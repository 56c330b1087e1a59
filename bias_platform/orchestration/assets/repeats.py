"""`predictions/<study>_repeats`: a study's noise floor, the same questions put again, partitioned by model and repeat.

Only studies that declare a `noise_floor` have it. One worker for the repeats of a system that share an environment;
each partition is recorded the moment its worker has published it.
"""

from collections.abc import Mapping, Set
from typing import Any

from bias_platform.inference.engines.registry import engine_entry
from bias_platform.orchestration.assets.models import GPU_POOL
from bias_platform.orchestration.assets.predictions import asked_asset, kept_metadata, versions_of
from bias_platform.orchestration.assets.prompts import Checked
from bias_platform.orchestration.assets.system_request import system_request
from bias_platform.orchestration.blueprint import Blueprint
from bias_platform.orchestration.checks import schema_check
from bias_platform.orchestration.code_versions import asset_code_version
from bias_platform.orchestration.column_schemas import column_schema_metadata
from bias_platform.orchestration.compute import Job
from bias_platform.orchestration.house import House
from bias_platform.orchestration.partitioned import AssetFace, Failures, Run, reused
from bias_platform.orchestration.recording import record_partition
from bias_platform.orchestration.worker_messages import follow_published
from bias_platform.schemas import Repeats
from bias_platform.storage import read_manifest
from bias_platform.storage.names import PART


def repeat_assets(house: House, study: str) -> Checked:
    """The asset of a study's noise floor, and its check."""
    key = house.keys.repeats(study)
    grid = house.partitions.repeat_grid(study)

    def ask(run: Run, system: str, names: list[str], failures: Failures) -> None:
        _ask_again(house, study, run, system, names, failures)

    check = schema_check(key, {PART: Repeats}, lambda partition: _folder(house, study, str(partition)), grid)
    return asked_asset(house, study, _face(house, study), grid, ask), check


def _face(house: House, study: str) -> AssetFace:
    entry = house.catalog.studies[study]
    assert entry.noise_floor is not None
    # not what each repeat is: another one beside them leaves the others as they are
    declared = [entry.engine.deciding(), entry.noise_floor.model_dump(mode="json", exclude={"repeats"})]
    return AssetFace(
        key=house.keys.repeats(study),
        description=f"*{entry.title}* The same questions put to the same systems again: what serving alone moves.",
        code_version=asset_code_version("repeats", [*declared, entry.maximum_failed_share]),
        kinds=frozenset({"huggingface", "parquet"}),
        metadata=column_schema_metadata(Repeats),
        pool=GPU_POOL,
    )


def current_repeats(house: House, study: str) -> dict[str, str]:
    """Data version of every partition of a study's noise floor; none where it declares no noise floor.

    Raises:
        ArtifactError: names every partition that is missing, or is not what the catalog now asks for.
    """

    def draw(partition: str) -> Blueprint:
        return house.blueprints.repeat(study, *partition.split("|"))

    keys = map(str, house.partitions.repeat_keys(study))
    return versions_of(keys, draw, f"study '{study}'", "the partitions of its noise floor", house.keys.repeats(study))


def _ask_again(house: House, study: str, run: Run, system: str, names: list[str], failures: Failures) -> None:
    declared = set(map(str, house.partitions.repeat_keys(study)))
    pending: dict[str, Blueprint] = {}
    for name in names:
        if f"{system}|{name}" not in declared:
            run.context.log.info(f"{system}|{name}: the study does not ask this system again in this way")
            continue
        with failures.collected(f"{system}|{name}"):
            blueprint = house.blueprints.repeat(study, system, name)
            kept = reused(run, blueprint)
            if kept is None:
                pending[name] = blueprint
            else:
                _record(house, study, run, f"{system}|{name}", blueprint, kept_metadata(kept))
    for job, together in _jobs(house, study, pending):
        with failures.collected(f"{system}|{', '.join(together)}"):
            _follow(house, study, run, system, job, {name: pending[name] for name in together})


def _follow(house: House, study: str, run: Run, system: str, job: Job, pending: Mapping[str, Blueprint]) -> None:
    def request_without(published: Set[str]) -> dict[str, Any]:
        left = {name: blueprint.request() for name, blueprint in pending.items() if name not in published}
        return _request(house, study, system, left)

    for name, metadata in follow_published(run, job, request_without):
        _record(house, study, run, f"{system}|{name}", pending[name], metadata)


def _jobs(house: House, study: str, names: Mapping[str, Any]) -> list[tuple[Job, list[str]]]:
    """Which repeats a worker makes together: those of the core environment; another's may not let go of a device."""
    entry = house.catalog.studies[study]
    assert entry.noise_floor is not None
    jobs: dict[tuple[str, str], list[str]] = {}
    for name in names:
        environment = engine_entry(entry.noise_floor.named(name).applied_to(entry.engine).name).environment
        jobs.setdefault((environment, "" if environment == "core" else name), []).append(name)
    return [(Job("repeat", environment), together) for (environment, _), together in jobs.items()]


def _record(
    house: House, study: str, run: Run, partition: str, blueprint: Blueprint, metadata: Mapping[str, Any]
) -> None:
    system = partition.partition("|")[0]
    upstream = {house.keys.system_recipes: system, house.keys.systems: system, house.keys.questions(study): None}
    record_partition(run.context, partition, read_manifest(blueprint.folder, blueprint.name), upstream, metadata)


def _request(house: House, study: str, system: str, repeats: Mapping[str, Any]) -> dict[str, Any]:
    entry = house.catalog.studies[study]
    assert entry.noise_floor is not None
    return {
        **system_request(house, study, system),
        "noise_floor": entry.noise_floor.model_dump(mode="json"),
        "control": house.catalog.persona_sets[entry.persona_set].control.id,
        "repeats": dict(repeats),
    }


def _folder(house: House, study: str, partition: str) -> Any:
    return house.lake.repeat_partition(study, *partition.split("|"))
