"""`predictions/<study>`: a study's questions put to every system, partitioned by model and persona.

One worker per system of a run; each partition is recorded the moment its worker has published it.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from typing import Any

import dagster as dg

from bias_platform.catalog.launches import study_runs
from bias_platform.catalog.systems import labels_of, study_cells
from bias_platform.errors import ArtifactError, bullet_list
from bias_platform.inference.engines.registry import engine_entry
from bias_platform.orchestration.assets.models import GPU_POOL
from bias_platform.orchestration.assets.prompts import Checked
from bias_platform.orchestration.assets.system_request import system_request
from bias_platform.orchestration.blueprint import Blueprint
from bias_platform.orchestration.checks import schema_check
from bias_platform.orchestration.code_versions import asset_code_version
from bias_platform.orchestration.column_schemas import column_schema_metadata
from bias_platform.orchestration.compute import Compute, Job
from bias_platform.orchestration.house import House
from bias_platform.orchestration.partitioned import AssetFace, Failures, Made, Run, as_asset, reused
from bias_platform.orchestration.recording import forced, record_partition, recorded_output, tag_run
from bias_platform.orchestration.unpartitioned import whole_asset
from bias_platform.orchestration.worker_messages import follow_published
from bias_platform.schemas import Predictions
from bias_platform.storage import Manifest, publish, read_manifest
from bias_platform.storage.names import INDEX, PART

Ask = Callable[[Run, str, list[str], Failures], None]
"""Makes the partitions of one system: which run, which system, the second parts of their keys, where failures go."""


def prediction_assets(house: House, study: str) -> Checked:
    """The asset of a study's answers, and its check."""
    key = house.keys.predictions(study)
    entry = house.catalog.studies[study]
    grid = house.partitions.grid(study)
    face = AssetFace(
        key=key,
        description=f"*{entry.title}* Every question of the study, put to every system in every persona.\n\n"
        f"Personas to launch together: {_runs(house, study)}.",
        code_version=asset_code_version("predictions", [entry.engine.deciding(), entry.maximum_failed_share]),
        kinds=frozenset({"huggingface", "parquet"}),
        metadata=column_schema_metadata(Predictions),
        pool=GPU_POOL,
    )

    def ask(run: Run, system: str, personas: list[str], failures: Failures) -> None:
        with failures.collected(system):
            _answer(house, study, run, system, personas)

    check = schema_check(key, {PART: Predictions}, lambda partition: _folder(house, study, str(partition)), grid)
    return asked_asset(house, study, face, grid, ask), check


def asked_asset(
    house: House, study: str, face: AssetFace, grid: dg.MultiPartitionsDefinition, ask: Ask
) -> dg.AssetsDefinition:
    """An asset whose partitions (model x something) come of putting a study's questions to its systems."""
    to_system = dg.MultiToSingleDimensionPartitionMapping("model")

    @as_asset(
        face,
        partitions_def=grid,
        deps=[
            dg.AssetDep(house.keys.system_recipes, partition_mapping=to_system),
            dg.AssetDep(house.keys.systems, partition_mapping=to_system),
            dg.AssetDep(house.keys.questions(study)),
        ],
        dagster_type=dg.Nothing,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def body(context: dg.AssetExecutionContext, compute: Compute) -> Iterator[Any]:
        tag_run(context, house.catalog.name)
        run = Run(context, compute, forced(context))
        failures = Failures()
        for system, names in keys_by_system(context.partition_keys).items():
            ask(run, system, names, failures)
        failures.raise_any()
        yield recorded_output()

    return body


def index_asset(house: House, study: str) -> Checked:
    """One combined version of all of a study's partitions: the UI does not compute staleness over a hundred or more."""
    face = AssetFace(
        key=house.keys.index(study),
        description=f"The data versions of all prediction partitions of study `{study}` in one table of contents. "
        "Materialize it with the reports, once all answers are there.",
        code_version=asset_code_version("index"),
        kinds=frozenset({"json"}),
    )
    keys = house.partitions.study_keys(study)
    mapping = dg.SpecificPartitionsPartitionMapping([str(key) for key in keys])
    deps = [dg.AssetDep(house.keys.predictions(study), partition_mapping=mapping)]

    def make(run: Run) -> Made:
        versions = current_versions(house, study)
        blueprint = house.blueprints.index(study, versions)
        manifest = reused(run, blueprint)
        if manifest is None:
            with publish(**blueprint.publication()) as staging:
                (staging.folder / INDEX).write_text(json.dumps(versions, indent=1), "utf-8")
                staging.facts["partitions"] = len(versions)
            manifest = staging.published
        return Made(manifest, {})

    return whole_asset(face, deps, make), schema_check(face.key, {}, lambda _: house.lake.index(study))


def current_versions(house: House, study: str, *, whole: bool = False) -> dict[str, str]:
    """Data version of every partition of a study.

    Args:
        house: catalog and lake.
        study: whose.
        whole: only of the systems that are asked in every persona.

    Raises:
        ArtifactError: names every partition that is missing, or was made by another system, by other questions or
            other settings than the catalog's now.
    """

    def draw(partition: str) -> Blueprint:
        return house.blueprints.prediction(study, *partition.split("|"))

    partitions = house.partitions
    keys = map(str, partitions.whole_keys(study) if whole else partitions.study_keys(study))
    return versions_of(keys, draw, f"study '{study}'", "its partitions", house.keys.predictions(study))


def versions_of(
    partitions: Iterable[str], draw: Callable[[str], Blueprint], of: str, what: str, key: dg.AssetKey
) -> dict[str, str]:
    """Data version of every partition that a report rests on.

    Args:
        partitions: their keys.
        draw: gives the blueprint of each.
        of: whose report it is, for the message.
        what: how the message calls the partitions.
        key: of the asset that makes them.

    Raises:
        ArtifactError: names every partition that is missing, or is not what the catalog now asks for.
    """
    versions: dict[str, str] = {}
    problems = []
    for partition in partitions:
        try:
            blueprint = draw(partition)
        except ArtifactError as error:
            problems.append(f"{partition}: {error}")
            continue
        manifest = blueprint.current_manifest()
        if manifest is None:
            problems.append(f"{partition} is {'out of date' if blueprint.folder.exists() else 'missing'}")
        else:
            versions[partition] = manifest.data_version
    if problems:
        raise ArtifactError(
            f"{of} cannot be reported on: {len(problems)} of {what} are not what the catalog now asks for. Materialize "
            f"them ({key.to_user_string()}):\n{bullet_list(problems)}"
        )
    return versions


def keys_by_system(keys: Sequence[str]) -> dict[str, list[str]]:
    """Partition keys `model|other`, grouped by model in their order; any selection, with gaps or without."""
    grouped: dict[str, list[str]] = {}
    for key in keys:
        system, other = key.split("|")
        grouped.setdefault(system, []).append(other)
    return grouped


def _runs(house: House, study: str) -> str:
    """Which personas make a dimension (or another declared run): the dialog of partitions lists bare personas."""
    runs = study_runs(house.catalog, house.catalog.studies[study])
    return "; ".join(f"**{run}** {', '.join(personas)}" for run, personas in runs.items())


def _declared(house: House, study: str, run: Run, system: str, personas: list[str]) -> list[str]:
    """The personas in which the study asks the system: a selection of the whole grid may hold others."""
    asked = set(study_cells(house.catalog, house.catalog.studies[study]))
    strange = [persona for persona in personas if (system, persona) not in asked]
    if strange:
        run.context.log.info(f"{system}: the study does not ask this system as {', '.join(strange)}")
    return [persona for persona in personas if (system, persona) in asked]


def _answer(house: House, study: str, run: Run, system: str, personas: list[str]) -> None:
    wanted = _declared(house, study, run, system, personas)
    blueprints = {persona: house.blueprints.prediction(study, system, persona) for persona in wanted}
    pending: dict[str, Blueprint] = {}
    for persona, blueprint in blueprints.items():
        kept = reused(run, blueprint)
        if kept is None:
            pending[persona] = blueprint
        else:
            _record(house, study, run, system, persona, blueprint, kept_metadata(kept))
    if not pending:
        return

    def request_without(published: Set[str]) -> dict[str, Any]:
        left = {persona: blueprint for persona, blueprint in pending.items() if persona not in published}
        partitions = {persona: blueprint.request() for persona, blueprint in left.items()}
        labels = {persona: labels_of(house.catalog.studies[study], system, persona) for persona in left}
        return {**system_request(house, study, system), "partitions": partitions, "labels": labels}

    environment = engine_entry(house.catalog.studies[study].engine.name).environment
    for persona, metadata in follow_published(run, Job("predict", environment), request_without):
        _record(house, study, run, system, persona, pending[persona], metadata)


def _record(
    house: House,
    study: str,
    run: Run,
    system: str,
    persona: str,
    blueprint: Blueprint,
    metadata: Mapping[str, Any],
) -> None:
    manifest = read_manifest(blueprint.folder, blueprint.name)
    upstream = {
        house.keys.system_recipes: system,
        house.keys.systems: system,
        house.keys.questions(study): None,
    }
    record_partition(run.context, f"{system}|{persona}", manifest, upstream, metadata)


def kept_metadata(kept: Manifest) -> dict[str, Any]:
    """What the UI shows of a partition that had been published before: the same fields as of a new one."""
    return {"cells_asked": 0, "cells_from_ledger": 0, "cells_kept": kept.rows, "seconds": 0.0}


def _folder(house: House, study: str, partition: str) -> Any:
    system, persona = partition.split("|")
    return house.lake.prediction_partition(study, system, persona)
