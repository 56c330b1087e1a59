"""A system resolved: exactly what is loaded, and an identity that changes when, and only when, its content does."""

from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from bias_platform.models.source import Dtype, ModelSource
from bias_platform.storage.hashing import value_hash


class ResolvedSystem(BaseModel):
    """Base weights (or a quantized checkpoint), and an adapter on top or none."""

    model_config = ConfigDict(frozen=True)

    slug: str = Field(description="base[+adapter][@scheme]")
    source: ModelSource = Field(description="the base, or the folder of the quantized checkpoint")
    adapter: Path | None = Field(
        None, description="folder of the adapter that is put on the source; None: none, or merged"
    )
    quantization: str | None = Field(None, description="scheme of the checkpoint")
    dtype: Dtype = "auto"
    identity: str = Field(min_length=32, max_length=32, description="hash of the parts' content")


def resolve_system(
    slug: str,
    source: ModelSource,
    *,
    versions: Mapping[str, str],
    adapter: Path | None = None,
    quantization: str | None = None,
) -> ResolvedSystem:
    """Puts the parts of a system together.

    Args:
        slug: base[+adapter][@scheme].
        source: the base; for a quantized system the checkpoint's folder.
        versions: part ("base", "adapter", "checkpoint") -> version of its content: a data version, or a hub commit.
            Neither slug nor paths enter the identity: a renamed system or a moved lake is still the same system.
        adapter: adapter folder, when it is put on the source at loading.
        quantization: scheme of the checkpoint.

    Raises:
        ValueError: no versions are given.
    """
    if not versions:
        raise ValueError(f"system '{slug}': an identity needs the version of at least one part")
    identity = value_hash(
        {"versions": dict(versions), "quantization": quantization, "adapter_on_top": adapter is not None}
    )
    return ResolvedSystem(
        slug=slug, source=source, adapter=adapter, quantization=quantization, dtype=source.dtype, identity=identity
    )


def portable(system: ResolvedSystem, home: Path) -> ResolvedSystem:
    """The same system with folders under `home` written relative to it, so that a moved lake still finds its parts."""
    return _relocated(system, lambda path: path.relative_to(home) if path.is_relative_to(home) else path)


def located(system: ResolvedSystem, home: Path) -> ResolvedSystem:
    """The inverse of `portable`: relative folders are taken to lie under `home`."""
    return _relocated(system, lambda path: home / path)


def _relocated(system: ResolvedSystem, move: Callable[[Path], Path]) -> ResolvedSystem:
    source = system.source
    if source.kind == "folder":
        source = source.model_copy(update={"location": str(move(Path(source.location)))})
    return system.model_copy(update={"source": source, "adapter": move(system.adapter) if system.adapter else None})
