"""Takes declared files out of an archive, and nothing else: no links, no way out of the folder, no endless file."""

import gzip
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from bias_platform.errors import CorpusError

_BLOCK = 1 << 20


class _Member(NamedTuple):
    """A declared member as the archive has it."""

    name: str
    stream: IO[bytes]


def extract_members(archive: Path, members: Sequence[str], folder: Path, most_bytes: int) -> list[Path]:
    """Extracts members of a tar archive (compressed or not) or a zip file.

    Args:
        archive: told apart by content, not by name.
        members: names in the archive; a leading `./` does not count, nor does a folder that all of it lies in.
        folder: takes the files, each under the last part of its name.
        most_bytes: of all members together, as they come out.

    Returns:
        the files, in the order of `members`, synced to disk.

    Raises:
        CorpusError: no such archive, a member that is missing, not a plain file or leads out of the folder, or more
            bytes than allowed.
    """
    paths = []
    try:
        with _opened(archive, members, folder) as found:
            left = most_bytes
            for member in found:
                path = folder / Path(member.name).name
                left -= _copied(member, path, left)
                paths.append(path)
    except (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, RuntimeError) as error:
        raise CorpusError(f"the archive is damaged, or {_words(members)} cannot be taken out of it: {error}") from error
    return paths


@contextmanager
def _opened(archive: Path, members: Sequence[str], folder: Path) -> Iterator[Iterator[_Member]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            yield _zip_members(opened, members)
    else:
        with tarfile.open(archive) as opened_tar:
            yield _tar_members(opened_tar, members, folder)


def _tar_members(archive: tarfile.TarFile, members: Sequence[str], folder: Path) -> Iterator[_Member]:
    known = {info.name: info for info in archive.getmembers()}
    for name, stored in _stored_names(members, list(known)).items():
        info = tarfile.data_filter(known[stored], str(folder))  # refuses ways out of the folder and devices
        if not info.isreg():
            raise CorpusError(f"'{name}' is no plain file in the archive; nothing was extracted")
        stream = archive.extractfile(info)
        assert stream is not None
        yield _Member(name, stream)


def _zip_members(archive: zipfile.ZipFile, members: Sequence[str]) -> Iterator[_Member]:
    known = {info.filename: info for info in archive.infolist()}
    for name, stored in _stored_names(members, list(known)).items():
        info = known[stored]
        kind = stat.S_IFMT(info.external_attr >> 16)
        if info.is_dir() or kind not in (0, stat.S_IFREG):
            raise CorpusError(f"'{name}' is no plain file in the archive; nothing was extracted")
        with archive.open(info) as stream:
            yield _Member(name, stream)


def _stored_names(members: Sequence[str], there: Sequence[str]) -> dict[str, str]:
    """Declared name -> name in the archive: the same, or the only one that ends so below a folder."""
    stored: dict[str, str] = {}
    missing = []
    for name in members:
        found = [other for other in there if other == name] or [other for other in there if other.endswith(f"/{name}")]
        if len(found) == 1:
            stored[name] = found[0]
        else:
            missing.append(name)
    if missing:
        shown = ", ".join(there[:20]) + (", ..." if len(there) > 20 else "")
        raise CorpusError(f"the archive has no {_words(missing)}, or several; it holds {shown or 'nothing'}")
    return stored


def _copied(member: _Member, path: Path, most_bytes: int) -> int:
    """Bytes written. What an archive claims of a size is not believed: the bytes are counted as they come."""
    written = 0
    with path.open("xb") as target:
        while block := member.stream.read(_BLOCK):
            written += len(block)
            if written > most_bytes:
                raise CorpusError(f"'{member.name}' comes out of the archive larger than allowed; nothing was kept")
            target.write(block)
        target.flush()
        os.fsync(target.fileno())
    return written


def _words(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
