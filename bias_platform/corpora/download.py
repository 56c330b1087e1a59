"""Fetches the files of a corpus that can be had without asking anybody: checked, and whole or not at all.

What is there already is never overwritten: it stays if it is the same, and is refused if it is not.
"""

import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO, NamedTuple
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from bias_platform.catalog.corpus_settings import DownloadFile
from bias_platform.corpora.archives import extract_members
from bias_platform.corpora.checksum_notes import noted_checksums, write_checksums
from bias_platform.errors import CorpusError
from bias_platform.progress import Progress, Report
from bias_platform.storage.hashing import file_hash
from bias_platform.storage.publication import sync_directory

MOST_BYTES = 8 << 30
"""A download or an archive's content beyond 8 GiB is refused: no corpus of texts has that, and disks fill up."""

Opener = Callable[[str], HTTPResponse]
"""Takes an address, returns the answer to read from."""

_BLOCK = 1 << 16
_SECONDS = 60.0


class Fetched(NamedTuple):
    """A file that is now where it belongs."""

    path: Path
    new: bool
    """False: it was there already, with this very content"""


class _OnlyHttps(HTTPRedirectHandler):
    """A redirect to an unprotected address would let anybody on the way choose the bytes."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        if urlsplit(newurl).scheme != "https":
            raise CorpusError(f"the download is redirected to {newurl}, which is not https; nothing was fetched")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def open_https(url: str) -> HTTPResponse:
    """Opens an address, https throughout its redirects; proxies are those of the environment."""
    opener = build_opener(_OnlyHttps())
    answer: HTTPResponse = opener.open(Request(url, headers={"User-Agent": "bias-platform"}), timeout=_SECONDS)
    return answer


def fetch_file(
    file: DownloadFile, folder: Path, report: Report, opener: Opener = open_https, name: str | None = None
) -> list[Fetched]:
    """Brings one declared file, or the declared members of an archive, into a folder.

    The checksum is the declared one, or the one noted in `<file>.sha256` when it was fetched first; the checksums of
    members are noted there too, so that a second call finds everything there without a download.

    Args:
        file: address, checksum, members.
        folder: made if it is not there.
        report: told how many kB have come.
        opener: opens the address.
        name: what a file that is no archive is called; None: as at its address.

    Raises:
        CorpusError: the address does not answer, the bytes are not the declared ones, the archive lacks a member or
            holds it as anything but a plain file, or other content is there already. Nothing is changed then.
    """
    source = Path(urlsplit(file.url).path).name
    targets = [folder / Path(member).name for member in file.members] or [folder / (name or source)]
    note = folder / f"{source}.sha256"
    noted = noted_checksums(note)
    if not file.members and file.sha256 is not None:  # such a file can be told without a note
        noted = {source: file.sha256, targets[0].name: file.sha256}
    if file.sha256 in (None, noted.get(source)) and _as_noted(targets, noted):
        return [Fetched(target, False) for target in targets]
    with _staging(folder) as staging:
        staged, checksum = _downloaded(file, staging, report, opener)
        _check(file, checksum, noted.get(source), note)
        staged_files = extract_members(staged, file.members, staging, MOST_BYTES) if file.members else [staged]
        fetched = _install(staged_files, targets)
        checksums = {source: checksum, **{target.name: file_hash(target) for target in targets}}
        write_checksums(note, checksums, staging)
    sync_directory(folder)
    return fetched


def _as_noted(targets: list[Path], noted: dict[str, str]) -> bool:
    return all(target.is_file() and file_hash(target) == noted.get(target.name) for target in targets)


@contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """A folder beside the targets, gone at the end; those of processes that were killed go first."""
    staging = folder / f".fetch-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(".fetch-*-*"):
            if not Path("/proc", left.name.split("-")[1]).exists():
                shutil.rmtree(left, ignore_errors=True)
        staging.mkdir()
        yield staging
    except OSError as error:
        raise CorpusError(f"{folder} cannot be written: {error.strerror or error}; nothing was fetched") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if new and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()  # an empty folder would pass for a corpus without files


def _downloaded(file: DownloadFile, staging: Path, report: Report, opener: Opener) -> tuple[Path, str]:
    """The file as it came, and its SHA-256."""
    path = staging / "download"
    digest = hashlib.sha256()
    with path.open("wb") as stream:
        for block in _blocks(file.url, report, opener):
            digest.update(block)
            stream.write(block)
        stream.flush()
        os.fsync(stream.fileno())
    return path, digest.hexdigest()


def _blocks(url: str, report: Report, opener: Opener) -> Iterator[bytes]:
    """What comes from an address; errors of the network are told apart from those of the disk, where blocks go."""
    try:
        with opener(url) as answer:
            declared = answer.headers.get("Content-Length") or ""
            total = int(declared) if declared.isdigit() else 0
            come = 0
            while block := answer.read(_BLOCK):
                come += len(block)
                if max(come, total) > MOST_BYTES:
                    raise CorpusError(f"{url} is larger than {MOST_BYTES >> 30} GiB; nothing was fetched")
                report(Progress(come // 1000, max(total, come) // 1000 + 1, "kB"))
                yield block
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise CorpusError(f"{url} cannot be fetched ({reason}); check the network and try again") from error
    if come < total:  # the connection broke: reading a block then just ends
        raise CorpusError(f"{url} ended after {come:,} of {total:,} bytes; try again")
    report(Progress(come // 1000, come // 1000, "kB"))


def _check(file: DownloadFile, found: str, noted: str | None, note: Path) -> None:
    if file.sha256 is not None and found != file.sha256:
        raise CorpusError(
            f"{file.url} is not what the catalog declares: its SHA-256 is {found}, declared is {file.sha256}; nothing "
            "was kept. If the source has published it anew, look at it and change `sha256`"
        )
    if file.sha256 is None and noted is not None and found != noted:
        raise CorpusError(
            f"{file.url} is not what was fetched before: its SHA-256 is {found}, noted is {noted}; nothing was kept. "
            f"If the source has published it anew, delete {note} and the files it names, and fetch again"
        )


def _install(staged: list[Path], targets: list[Path]) -> list[Fetched]:
    """Renames files into place, unless other content is at one of the places."""
    there = [target.exists() for target in targets]
    changed = [
        str(target)
        for file, target, old in zip(staged, targets, there, strict=True)
        if old and not (target.is_file() and file_hash(target) == file_hash(file))
    ]
    if changed:
        raise CorpusError(
            f"other content is there already: {', '.join(changed)}; nothing was changed. Move it away, then fetch again"
        )
    for file, target, old in zip(staged, targets, there, strict=True):
        if not old:
            file.rename(target)
    return [Fetched(target, not old) for target, old in zip(targets, there, strict=True)]
