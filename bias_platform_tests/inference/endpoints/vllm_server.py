"""A vLLM server of the environment `.venv-vllm`, on this machine, for as long as a `with` block lasts."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from bias_platform_tests.inference.vllm.remote_engine import PYTHON

_DEADLINE = 300.0


class VllmServer:
    """Serves a folder's model as `tiny`, in float32, with the log-probabilities of as many tokens as wanted.

    Args:
        model: folder of weights and tokenizer.
        scratch: for what it writes.
        key: that requests must carry.
    """

    def __init__(self, model: Path, scratch: Path, key: str) -> None:
        self._port = _free_port()
        self._log = scratch / "server.log"
        arguments = ["--model", str(model), "--served-model-name", "tiny", "--host", "127.0.0.1"]
        arguments += ["--port", str(self._port), "--dtype", "float32", "--enforce-eager", "--block-size", "32"]
        arguments += ["--max-logprobs", "1000", "--api-key", key]
        self._command = [str(PYTHON), "-m", "vllm.entrypoints.openai.api_server", *arguments]
        self._environment = _environment(scratch)
        self._scratch = scratch

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://127.0.0.1:{self._port}/v1"

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                cwd=self._scratch,
                start_new_session=True,
            )
        try:
            self._wait()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end()

    def _wait(self) -> None:
        deadline = time.monotonic() + _DEADLINE
        while not self._is_up():
            if self._process.poll() is not None or time.monotonic() > deadline:
                lines = self._log.read_text("utf-8", "replace").splitlines()[-30:]
                raise RuntimeError("the vLLM server did not start:\n" + "\n".join(lines))
            time.sleep(0.5)

    def _is_up(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/health", timeout=5) as reply:
                return bool(reply.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def _end(self) -> None:
        """The server and the processes it has started: they are a session of their own."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _environment(scratch: Path) -> dict[str, str]:
    """Of a server on CPU; nothing of it is looked up or told elsewhere."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH" and "proxy" not in name.lower()}
    return {
        **kept,
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": "1",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "LD_PRELOAD": str(PYTHON.parents[1] / "lib" / "libiomp5.so"),
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_CACHE_ROOT": str(scratch / "cache"),
        "VLLM_CONFIG_ROOT": str(scratch / "config"),
    }
