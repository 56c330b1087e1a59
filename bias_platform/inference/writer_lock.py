"""One writer at a time, by a lock the operating system takes back when its holder dies."""

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from bias_platform.errors import ArtifactError, LedgerBusyError

_LOOK_AGAIN_SECONDS = 0.2
_SAY_AGAIN_SECONDS = 30.0
_REFUSE_AFTER_SECONDS = 0.1  # whoever only looks who writes holds the lock for a moment
_WRITING, _CLOSED = "writing", "closed"


class WriterLock:
    """An exclusive lock beside a file. The lock file stays; whether it is held is not a matter of its existence.

    Args:
        path: the lock file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.left_open = False
        """whether the writer before was cut off between `note_writing` and `release`"""
        self._descriptor: int | None = None

    def acquire(self, guarded: Path, *, wait: bool, on_wait: Callable[[str], None]) -> None:
        """Takes the lock.

        Args:
            guarded: the file, for messages.
            wait: wait for it, or refuse.
            on_wait: is told whom one waits for, at once and then every half minute.

        Raises:
            LedgerBusyError: somebody else has it and `wait` is False.
        """
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            _take(descriptor, guarded, wait=wait, on_wait=on_wait)
            self.left_open = _read(descriptor)[1:2] == [_WRITING]
            _write(descriptor, _WRITING if self.left_open else _CLOSED)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def note_writing(self) -> None:
        """From now on the file is open: who finds it so without a holder knows that its writer was cut off."""
        if self._descriptor is not None:
            _write(self._descriptor, _WRITING)

    def release(self, *, closed: bool = True) -> None:
        """Gives the lock back; nothing happens if it is not held.

        Args:
            closed: whether the guarded file was closed in order; False leaves what is noted as it is.
        """
        if self._descriptor is not None:
            if closed:
                _write(self._descriptor, _CLOSED)
            os.close(self._descriptor)
            self._descriptor = None


def lock_of(path: Path) -> WriterLock:
    """The lock of a ledger file, not taken."""
    return WriterLock(path.with_name(path.name + ".lock"))


def locked(path: Path, *, wait: bool, on_wait: Callable[[str], None]) -> WriterLock:
    """Takes a ledger's lock; its folder is made.

    Raises:
        LedgerBusyError: another process has it and `wait` is False.
        ArtifactError: the folder cannot be written.
    """
    lock = lock_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(path, wait=wait, on_wait=on_wait)
    except OSError as error:
        raise ArtifactError(
            f"the ledger {path} cannot be written ({error.strerror or error}); make room or check the permissions of "
            "its folder, then run it again"
        ) from error
    return lock


def holder_of(lock: WriterLock) -> str | None:
    """Who holds a lock now, e.g. `process 4242`; None if nobody does."""
    if not lock.path.exists():
        return None
    descriptor = os.open(lock.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return None if _try_lock(descriptor, fcntl.LOCK_SH) else _read(descriptor)[0]
    finally:
        os.close(descriptor)


def _take(descriptor: int, guarded: Path, *, wait: bool, on_wait: Callable[[str], None]) -> None:
    began = time.monotonic()
    said = -_SAY_AGAIN_SECONDS
    while not _try_lock(descriptor, fcntl.LOCK_EX):
        holder = _read(descriptor)[0]
        if not wait and time.monotonic() - began >= _REFUSE_AFTER_SECONDS:
            raise LedgerBusyError(
                f"the ledger {guarded} is being written by {holder}; wait until it has finished, or stop it"
            )
        if wait and time.monotonic() - said >= _SAY_AGAIN_SECONDS:
            on_wait(f"the ledger {guarded} is being written by {holder}; waiting for it to finish")
            said = time.monotonic()
        time.sleep(_LOOK_AGAIN_SECONDS if wait else _REFUSE_AFTER_SECONDS / 4)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(descriptor: int) -> list[str]:
    """The holder, and how the file was left."""
    return os.pread(descriptor, 200, 0).decode("utf-8", "replace").splitlines() or ["another process"]


def _write(descriptor: int, state: str) -> None:
    """Writes first and cuts off then, so that a full disk or a kill in between leaves something that can be read."""
    content = f"process {os.getpid()}\n{state}\n".encode()
    os.pwrite(descriptor, content, 0)
    os.ftruncate(descriptor, len(content))
