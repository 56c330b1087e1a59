"""`models/*`: from recipes to exactly what is loaded. Everything that touches weights happens in a worker."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from bias_platform.catalog.recipes import recipe_fingerprint
from bias_platform.catalog.systems import SystemParts, parse_system
from bias_platform.models.source import ModelSource
from bias_platform.models.system import ResolvedSystem, portable, resolve_system
from bias_platform.orchestration.assets.prompts import Checked
from bias_platform.orchestration.blueprints import Blueprint, asset_code_version
from bias_platform.orchestration.checks import TableSchemas, schema_check
from bias_platform.orchestration.column_schemas import column_schema_metadata
from bias_platform.orchestration.compute import Job
from bias_platform.orchestration.house import House
from bias_platform.orchestration.partitioned import AssetFace, Made, Run, partitioned_asset, reused
from bias_platform.orchestration.worker_messages import follow_one
from bias_platform.schemas import TrainingLog
from bias_platform.storage import Manifest, publish, read_manifest
from bias_platform.storage.hashing import value_hash
from bias_platform.storage.names import EXAMPLES, MODEL_SOURCE, SYSTEM, TRAINING_LOG

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

    def make(run: Run, slug: str) -> Made:
        parts = parse_system(slug)
        blueprint = house.blueprints.adapter(slug)
        entry = house.catalog.adapters[str(parts.adapter)]
        request = {
            "slug": slug,
            "entry": entry.model_dump(mode="json"),
            "base": _source_of_base(house, parts.base).model_dump(mode="json"),
            "examples": str(house.lake.examples(str(parts.adapter)) / EXAMPLES),
        }
        upstream = {keys.recipes: slug, keys.base: parts.base, keys.examples: parts.adapter}
        return _made_by_worker(run, blueprint, slug, "tune_adapter", request, upstream)

    deps = [
        _dep(keys.recipes, slugs),
        _dep(keys.base, slugs, lambda parts: parts.base),
        _dep(keys.examples, slugs, lambda parts: str(parts.adapter)),
    ]
    face = _face(keys.adapters, "LoRA adapters tuned on human judgements.", column_schema_metadata(TrainingLog))
    return _checked(house, face, house.partitions.adapted, deps, make, house.lake.adapter, {TRAINING_LOG: TrainingLog})


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
            "base": _source_of_base(house, parts.base).model_dump(mode="json"),
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
    adapted = [slug for slug in slugs if parse_system(slug).adapter]
    quantized = [slug for slug in slugs if parse_system(slug).scheme]

    def make(run: Run, slug: str) -> Made:
        blueprint = house.blueprints.system(slug)
        parts = parse_system(slug)
        manifest = reused(run, blueprint)
        if manifest is None:
            resolved = _resolve(house, parts)
            with publish(**blueprint.publication()) as staging:
                text = portable(resolved, house.lake.home).model_dump_json(indent=1)
                (staging.folder / SYSTEM).write_text(text, "utf-8")
                staging.facts["identity"] = resolved.identity
            manifest = staging.published
        return Made(manifest, _system_upstream(house, parts))

    deps = [
        _dep(keys.system_recipes, slugs),
        _dep(keys.base, slugs, lambda parts: parts.base),
        _dep(keys.adapters, adapted, lambda parts: str(parts.adapted_slug)),
        _dep(keys.checkpoints, quantized),
    ]
    face = _face(keys.systems, "Every system under test, resolved: exactly what is loaded, and its identity.", {})
    return _checked(house, face, house.partitions.systems, deps, make, house.lake.system, {})


def _resolve(house: House, parts: SystemParts) -> ResolvedSystem:
    base = _source_of_base(house, parts.base)
    adapter = house.lake.adapter(parts.adapted_slug) if parts.adapted_slug else None
    if parts.scheme is None:
        versions = {"base": _base_content(house, parts.base, base)}
        if adapter:
            versions["adapter"] = _content(adapter)
        return resolve_system(parts.slug, base, versions=versions, adapter=adapter)
    folder = house.lake.checkpoint(parts.slug)
    on_top = house.catalog.quantizations[parts.scheme].adapter == "on-top"
    source = ModelSource(kind="folder", location=str(folder), revision=None, dtype="auto")
    return resolve_system(
        parts.slug,
        source,
        versions={"checkpoint": _content(folder)},
        adapter=folder / "adapter" if adapter and on_top else None,
        quantization=parts.scheme,
    )


def _content(folder: Path) -> str:
    """Hash of what is loaded: weights, configuration, tokenizer; not of the record of how they came about."""
    files = read_manifest(folder, folder.name).files
    return value_hash({name: file.sha256 for name, file in files.items() if name not in (TRAINING_LOG, MODEL_SOURCE)})


def _base_content(house: House, base: str, source: ModelSource) -> str:
    if source.kind == "api":
        # all that is known of what is served: where, under which name, in which declared snapshot
        return value_hash([source.endpoint, source.location, source.revision, house.catalog.models[base].served_as])
    return source.revision or _content(house.lake.base(base))


def _source_of_base(house: House, base: str) -> ModelSource:
    folder = house.lake.base(base)
    read_manifest(folder, f"{house.catalog.name}/models/base[{base}]")
    source = ModelSource.model_validate_json((folder / MODEL_SOURCE).read_text("utf-8"))
    trained_here = house.catalog.models[base].kind == "reference"
    return source.model_copy(update={"location": str(folder)}) if trained_here else source


def _system_upstream(house: House, parts: SystemParts) -> dict[dg.AssetKey, str | None]:
    upstream: dict[dg.AssetKey, str | None] = {house.keys.system_recipes: parts.slug, house.keys.base: parts.base}
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
) -> Checked:
    asset = partitioned_asset(face, partitions, deps, make)
    return asset, schema_check(face.key, tables, lambda slug: folder(str(slug)), partitions)
