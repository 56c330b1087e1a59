"""What a published artefact says of itself (inputs, parameters, code, environment, files) and whether it is whole."""

import datetime as dt
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bias_platform import __version__
from bias_platform.errors import ArtifactError
from bias_platform.storage.hashing import file_hash, value_hash

MANIFEST = "manifest.json"
_RECORDED_PACKAGES = (
    "numpy",
    "pandas",
    "pyarrow",
    "torch",
    "transformers",
    "peft",
    "bitsandbytes",
    "dagster",
    "scipy",
)


class PublishedFile(BaseModel):
    """One file of an artefact."""

    sha256: str
    size: int = Field(description="bytes")
    rows: int | None = None


class Manifest(BaseModel):
    """The record written last into a published folder: a folder without one is not published."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="asset and partition, e.g. demo/models/adapters[small+annotators]")
    data_version: str = Field(description="hash of the content and the facts")
    code_version: str
    inputs: dict[str, str] = Field(description="upstream name -> its data version")
    parameters: dict[str, Any] = Field(default_factory=dict)
    files: dict[str, PublishedFile]
    facts: dict[str, Any] = Field(default_factory=dict, description="counts, scores: what the UI shows")
    environment: dict[str, str] = Field(default_factory=dict)
    created_at: str

    @property
    def rows(self) -> int:
        """Rows of all tables together."""
        return sum(file.rows or 0 for file in self.files.values())


def environment_record() -> dict[str, str]:
    """Python and package versions that can change a number."""
    record = {
        "python": platform.python_version(),
        "bias_platform": __version__,
        "machine": platform.machine(),
    }
    for package in _RECORDED_PACKAGES:
        try:
            record[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return record


def make_manifest(
    name: str,
    folder: Path,
    *,
    code_version: str,
    inputs: dict[str, str],
    parameters: dict[str, Any],
    facts: dict[str, Any],
    rows: dict[str, int],
) -> Manifest:
    """Describes the files of `folder`. `rows` gives the row counts of its tables by file name.

    The data version is one of what the artefact holds, not of where it came from: what is made again with the same
    result (examples after an unrelated post was withdrawn, say) leaves everything after it as it is.
    """
    files = {
        path.relative_to(folder).as_posix(): PublishedFile(
            sha256=file_hash(path),
            size=path.stat().st_size,
            rows=rows.get(path.relative_to(folder).as_posix()),
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }
    content = {file_name: file.sha256 for file_name, file in files.items()}
    version = value_hash([content, facts])
    return Manifest(
        name=name,
        data_version=version,
        code_version=code_version,
        inputs=inputs,
        parameters=parameters,
        files=files,
        facts=facts,
        environment=environment_record(),
        created_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    )


def read_manifest(folder: Path, asset: str) -> Manifest:
    """The manifest of a published folder.

    Args:
        folder: where the artefact lies.
        asset: the asset to name in the error as the one to re-run.

    Raises:
        ArtifactError: nothing is published there, or the manifest cannot be read.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise ArtifactError(f"'{asset}' is not there ({folder}): materialize it first")
    try:
        return Manifest.model_validate_json(path.read_text("utf-8"))
    except (ValidationError, UnicodeDecodeError):
        raise ArtifactError(f"the manifest of '{asset}' is damaged ({path}): materialize it again") from None


def verify_artifact(folder: Path, asset: str, *, contents: bool = True) -> Manifest:
    """Checks that every file of the artefact is there, of the right size and, with `contents`, of the right hash.

    Raises:
        ArtifactError: names every file that is missing or differs, and the asset to re-run.
    """
    manifest = read_manifest(folder, asset)
    problems = []
    for name, file in manifest.files.items():
        path = folder / name
        if not path.is_file():
            problems.append(f"{name} is missing")
        elif path.stat().st_size != file.size:
            problems.append(f"{name} has {path.stat().st_size} bytes instead of {file.size}")
        elif contents and file_hash(path) != file.sha256:
            problems.append(f"{name} does not have the published content")
    if problems:
        raise ArtifactError(f"'{asset}' is damaged ({folder}): {'; '.join(problems)}. Materialize it again")
    return manifest
