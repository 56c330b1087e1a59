"""The one seam through which heavy work leaves Dagster's process: a worker, started and followed over Pipes.

`LocalCompute` starts a subprocess on this machine. Another compute (a cluster's queue, say) implements the same
`follow` and drives the same worker modules.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
from dagster._core.pipes.context import (
    PipesMessageHandler,
    PipesSession,
    build_external_execution_context_data,
)

from bias_platform.errors import UserError
from bias_platform.orchestration.message_reader import WholeMessageReader
from bias_platform.workers.session import USER_ERROR_EXIT

_POLL_SECONDS = 0.1
_PATIENCE_SECONDS = 10.0


class WorkerDiedError(Exception):
    """A worker ended without having said why."""


class Job(NamedTuple):
    """A worker module and the environment it runs in."""

    name: str
    environment: str = "core"

    @property
    def module(self) -> str:
        """The module to run."""
        return f"bias_platform.workers.{self.name}"


class Compute(dg.ConfigurableResource, ABC):  # type: ignore[type-arg]
    """Runs workers."""

    @abstractmethod
    def follow(self, context: dg.AssetExecutionContext, job: Job, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Starts a worker and yields its messages as they come; returns when it has ended well.

        Raises:
            UserError: the worker ended with a sentence for the user; trying again would end the same way.
            WorkerDiedError: it died of something else; trying again may help.
        """


class LocalCompute(Compute):
    """A subprocess in its own process group on this machine, with one thread for linear algebra by default."""

    threads: int = 1

    def follow(self, context: dg.AssetExecutionContext, job: Job, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """See `Compute.follow`."""
        with _pipes_session(context, request) as session:
            process = self._start(job, session)
            with _ended_with_us(process):
                yield from _messages_until_end(session, process)
        received = session.get_custom_messages()
        _raise_for(process.returncode, job, received)

    def _start(self, job: Job, session: PipesSession) -> "subprocess.Popen[bytes]":
        environment = {
            **os.environ,
            **session.get_bootstrap_env_vars(),
            "OMP_NUM_THREADS": str(self.threads),
            "TOKENIZERS_PARALLELISM": "false",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "TQDM_DISABLE": "1",
        }
        command = [str(interpreter(job.environment)), "-m", job.module]
        return subprocess.Popen(command, env=environment, start_new_session=True)


@contextlib.contextmanager
def _pipes_session(context: dg.AssetExecutionContext, request: dict[str, Any]) -> Iterator[PipesSession]:
    """As `dagster.open_pipes_session`, which however forbids assets that record partitions as they come: it demands
    an output of every asset that opens a session."""
    context_data = build_external_execution_context_data(context, request)
    handler = PipesMessageHandler(context, WholeMessageReader())
    injector = dg.PipesTempFileContextInjector()
    with injector.inject_context(context_data) as injected, handler.handle_messages() as read:
        yield PipesSession(
            context_data=context_data,
            message_handler=handler,
            context_injector_params=injected,
            message_reader_params=read,
            context=context,
        )


def interpreter(environment: str) -> Path:
    """The Python of an environment: this one for `core`, else that of `.venv-<environment>` beside it.

    Raises:
        UserError: the environment has not been made.
    """
    if environment == "core":
        return Path(sys.executable)
    path = Path(sys.prefix).parent / f".venv-{environment}" / "bin" / "python"
    if not path.exists():
        raise UserError(f"the environment '{environment}' is not there ({path}): run `make {environment}`")
    return path


def _messages_until_end(session: PipesSession, process: "subprocess.Popen[bytes]") -> Iterator[dict[str, Any]]:
    seen = 0
    ended = False
    while True:
        received = session.get_custom_messages()
        yield from (dict(message) for message in received[seen:])
        seen = len(received)
        if ended:
            return
        ended = process.poll() is not None
        time.sleep(_POLL_SECONDS)


def _raise_for(status: int, job: Job, messages: Any) -> None:
    if status == 0:
        return
    sentences = [message["text"] for message in messages if message["kind"] == "user_error"]
    if status == USER_ERROR_EXIT and sentences:
        raise UserError(sentences[-1])
    died = f"was killed by signal {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
    raise WorkerDiedError(
        f"the worker '{job.name}' {died}; what it had finished is kept, and a new run goes on from there. "
        "Its output is in the run's compute logs"
    )


@contextlib.contextmanager
def _ended_with_us(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Whatever ends this block (termination in the UI, too), the worker and its children end with it."""
    try:
        yield
    finally:
        if process.poll() is None:
            _signal_group(process, signal.SIGTERM)
            try:
                process.wait(_PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                _signal_group(process, signal.SIGKILL)
                process.wait()


def _signal_group(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
