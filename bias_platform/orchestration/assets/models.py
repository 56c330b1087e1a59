"""`models/*`: from recipes to exactly what is loaded. Everything that touches weights happens in a worker."""

from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import dagster as dg

from bias_platform.catalog.adapter_paths import resolve_adapter_folder
from bias_platform.catalog.recipes import learner_data, learns_here, recipe_fingerprint
from bias_platform.catalog.served_systems import served_adapter
from bias_platform.catalog.systems import SystemParts, parse_system
from bias_platform.models.adapter_folder import take_over_adapter
from bias_platform.models.system import portable
from bias_platform.orchestration.assets.prompts import Checked
from bias_platform.orchestration.assets.system_parts import resolved_system, source_of_base
from bias_platform.orchestration.blueprint import Blueprint
from bias_platform.orchestration.checks import TableSchemas, schema_check
from bias_platform.orchestration.code_versions import asset_code_version
from bias_platform.orchestration.column_schemas import column_schema_metadata
from bias_platform.orchestration.compute import Job
from bias_platform.orchestration.house import House
from bias_platform.orchestration.partitioned import AssetFace, Made, Run, partitioned_asset, reused
from bias_platform.orchestration.worker_messages import follow_one
from bias_platform.schemas import TrainingLog
from bias_platform.storage import Manifest, publish, read_manifest
from bias_platform.storage.names import EXAMPLES, PICTURES, SYSTEM, TRAINING_LOG

GPU_POOL = "gpu"
_BASES = "Base models: reference models trained on the spot, hub models pinned to a commit, api models as declared."


def recipe_assets(house: House) -> list[dg.SourceAsset]:
    """What the catalog says of each model. Observing it makes exactly the models whose recipe changed stale."""
    return [
        _recipe_asset(house, key, partitions, of_what)
        for key, partitions, of_what in (
            (house.keys.recipes, house.partitions.models, "base, adapter and checkpoint"),
            (house.keys.system_recipes, house.partitions.systems, "whole system"),
        )
    ]


def recipe_versions(house: House, partitions: dg.StaticPartitionsDefinition) -> dict[str, str]:
    """Recipe fingerprint of every slug."""
    return {slug: recipe_fingerprint(house.catalog, slug) for slug in partitions.get_partition_keys()}


def _recipe_asset(
    house: House, key: dg.AssetKey, partitions: dg.StaticPartitionsDefinition, of_what: str
) -> dg.SourceAsset:
    @dg.observable_source_asset(
        key=key,
        group_name="models",
        description=f"What the catalog declares of every {of_what}, and of what it learns from. Observe it after "
        "editing the catalog: what was made by another recipe becomes stale.",
        partitions_def=partitions,
    )
    def recipes() -> dg.DataVersionsByPartition:
        return dg.DataVersionsByPartition(recipe_versions(house, partitions))

    return recipes


def base_assets(house: House) -> Checked:
    """Base models: reference ones trained on the spot, hub ones resolved to a commit."""
    keys = house.keys
    reference = [slug for slug in house.partitions.bases.get_partition_keys() if house.catalog.models[slug].recipe]

    def make(run: Run, slug: str) -> Made:
        blueprint = house.blueprints.base(slug)
        entry = house.catalog.models[slug]
        request = {
            "slug": slug,
            "entry": entry.model_dump(mode="json"),
            "examples": str(house.lake.examples(slug) / EXAMPLES) if entry.recipe else None,
            "pictures": str(house.lake.corpus(entry.recipe.corpus) / PICTURES) if entry.recipe else None,
        }
        upstream: dict[dg.AssetKey, str | None] = {keys.recipes: slug}
        if entry.recipe:
            upstream[keys.examples] = slug
        return _made_by_worker(run, blueprint, slug, "make_base", request, upstream)

    deps = [
        _dep(keys.recipes, house.partitions.bases.get_partition_keys()),
        _dep(keys.examples, reference),
    ]
    face = _face(keys.base, _BASES, {})
    return _checked(house, face, house.partitions.bases, deps, make, house.lake.base, {})


def adapter_assets(house: House) -> Checked:
    """LoRA adapters, partitioned by `base+adapter`."""
    keys = house.keys
    slugs = house.partitions.adapted.get_partition_keys()
    tuned = [slug for slug in slugs if learns_here(house.catalog, str(parse_system(slug).adapter))]

    def make(run: Run, slug: str) -> Made:
        parts = parse_system(slug)
        blueprint = house.blueprints.adapter(slug)
        entry = house.catalog.adapters[str(parts.adapter)]
        if entry.trained_elsewhere is not None:
            folder = resolve_adapter_folder(house.catalog, str(parts.adapter))
            return Made(reused(run, blueprint) or _taken_over(folder, blueprint), {keys.recipes: slug})
        request = {
            "slug": slug,
            "entry": entry.model_dump(mode="json"),
            "base": source_of_base(house, parts.base).model_dump(mode="json"),
            "examples": str(house.lake.examples(str(parts.adapter)) / EXAMPLES),
            "pictures": str(house.lake.corpus(learner_data(house.catalog, str(parts.adapter)).corpus) / PICTURES),
        }
        upstream = {keys.recipes: slug, keys.base: parts.base, keys.examples: parts.adapter}
        return _made_by_worker(run, blueprint, slug, "tune_adapter", request, upstream)

    deps = [
        _dep(keys.recipes, slugs),
        _dep(keys.base, tuned, lambda parts: parts.base),
        _dep(keys.examples, tuned, lambda parts: str(parts.adapter)),
    ]
    about = "LoRA adapters: tuned on human judgements here, or elsewhere and taken over from their folder."
    face = _face(keys.adapters, about, column_schema_metadata(TrainingLog))
    log = {TRAINING_LOG: TrainingLog}
    return _checked(house, face, house.partitions.adapted, deps, make, house.lake.adapter, log, optional=set(log))


def _taken_over(folder: Path, blueprint: Blueprint) -> Manifest:
    """Publishes an adapter that was trained elsewhere: what the lake holds is what is loaded."""
    with publish(**blueprint.publication()) as staging:
        found = take_over_adapter(folder, staging.folder)
        staging.facts.update(
            rank=found.rank,
            target_modules=list(found.target_modules),
            trained_on=found.trained_on or "not said",
            weights=found.numbers,
        )
    return staging.published


def checkpoint_assets(house: House) -> Checked:
    """Quantized checkpoints."""
    keys = house.keys
    slugs = house.partitions.quantized.get_partition_keys()
    adapted = [slug for slug in slugs if parse_system(slug).adapter]

    def make(run: Run, slug: str) -> Made:
        parts = parse_system(slug)
        blueprint = house.blueprints.checkpoint(slug)
        request = {
            "slug": slug,
            "entry": house.catalog.quantizations[str(parts.scheme)].model_dump(mode="json"),
            "base": source_of_base(house, parts.base).model_dump(mode="json"),
            "adapter": str(house.lake.adapter(parts.adapted_slug)) if parts.adapted_slug else None,
        }
        upstream: dict[dg.AssetKey, str | None] = {keys.recipes: slug, keys.base: parts.base}
        if parts.adapted_slug:
            upstream[keys.adapters] = parts.adapted_slug
        return _made_by_worker(run, blueprint, slug, "quantize", request, upstream)

    deps = [
        _dep(keys.recipes, slugs),
        _dep(keys.base, slugs, lambda parts: parts.base),
        _dep(keys.adapters, adapted, lambda parts: str(parts.adapted_slug)),
    ]
    face = _face(keys.checkpoints, "Quantized checkpoints, saved and verified by reloading.", {})
    return _checked(house, face, house.partitions.quantized, deps, make, house.lake.checkpoint, {})


def system_assets(house: House) -> Checked:
    """Resolved systems: exactly what is loaded, and its identity."""
    keys = house.keys
    slugs = house.partitions.systems.get_partition_keys()
    loaded = [slug for slug in slugs if served_adapter(house.catalog, slug) is None]
    adapted = [slug for slug in loaded if parse_system(slug).adapter]
    quantized = [slug for slug in slugs if parse_system(slug).scheme]

    def make(run: Run, slug: str) -> Made:
        blueprint = house.blueprints.system(slug)
        parts = parse_system(slug)
        manifest = reused(run, blueprint)
        if manifest is None:
            resolved = resolved_system(house, parts)
            with publish(**blueprint.publication()) as staging:
                text = portable(resolved, house.lake.home).model_dump_json(indent=1)
                (staging.folder / SYSTEM).write_text(text, "utf-8")
                staging.facts["identity"] = resolved.identity
            manifest = staging.published
        return Made(manifest, _system_upstream(house, parts))

    deps = [
        _dep(keys.system_recipes, slugs),
        _dep(keys.base, loaded, lambda parts: parts.base),
        _dep(keys.adapters, adapted, lambda parts: str(parts.adapted_slug)),
        _dep(keys.checkpoints, quantized),
    ]
    face = _face(keys.systems, "Every system under test, resolved: exactly what is loaded, and its identity.", {})
    return _checked(house, face, house.partitions.systems, deps, make, house.lake.system, {})


def _system_upstream(house: House, parts: SystemParts) -> dict[dg.AssetKey, str | None]:
    upstream: dict[dg.AssetKey, str | None] = {house.keys.system_recipes: parts.slug}
    if served_adapter(house.catalog, parts.slug) is not None:
        return upstream
    upstream[house.keys.base] = parts.base
    if parts.adapted_slug:
        upstream[house.keys.adapters] = parts.adapted_slug
    if parts.scheme:
        upstream[house.keys.checkpoints] = parts.slug
    return upstream


def _made_by_worker(
    run: Run,
    blueprint: Blueprint,
    slug: str,
    job: str,
    request: dict[str, Any],
    upstream: Mapping[dg.AssetKey, str | None],
) -> Made:
    manifest: Manifest | None = reused(run, blueprint)
    metadata: dict[str, Any] = {}
    if manifest is None:
        request = {**request, "publication": blueprint.request()}
        metadata = follow_one(run, Job(job), request)
        manifest = read_manifest(blueprint.folder, blueprint.name)
    return Made(manifest, upstream, metadata)


def _face(key: dg.AssetKey, description: str, metadata: Mapping[str, Any]) -> AssetFace:
    return AssetFace(key, description, asset_code_version(key.path[-1]), frozenset({"huggingface"}), metadata, GPU_POOL)


def _dep(key: dg.AssetKey, slugs: Sequence[str], upstream_of: Any = lambda parts: parts.slug) -> dg.AssetDep:
    """A dependency exact to the partition: each of `slugs` on the upstream partition it is made with."""
    mapping: dict[str, set[str]] = {}
    for slug in slugs:
        mapping.setdefault(upstream_of(parse_system(slug)), set()).add(slug)
    return dg.AssetDep(key, partition_mapping=dg.StaticPartitionMapping(mapping))


def _checked(
    house: House,
    face: AssetFace,
    partitions: dg.StaticPartitionsDefinition,
    deps: list[dg.AssetDep],
    make: Any,
    folder: Any,
    tables: TableSchemas,
    optional: Set[str] = frozenset(),
) -> Checked:
    asset = partitioned_asset(face, partitions, deps, make)
    return asset, schema_check(face.key, tables, lambda slug: folder(str(slug)), partitions, optional)
