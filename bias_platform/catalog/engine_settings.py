"""How questions are put to a system: the engine, how an answer is read, and what may be spent on it."""

from typing import Literal

from pydantic import Field

from bias_platform.catalog.entry import Entry


class DecodingSettings(Entry):
    """How text is generated."""

    maximum_tokens: int = Field(512, ge=1, le=131_072, description="longest answer; a longer one is `truncated`")
    temperature: float = Field(0.0, ge=0, le=2, description="0: always the likeliest token")
    top_p: float = Field(1.0, gt=0, le=1, description="sample from the likeliest tokens of this summed probability")
    seed: int = Field(0, ge=0, description="of sampling; every question and replicate draws by a seed of its own")


class Budget(Entry):
    """What a study may spend at endpoints, earlier runs of its systems at its task counted in."""

    tokens: int | None = Field(None, ge=1, description="read and written together; empty: no limit")
    money: float | None = Field(None, gt=0, description="in the currency of the models' `price`; empty: no limit")


class Price(Entry):
    """What an endpoint takes for a million tokens."""

    input: float = Field(ge=0, description="for tokens read")
    output: float = Field(ge=0, description="for tokens written")
    cached_input: float | None = Field(None, ge=0, description="for tokens read from its cache; empty: as `input`")
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$", description="ISO 4217 code")


class EngineSettings(Entry):
    """How questions are put to a system."""

    name: Literal["transformers", "vllm", "openai"] = Field(
        "transformers",
        description="transformers: here, on CPU or GPU; vllm: here, in its own environment (`make vllm`); openai: any "
        "OpenAI-compatible endpoint, for models of kind api",
    )
    ask: Literal["score", "generate"] = Field(
        "score", description="score: compare the options' log-probabilities; generate: let the model write, and read it"
    )
    scoring: Literal["sum", "mean", "first-token"] = Field(
        "sum", description="summed, per-token mean, or first-token log-probability of each option"
    )
    decoding: DecodingSettings = Field(DecodingSettings(), description="how text is generated")
    structured: bool = Field(
        False, description="generation may write nothing but an allowed answer (vllm and endpoints that support it)"
    )
    dtype: Literal["float32", "bfloat16"] = Field(
        "float32", description="number format of the computation; an endpoint's own is in its model's entry"
    )
    top_logprobs: int = Field(20, ge=1, le=1000, description="likeliest tokens an endpoint is asked for when scoring")
    batch_tokens: int = Field(16384, ge=256, description="upper bound of tokens in one forward pass")
    concurrency: int = Field(32, ge=1, le=4096, description="most requests an endpoint is sent at once")
    timeout_seconds: float = Field(120.0, gt=0, description="an endpoint that is silent for longer has failed")
    gpu_memory_share: float = Field(0.9, gt=0, le=1, description="of a GPU's memory that vllm takes")

    def deciding(self) -> dict[str, object]:
        """The settings that can change an answer, as plain values: what only changes the pace is left out."""
        return self.model_dump(mode="json", exclude=set(PACE))


PACE = ("batch_tokens", "concurrency", "timeout_seconds", "gpu_memory_share")
"""Fields of `EngineSettings` that change how fast answers come, and how they are rounded, but not what is asked."""
