"""What a system is put together from: its published base, adapter or checkpoint, or what an endpoint serves."""

from pathlib import Path

from bias_platform.catalog.served_systems import served_adapter
from bias_platform.catalog.systems import SystemParts
from bias_platform.models.source import ModelSource
from bias_platform.models.system import ResolvedSystem, resolve_system
from bias_platform.orchestration.house import House
from bias_platform.storage import read_manifest
from bias_platform.storage.hashing import value_hash
from bias_platform.storage.names import MODEL_SOURCE, TRAINING_LOG


def resolved_system(house: House, parts: SystemParts) -> ResolvedSystem:
    """Exactly what is loaded for a system, or asked at an endpoint.

    Raises:
        ArtifactError: a part of it is not published.
    """
    served = served_adapter(house.catalog, parts.slug)
    if served is not None:
        source = ModelSource(kind="api", location=served.api_name, revision=served.snapshot, endpoint=served.endpoint)
        return resolve_system(parts.slug, source, versions={"base": _served_content(source, None)})
    base = source_of_base(house, parts.base)
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
        return _served_content(source, house.catalog.models[base].served_as)
    return source.revision or _content(house.lake.base(base))


def _served_content(source: ModelSource, served_as: str | None) -> str:
    """All that is known of what an endpoint serves: where, under which name, in which declared snapshot."""
    return value_hash([source.endpoint, source.location, source.revision, served_as])


def source_of_base(house: House, base: str) -> ModelSource:
    """Where a base model is, as it was published.

    Raises:
        ArtifactError: it is not published.
    """
    folder = house.lake.base(base)
    read_manifest(folder, f"{house.catalog.name}/models/base[{base}]")
    source = ModelSource.model_validate_json((folder / MODEL_SOURCE).read_text("utf-8"))
    trained_here = house.catalog.models[base].kind == "reference"
    return source.model_copy(update={"location": str(folder)}) if trained_here else source
