"""An engine on a server of the tests, a clock that needs no waiting, and prompts."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.errors import UserError
from bias_platform.inference.endpoints.calls import Patience
from bias_platform.inference.endpoints.endpoint import Endpoint
from bias_platform.inference.engines.base import Decoding, Failure, GeneratedBatch, Generation, Prompt, Usage
from bias_platform.inference.engines.openai_engine import OpenAIEngine
from bias_platform.inference.engines.registry import engine_identity
from bias_platform.inference.spending import Spending

KEY = "not-a-real-key-5d21"
SHORT = Decoding(16)
QUICK = Patience(first_backoff=0.002, longest_backoff=0.01)


class FakeClock:
    """Time passes only when somebody waits for it, and at once."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    def date(self) -> datetime:
        return datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds
        await asyncio.sleep(0)


def endpoint_at(url: str, key: str | None = KEY) -> Endpoint:
    """The endpoint `lab`."""
    return Endpoint("lab", url, SecretStr(key) if key else None)


def engine_at(
    url: str,
    *,
    spending: Spending | None = None,
    patience: Patience = QUICK,
    clock: Any = None,
    key: str | None = KEY,
    **settings: Any,
) -> OpenAIEngine:
    """An engine on the model `lab-model`."""
    chosen = EngineSettings.model_validate(
        {"name": "openai", "ask": "generate", "concurrency": 8, "timeout_seconds": 10} | settings
    )
    identity = engine_identity(chosen, "served")
    return OpenAIEngine(
        endpoint_at(url, key), "lab-model", chosen, identity, spending or Spending(), patience=patience, clock=clock
    )


def numbered(count: int) -> list[Prompt]:
    """So many different prompts."""
    system = {"role": "system", "content": "You are a teacher."}
    return [Prompt((system, {"role": "user", "content": f"Is post {number} rude?"})) for number in range(count)]


class Heard:
    """What an engine yields: each prompt at most once."""

    def __init__(self) -> None:
        self.texts: dict[int, Generation] = {}
        self.failures: dict[int, Failure] = {}
        self.usage = Usage()

    def listen(self, batches: Iterable[GeneratedBatch]) -> None:
        """Takes everything."""
        for batch in batches:
            assert not (set(batch.indices) | set(batch.failures)) & (set(self.texts) | set(self.failures))
            self.texts |= dict(zip(batch.indices, batch.generations, strict=True))
            self.failures |= dict(batch.failures)
            self.usage = Usage(*(left + right for left, right in zip(self.usage, batch.usage, strict=True)))


def written(
    engine: OpenAIEngine, prompts: Sequence[Prompt], decoding: Decoding = SHORT
) -> tuple[dict[int, Generation], dict[int, Failure], Usage]:
    """Everything the engine yields: texts, failures, usage."""
    heard = Heard()
    heard.listen(engine.generate(prompts, decoding))
    return heard.texts, heard.failures, heard.usage


def written_until_stopped(engine: OpenAIEngine, prompts: Sequence[Prompt]) -> tuple[Heard, UserError]:
    """What the engine yields before it raises, and what it raises."""
    heard = Heard()
    try:
        heard.listen(engine.generate(prompts, SHORT))
    except UserError as error:
        return heard, error
    raise AssertionError("the run went to its end")
