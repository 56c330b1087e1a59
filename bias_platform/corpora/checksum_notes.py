"""`<file>.sha256`: checksums noted beside fetched files, in the form that `sha256sum --check` reads."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from bias_platform.errors import CorpusError

_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")


def noted_checksums(note: Path) -> dict[str, str]:
    """File name -> SHA-256 in hex; empty if nothing has been noted.

    Raises:
        CorpusError: the note holds anything else.
    """
    if not note.is_file():
        return {}
    lines = [_LINE.fullmatch(line) for line in note.read_text("utf-8", "replace").splitlines()]
    if not lines or None in lines:
        raise CorpusError(f"{note} is damaged; delete it, and what was fetched is fetched and compared again")
    return {match[2]: match[1] for match in lines if match}


def write_checksums(note: Path, checksums: Mapping[str, str], staging: Path) -> None:
    """Writes the note, atomically: in `staging` (on the same disk) first."""
    temporary = staging / note.name
    with temporary.open("w", encoding="utf-8") as stream:
        stream.writelines(f"{checksum}  {name}\n" for name, checksum in checksums.items())
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(note)
