"""A blueprint: from what, and as what, an artefact would be published now; and what all makers of blueprints share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from bias_platform.catalog.entries import Catalog
from bias_platform.errors import ArtifactError
from bias_platform.orchestration.code_versions import CODE_VERSIONS
from bias_platform.storage import Lake, Manifest, read_manifest
from bias_platform.storage.hashing import value_hash


class Blueprint(NamedTuple):
    """From what, and as what, an artefact would be published now."""

    name: str
    folder: Path
    code_version: str
    inputs: dict[str, str]
    parameters: dict[str, Any]

    def current_manifest(self) -> Manifest | None:
        """The manifest of what is published, if it was made from just this; None if absent or out of date."""
        try:
            manifest = read_manifest(self.folder, self.name)
        except ArtifactError:
            return None
        made_from = (manifest.code_version, manifest.inputs, value_hash(manifest.parameters))
        return manifest if made_from == (self.code_version, self.inputs, value_hash(self.parameters)) else None

    def publication(self) -> dict[str, Any]:
        """Arguments for `storage.publish`."""
        return {
            "target": self.folder,
            "name": self.name,
            "code_version": self.code_version,
            "inputs": self.inputs,
            "parameters": self.parameters,
        }

    def request(self) -> dict[str, Any]:
        """The same in JSON types, for a worker that publishes."""
        return {**self.publication(), "target": str(self.folder)}


@dataclass(frozen=True)
class BlueprintMaker:
    """What every blueprint of a catalog over a lake is made with."""

    catalog: Catalog
    lake: Lake

    def _version(self, folder: Path, name: str) -> str:
        return self._manifest(folder, name).data_version

    def _manifest(self, folder: Path, name: str) -> Manifest:
        return read_manifest(folder, f"{self.catalog.name}/{name}")

    def _make(
        self, room: str, name: str, folder: Path, inputs: dict[str, str], parameters: dict[str, Any]
    ) -> Blueprint:
        return Blueprint(f"{self.catalog.name}/{name}", folder, CODE_VERSIONS[room], inputs, _plain(parameters))


def _plain(parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.model_dump(mode="json", by_alias=True) if hasattr(value, "model_dump") else value
        for name, value in parameters.items()
    }
