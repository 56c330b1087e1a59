"""Weights are checked against what was published before they are loaded."""

from pathlib import Path

from bias_platform.models.source import ModelSource
from bias_platform.storage import verify_artifact
from bias_platform.storage.manifest import MANIFEST


def verify_weights(source: ModelSource, adapter: Path | None = None) -> None:
    """Checks every file of the published folders that a system is loaded from.

    What is not published here (a hub model, a user's own folder) has no manifest and is left to the loader.

    Raises:
        ArtifactError: names each file that is missing or differs, and what to materialize again.
    """
    folders = [Path(source.location)] if source.kind == "folder" else []
    for folder in [*folders, *([adapter] if adapter else [])]:
        if (folder / MANIFEST).is_file():
            verify_artifact(folder, f"{folder.parent.name}[{folder.name}]")
