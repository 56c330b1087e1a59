"""Run by the Python of `.venv-vllm`: makes an engine there and answers what it is asked, one JSON line each.

The first line orders the engine, every further one is a call; see `remote_engine`, which starts this.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.errors import UserError
from bias_platform.inference.engines.base import Decoding, Image, Prompt
from bias_platform.inference.engines.registry import EngineOrder, identity_for
from bias_platform.inference.engines.vllm_engine import VllmEngine, load_engine
from bias_platform.inference.spending import Spending
from bias_platform.models.source import ModelSource
from bias_platform.models.system import ResolvedSystem


def serve() -> None:
    """Reads lines until there are no more. What libraries print goes to the error stream."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    engine: VllmEngine | None = None
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            if engine is None:
                engine = _load(asked)
                said: Any = {"identity": engine.identity, "announced": identity_for(*_settings_and_system(asked))}
            else:
                said = _call(engine, asked)
        except UserError as error:
            said = {"error": type(error).__name__, "text": str(error)}
        print(json.dumps(said), file=answers, flush=True)


def _load(asked: dict[str, Any]) -> VllmEngine:
    settings, system = _settings_and_system(asked)
    order = EngineOrder(system, settings, identity_for(settings, system), Spending())
    return load_engine(order, {name: Path(folder) for name, folder in asked["adapters"].items()})


def _settings_and_system(asked: dict[str, Any]) -> tuple[EngineSettings, ResolvedSystem]:
    source = ModelSource(kind="folder", location=asked["model"])
    adapter = Path(asked["adapter"]) if asked["adapter"] else None
    system = ResolvedSystem(slug="small", source=source, adapter=adapter, identity="1" * 32)
    return EngineSettings(name="vllm", **asked["settings"]), system


def _call(engine: VllmEngine, asked: dict[str, Any]) -> Any:
    match asked["call"]:
        case "stats":
            return {**engine.stats.facts(), "notes": engine.stats.notes}
        case "generate":
            return [
                {
                    "indices": batch.indices,
                    "generations": batch.generations,
                    "failures": list(batch.failures.items()),
                }
                for batch in engine.generate(_prompts(asked), Decoding(**asked["decoding"]))
            ]
        case call:
            batches = getattr(engine, call)(_prompts(asked), asked["options"], asked["scoring"])
            taken = []
            for batch in batches:
                taken.append(
                    {
                        "indices": batch.indices,
                        "logprobs": batch.logprobs.tolist(),
                        "failures": list(batch.failures.items()),
                    }
                )
                if len(taken) == asked["batches"]:
                    break
            return taken


def _prompts(asked: dict[str, Any]) -> list[Prompt]:
    return [
        Prompt(
            tuple(each["messages"]),
            tuple(Image(Path(path), bytes.fromhex(digest), media) for path, digest, media in each["images"]),
            each["seed"],
            each["adapter"],
        )
        for each in asked["prompts"]
    ]


if __name__ == "__main__":
    serve()
