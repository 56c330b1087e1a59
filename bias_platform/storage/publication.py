"""Atomic publication of a folder: beside the target, synced, renamed; the manifest is written last."""

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bias_platform.errors import ArtifactError
from bias_platform.storage.manifest import MANIFEST, Manifest, make_manifest


@dataclass
class Staging:
    """A folder being filled. What is written under `folder` becomes visible only when the block ends well."""

    folder: Path
    rows: dict[str, int] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    manifest: Manifest | None = None

    @property
    def published(self) -> Manifest:
        """The manifest, after the block has ended."""
        if self.manifest is None:
            raise RuntimeError("nothing has been published yet")
        return self.manifest


@contextlib.contextmanager
def publish(
    target: Path, name: str, *, code_version: str, inputs: dict[str, str], parameters: dict[str, Any]
) -> Iterator[Staging]:
    """Publishes a folder whole or not at all.

    Yields a `Staging`; fill its folder, then leave the block. An exception leaves the target as it was and removes
    the staged files. An existing target is replaced; at no moment does a reader see half of it: the manifest of a
    target is removed by the same rename that removes its files.

    Raises:
        ArtifactError: the disk refused (full, read-only): nothing is published.
    """
    staging = Staging(target.parent / f".{target.name}.staging-{os.getpid()}-{uuid.uuid4().hex[:8]}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep_leftovers(target)
        staging.folder.mkdir()
        yield staging
        staging.manifest = make_manifest(
            name,
            staging.folder,
            code_version=code_version,
            inputs=inputs,
            parameters=parameters,
            facts=staging.facts,
            rows=staging.rows,
        )
        (staging.folder / MANIFEST).write_text(staging.manifest.model_dump_json(indent=1), "utf-8")
        _sync_tree(staging.folder)
        _swap(staging.folder, target)
    except OSError as error:
        raise ArtifactError(
            f"'{name}' could not be published at {target}: {error.strerror or error}. Nothing was changed; "
            "make room or check the permissions, then run it again"
        ) from error
    finally:
        shutil.rmtree(staging.folder, ignore_errors=True)


def _sync_tree(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as stream:
                os.fsync(stream.fileno())


def _swap(staged: Path, target: Path) -> None:
    retired = target.parent / f".{target.name}.retired-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    if target.exists():
        target.rename(retired)
    staged.rename(target)
    sync_directory(target.parent)
    shutil.rmtree(retired, ignore_errors=True)


def sync_directory(folder: Path) -> None:
    """Makes what was renamed in a folder outlast a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sweep_leftovers(target: Path) -> None:
    """Removes what processes that are gone have left; restores a target retired by one that died mid-swap."""
    for path in target.parent.glob(f".{target.name}.*-*-*"):
        pid = path.name.rsplit("-", 2)[-2]
        if not pid.isdigit() or Path(f"/proc/{pid}").exists():
            continue
        if ".retired-" in path.name and not target.exists():
            path.rename(target)
        else:
            shutil.rmtree(path, ignore_errors=True)
