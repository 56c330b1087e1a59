"""Versions of what each room publishes."""

from typing import Any

from bias_platform.storage.hashing import value_hash

CODE_VERSIONS = {
    "corpora": "2",
    "personas": "1",
    "questions": "1",
    "examples": "2",
    "base": "1",
    "adapters": "1",
    "checkpoints": "1",
    "systems": "1",
    "predictions": "2",
    "repeats": "1",
    "index": "1",
    "report": "6",
    "agreement": "1",
    "power": "2",
}
"""Raise one when the code of a room changes what it would publish: its artefacts then count as out of date."""


def asset_code_version(room: str, declared: Any = None) -> str:
    """The code version Dagster shows: of the room, and of what the catalog declares of an unpartitioned asset."""
    return f"{room}-{CODE_VERSIONS[room]}" + (f"-{value_hash(declared)[:12]}" if declared is not None else "")
