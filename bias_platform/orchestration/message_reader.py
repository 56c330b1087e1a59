"""Reads what a worker says over Pipes, whole messages only.

Dagster's own reader of files takes what it finds up to the end for a line. A long message (a report's metadata with its
plots) can be half written then, and reading would end with it.
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import dagster as dg
from dagster_pipes import PipesDefaultMessageWriter

_PAUSE = 0.01
"""Seconds between two looks at a file that has not grown."""


class WholeMessageReader(dg.PipesMessageReader):
    """Follows a temporary file to which a worker appends one message a line."""

    @contextmanager
    def read_messages(self, handler: Any) -> Iterator[dict[str, Any]]:
        """Hands every message to `handler` while the block runs; yields what the worker must know to write them."""
        with tempfile.TemporaryDirectory() as folder:
            path, ended = Path(folder) / "messages", Event()
            path.touch()
            thread = Thread(target=self._follow, args=(path, handler, ended), daemon=True)
            thread.start()
            try:
                yield {PipesDefaultMessageWriter.FILE_PATH_KEY: str(path)}
            finally:
                ended.set()
                thread.join()

    def no_messages_debug_text(self) -> str:
        """What is told where no message came."""
        return "Attempted to read messages from a temporary file."

    def _follow(self, path: Path, handler: Any, ended: Event) -> None:
        try:
            for line in whole_lines(path, ended):
                handler.handle_message(json.loads(line))
        except BaseException:
            handler.report_pipes_framework_exception(f"{type(self).__name__} reader thread", sys.exc_info())
            raise


def whole_lines(path: Path, ended: Event) -> Iterator[str]:
    """Lines of a growing file, each once it is complete, until it no longer grows after `ended` is set."""
    begun = ""
    with path.open(encoding="utf-8") as file:
        while True:
            last = ended.is_set()
            begun += (part := file.readline())
            if begun.endswith("\n"):
                yield begun
                begun = ""
            elif not part:
                if last:
                    return
                time.sleep(_PAUSE)
