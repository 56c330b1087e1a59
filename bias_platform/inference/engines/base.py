"""What every engine keeps to: it scores the options of closed tasks, or writes. No heavy imports."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
TokenArray = npt.NDArray[np.int32]

Scoring = Literal["sum", "mean", "first-token"]
"""How an option's token log-probabilities become one number."""


class Image(NamedTuple):
    """A picture that goes with a prompt; its bytes are read when they are needed."""

    path: Path
    digest: bytes
    """16 bytes that change with any byte of the file"""
    media_type: str
    """e.g. `image/png`"""


class Prompt(NamedTuple):
    """What is put to the system."""

    messages: tuple[Mapping[str, str], ...]
    """chat messages with `role` and `content`; the last one is the user's"""
    images: tuple[Image, ...] = ()
    """shown with the last message, after its text"""
    seed: int | None = None
    """of sampling; None: nothing is drawn"""
    adapter: str | None = None
    """which of the engine's adapters answers; None: the system as loaded"""


class Failure(NamedTuple):
    """Why a prompt has no scores."""

    detail: str
    """a short constant reason, a colon, then particulars; counts are made by the part before the colon"""
    transient: bool
    """whether asking again later may help"""


class Usage(NamedTuple):
    """Tokens that were read and written, as an endpoint bills them; failed attempts count too."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    """of the input, those that came from a cache"""

    def plus(self, other: "Usage") -> "Usage":
        """Both together.

        >>> Usage(3, 1).plus(Usage(4, 0, 2))
        Usage(input_tokens=7, output_tokens=1, cached_tokens=2)
        """
        return Usage(*(one + another for one, another in zip(self, other, strict=True)))


NO_USAGE = Usage()
NO_FAILURES: Mapping[int, Failure] = MappingProxyType({})


class ScoredBatch(NamedTuple):
    """Scores of some of the prompts, in whatever order the engine found fastest."""

    indices: list[int]
    """positions in the sequence of prompts"""
    logprobs: FloatArray
    """len(indices) x options, natural logarithm, in each prompt's order of options"""
    failures: Mapping[int, Failure] = NO_FAILURES
    """position -> why it has no scores; never also in `indices`"""
    usage: Usage = NO_USAGE


Finish = Literal["stop", "length", "filter"]
"""Why writing ended: the model was done, the longest answer was reached, or the endpoint's filter took it away."""


class Generation(NamedTuple):
    """What the system wrote."""

    text: str
    finish: Finish
    input_tokens: int
    output_tokens: int


class GeneratedBatch(NamedTuple):
    """What was written to some of the prompts."""

    indices: list[int]
    """positions in the sequence of prompts"""
    generations: list[Generation]
    """one for each of `indices`"""
    failures: Mapping[int, Failure] = NO_FAILURES
    """position -> why nothing was written; never also in `indices`"""
    usage: Usage = NO_USAGE


class Decoding(NamedTuple):
    """How text is generated."""

    maximum_tokens: int = 512
    temperature: float = 0.0
    """0: always the likeliest token"""
    top_p: float = 1.0
    allowed: tuple[str, ...] = ()
    """the only texts that may be written (structured output); empty: anything"""


@dataclass
class EngineStats:
    """What an engine has done so far. All counts are tokens, padding left out unless named."""

    prompts: int = 0
    full_tokens: int = 0
    """one whole sequence for every option of every prompt, or for every prompt that is continued"""
    distinct_tokens: int = 0
    """nodes of the tree of all these sequences: the least that any sharing of prefixes must read; 0: not known, an
    endpoint does not tell"""
    sent_tokens: int = 0
    """read by the model"""
    padding_tokens: int = 0
    """read by the model and thrown away"""
    written_tokens: int = 0
    forward_passes: int = 0
    halved_batches: int = 0
    """batches cut in two for want of memory"""
    requests: int = 0
    """sent to an endpoint, repeated ones included"""
    repeated_requests: int = 0
    notes: list[str] = field(default_factory=list)
    """why the engine did not work in its usual way, if so"""

    @property
    def reused_share(self) -> float:
        """Share of `full_tokens` that the model did not have to read, 0 to 1."""
        return 1.0 - self.sent_tokens / self.full_tokens if self.full_tokens else 0.0

    @property
    def reachable_share(self) -> float:
        """Upper bound of `reused_share` for these prompts, 0 to 1."""
        return 1.0 - self.distinct_tokens / self.full_tokens if self.full_tokens else 0.0

    def facts(self) -> dict[str, Any]:
        """The counts as flat metadata; what follows from distinct tokens only where these are known."""
        known = {
            "tokens_distinct": self.distinct_tokens,
            "prefix_reuse_bound": round(self.reachable_share, 4),
        }
        return {
            **(known if self.distinct_tokens else {}),
            "prompts": self.prompts,
            "tokens_full_sequences": self.full_tokens,
            "tokens_sent": self.sent_tokens,
            "tokens_padding": self.padding_tokens,
            "tokens_written": self.written_tokens,
            "prefix_reuse_share": round(self.reused_share, 4),
            "forward_passes": self.forward_passes,
            "halved_batches": self.halved_batches,
            "requests": self.requests,
            "repeated_requests": self.repeated_requests,
            "notes": "; ".join(self.notes),
        }


class EngineIdentity(NamedTuple):
    """What of an engine enters a cell's identity; known without loading anything heavy."""

    name: str
    numerics_version: str
    """declared: raised when scores change beyond rounding, not with every release"""
    chat_template_hash: str


class Engine(Protocol):
    """Puts prompts to one system."""

    @property
    def identity(self) -> EngineIdentity:
        """Name, version of the numerics, chat template."""

    @property
    def stats(self) -> EngineStats:
        """Counts since the engine was made."""

    def score_choices(
        self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]], scoring: Scoring
    ) -> Iterator[ScoredBatch]:
        """Yields every prompt's position exactly once, scored or failed.

        Args:
            prompts: what is asked.
            options: the options of each prompt, canonical order, as the model would write them.
            scoring: how token log-probabilities are combined.

        Raises:
            UserError: the options cannot be told apart by this scoring rule.
            BudgetError: no more may be spent; what was yielded before is paid for and complete.
        """

    def generate(self, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[GeneratedBatch]:
        """Yields every prompt's position exactly once, continued or failed.

        Args:
            prompts: what is asked; a prompt's `seed` decides its own sampling and no other's.
            decoding: how.

        Raises:
            UserError: the engine cannot do what `decoding` or the prompts ask for.
            BudgetError: no more may be spent; what was yielded before is paid for and complete.
        """


class LoadedModel(Protocol):
    """What an engine needs of a loaded system (`models.loading.LoadedSystem` has it)."""

    @property
    def model(self) -> Any:
        """A causal language model in evaluation mode."""

    @property
    def tokenizer(self) -> Any:
        """Its tokenizer, with a chat template."""

    @property
    def chat_template_hash(self) -> str:
        """Changes with anything that changes how messages become text."""


@dataclass
class LazyEngine:
    """An engine that is made when the first question is put to it, so that a complete ledger loads no model.

    Args:
        identity: known beforehand.
        make: loads the system and creates the engine.
    """

    identity: EngineIdentity
    make: Callable[[], Engine]
    _engine: Engine | None = field(default=None, init=False)

    @property
    def loaded(self) -> bool:
        """Whether the engine has been made."""
        return self._engine is not None

    @property
    def stats(self) -> EngineStats:
        """The engine's counts; zeros as long as it is not made."""
        return self._engine.stats if self._engine else EngineStats()

    def score_choices(
        self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]], scoring: Scoring
    ) -> Iterator[ScoredBatch]:
        """See `Engine.score_choices`.

        Raises:
            RuntimeError: the engine that was made is not the announced one.
        """
        yield from self._made().score_choices(prompts, options, scoring)

    def generate(self, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[GeneratedBatch]:
        """See `Engine.generate`.

        Raises:
            RuntimeError: the engine that was made is not the announced one.
        """
        yield from self._made().generate(prompts, decoding)

    def _made(self) -> Engine:
        """Under another identity than the announced one, outcomes would be filed wrongly."""
        if self._engine is None:
            engine = self.make()
            if engine.identity != self.identity:
                raise RuntimeError(f"announced engine {self.identity} but made {engine.identity}")
            self._engine = engine
        return self._engine
