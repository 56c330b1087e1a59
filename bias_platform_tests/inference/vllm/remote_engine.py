"""An engine that works in `.venv-vllm`, asked from here."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from bias_platform import errors
from bias_platform.inference.engines.base import (
    Decoding,
    EngineIdentity,
    Failure,
    GeneratedBatch,
    Generation,
    Prompt,
    ScoredBatch,
)

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".venv-vllm" / "bin" / "python"
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "PYTHONPATH": str(ROOT),
}
"""As a worker's."""
_NONE: Mapping[str, Path] = MappingProxyType({})


class RemoteEngine:
    """A vllm engine in a process of its own, which ends with the `with` block.

    Args:
        model: folder of the base or checkpoint.
        adapter: folder of the system's adapter.
        adapters: further ones by name.
        settings: fields of `EngineSettings`.
    """

    def __init__(
        self, model: Path, adapter: Path | None = None, adapters: Mapping[str, Path] = _NONE, **settings: Any
    ) -> None:
        self._process = subprocess.Popen(
            [str(PYTHON), "-m", "bias_platform_tests.inference.vllm.engine_process"],
            cwd=ROOT,
            env={**os.environ, **_ENVIRONMENT},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._order = {
            "model": str(model),
            "adapter": str(adapter) if adapter else None,
            "adapters": {name: str(folder) for name, folder in adapters.items()},
            "settings": settings,
        }

    def __enter__(self) -> "RemoteEngine":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def load(self, model: Path | None = None) -> tuple[EngineIdentity, EngineIdentity]:
        """The engine's identity, and the one announced beforehand. After a refusal, another `model` may be tried."""
        said = self._ask(self._order if model is None else {**self._order, "model": str(model)})
        self.identities = EngineIdentity(*said["identity"]), EngineIdentity(*said["announced"])
        return self.identities

    def stats(self) -> dict[str, Any]:
        """`EngineStats.facts`, with the notes as a list."""
        return dict(self._ask({"call": "stats"}))

    def score_choices(
        self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]], scoring: str, batches: int = 0
    ) -> Iterator[ScoredBatch]:
        """As `Engine.score_choices`; `batches`: stop listening after that many."""
        return self._score("score_choices", prompts, options, scoring, batches)

    def score_naive(
        self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]], scoring: str
    ) -> Iterator[ScoredBatch]:
        """The yardstick."""
        return self._score("score_naive", prompts, options, scoring, 0)

    def generate(self, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[GeneratedBatch]:
        """As `Engine.generate`."""
        said = self._ask({"call": "generate", "prompts": _sent(prompts), "decoding": decoding._asdict()})
        for batch in said:
            generations = [Generation(*each) for each in batch["generations"]]
            yield GeneratedBatch(batch["indices"], generations, _failures(batch))

    def _score(
        self, call: str, prompts: Sequence[Prompt], options: Sequence[Sequence[str]], scoring: str, batches: int
    ) -> Iterator[ScoredBatch]:
        asked = {"prompts": _sent(prompts), "options": [list(each) for each in options], "scoring": scoring}
        for batch in self._ask({"call": call, "batches": batches, **asked}):
            yield ScoredBatch(batch["indices"], np.array(batch["logprobs"]), _failures(batch))

    def _ask(self, asked: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the engine's process ended with status {self._process.wait()}; see its error output")
        said = json.loads(line)
        if isinstance(said, dict) and "error" in said:
            raise getattr(errors, said["error"])(said["text"])
        return said


def _sent(prompts: Sequence[Prompt]) -> list[dict[str, Any]]:
    return [
        {
            "messages": [dict(message) for message in prompt.messages],
            "images": [(str(image.path), image.digest.hex(), image.media_type) for image in prompt.images],
            "seed": prompt.seed,
            "adapter": prompt.adapter,
        }
        for prompt in prompts
    ]


def _failures(batch: dict[str, Any]) -> dict[int, Failure]:
    return {row: Failure(*failure) for row, failure in batch["failures"]}
