"""The list of posts withdrawn from a lake: ids only, so that it holds nothing of what was withdrawn."""

import json
from collections.abc import Iterable
from pathlib import Path

from bias_platform.storage.paths import Lake


def withdrawn_items(lake: Lake) -> frozenset[str]:
    """Ids of all posts withdrawn so far."""
    path = _path(lake)
    return frozenset(json.loads(path.read_text("utf-8"))) if path.exists() else frozenset()


def note_withdrawn(lake: Lake, ids: Iterable[str]) -> None:
    """Adds posts to the list, atomically."""
    path = _path(lake)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(sorted({*ids, *withdrawn_items(lake)})), "utf-8")
    temporary.replace(path)


def _path(lake: Lake) -> Path:
    return lake.home / "withdrawn.json"
