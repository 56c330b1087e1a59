"""One writer at a time, by a lock the operating system takes back when its holder dies."""

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from bias_platform.errors import LedgerBusyError

_LOOK_AGAIN_SECONDS = 0.2
_SAY_AGAIN_SECONDS = 30.0


class WriterLock:
    """An exclusive lock beside a file. The lock file stays; whether it is held is not a matter of its existence.

    Args:
        path: the lock file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
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
            said = -_SAY_AGAIN_SECONDS
            while not _try_lock(descriptor):
                holder = _read_holder(descriptor)
                if not wait:
                    raise LedgerBusyError(
                        f"the ledger {guarded} is being written by {holder}; wait until it has finished, or stop it"
                    )
                if time.monotonic() - said >= _SAY_AGAIN_SECONDS:
                    on_wait(f"the ledger {guarded} is being written by {holder}; waiting for it to finish")
                    said = time.monotonic()
                time.sleep(_LOOK_AGAIN_SECONDS)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()}".encode(), 0)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def release(self) -> None:
        """Gives the lock back; nothing happens if it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_holder(descriptor: int) -> str:
    return os.pread(descriptor, 200, 0).decode("utf-8", "replace") or "another process"
