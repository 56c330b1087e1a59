"""What every worker does around its work: take the request, report, and end when its parent does."""

import base64
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dagster_pipes import PipesContext, open_dagster_pipes
from pydantic import BaseModel

from bias_platform.errors import UserError
from bias_platform.progress import ProgressPrinter
from bias_platform.storage.manifest import Manifest

USER_ERROR_EXIT = 2
"""Exit status of a worker that ended with a sentence for the user; trying again would end the same way."""

_PARENT_POLL_SECONDS = 0.5


class Publication(BaseModel):
    """Where and as what a worker publishes: the arguments of `storage.publish`, as sent over the wire."""

    target: Path
    name: str
    code_version: str
    inputs: dict[str, str]
    parameters: dict[str, Any]

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments for `storage.publish`."""
        return {field: getattr(self, field) for field in type(self).model_fields}


class Session:
    """A worker's line to whoever started it.

    Args:
        pipes: the open Dagster Pipes context.
    """

    def __init__(self, pipes: PipesContext) -> None:
        self._pipes = pipes
        self.request: dict[str, Any] = dict(pipes.extras)

    def say(self, line: str) -> None:
        """One line for the log of the run."""
        self._pipes.log.info(line)

    def progress(self, title: str, every: float = 10.0) -> ProgressPrinter:
        """A sink for frequent progress reports that says a line every few seconds."""
        return ProgressPrinter(self.say, title, every)

    def published(self, key: str, manifest: Manifest, **metadata: Any) -> None:
        """Tells that the artefact of a partition (or of the asset, with an empty key) is now there."""
        self.send({"kind": "published", "key": key, "data_version": manifest.data_version, "metadata": metadata})

    def send(self, message: dict[str, Any]) -> None:
        """Sends a message of a kind that the starting asset understands."""
        self._pipes.report_custom_message(message)


def run_worker(work: Callable[[Session], None]) -> None:
    """Runs a worker's work and exits the process.

    A `UserError` becomes its sentence and exit status 2; anything else a traceback and status 1.
    """
    signal.signal(signal.SIGTERM, _raise_exit)
    _watch_parent(os.getppid())
    with open_dagster_pipes() as pipes:
        session = Session(pipes)
        try:
            work(session)
        except UserError as error:
            session.send({"kind": "user_error", "text": str(error)})
            print(error, file=sys.stderr)
            status = USER_ERROR_EXIT
        else:
            status = 0
    sys.exit(status)


def _raise_exit(signal_number: int, _frame: object) -> None:
    # SystemExit unwinds the stack, so that an open ledger commits what it holds
    sys.exit(128 + signal_number)


def _watch_parent(parent: int) -> None:
    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_POLL_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)
        os._exit(1)  # the main thread is stuck in native code: better lost work of a second than an orphan

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def as_base64(picture: bytes) -> str:
    """A picture as it is reported for the UI, under a name that ends in `_png`."""
    return base64.b64encode(picture).decode("ascii")
