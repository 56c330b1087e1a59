"""The noise floor of a study: the same questions put to the same systems again, and what is changed meanwhile."""

import json
from typing import Literal

from pydantic import Field

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.catalog.entry import Entry
from bias_platform.catalog.slugs import Slug, SystemSlug


class RepeatSettings(Entry):
    """One asking-again. What it does not name is as in the study; naming nothing asks the very same again."""

    name: Slug = Field(description="names it in partitions and reports; under another name everything is asked anew")
    batch_tokens: int | None = Field(
        None, ge=256, description="upper bound of tokens in one forward pass: other questions share a pass"
    )
    concurrency: int | None = Field(
        None, ge=1, le=4096, description="most requests an endpoint is sent at once: other requests share its batches"
    )
    order: Literal["study", "shuffled"] = Field(
        "study",
        description="study: persona by persona; shuffled: in calls of few questions drawn from all personas, so that "
        "other beginnings are shared and other questions stand in a batch",
    )
    dtype: Literal["float32", "bfloat16"] | None = Field(None, description="another number format of the computation")
    engine: Literal["transformers", "vllm", "openai"] | None = Field(None, description="another engine")
    systems: tuple[SystemSlug, ...] = Field((), description="only these of the study's systems; empty: all")

    def applied_to(self, settings: EngineSettings) -> EngineSettings:
        """How the questions are put again, where the study puts them by `settings`."""
        named = {
            "batch_tokens": self.batch_tokens,
            "concurrency": self.concurrency,
            "dtype": self.dtype,
            "name": self.engine,
        }
        return settings.model_copy(update={field: value for field, value in named.items() if value is not None})

    def repetition(self, seed: int) -> str:
        """Tells its cells from the study's own, and from those of another repeat, in their identity.

        Engine and number format stand in every cell's identity; batches and order, which do not, are named here.

        Args:
            seed: of the noise floor, by which an order is shuffled.
        """
        named = {"batch_tokens": self.batch_tokens, "concurrency": self.concurrency}
        parts: dict[str, str | int] = {field: value for field, value in named.items() if value is not None}
        if self.order == "shuffled":
            parts |= {"order": self.order, "seed": seed}
        return json.dumps({"again": self.name, **parts}, sort_keys=True)

    def changed(self) -> str:
        """What is not as in the study, in words; empty: nothing.

        >>> RepeatSettings(name="small", batch_tokens=512, dtype="bfloat16").changed()
        'batches of at most 512 tokens; bfloat16'
        """
        said = [
            f"batches of at most {self.batch_tokens:,} tokens" if self.batch_tokens else "",
            f"at most {self.concurrency:,} requests at once" if self.concurrency else "",
            "shuffled order" if self.order == "shuffled" else "",
            self.dtype or "",
            f"engine {self.engine}" if self.engine else "",
        ]
        return "; ".join(filter(None, said))


class NoiseFloor(Entry):
    """Which of a study's questions are asked again, and how: what serving alone moves, without any other cause."""

    items: int | None = Field(
        None,
        ge=2,
        description="of the study's items, drawn without replacement; empty: all, so that batches are the same",
    )
    seed: int = Field(0, ge=0, description="of drawing the items, and of shuffling")
    personas: tuple[Slug, ...] = Field(
        (), description="only these personas, and always the control; `no-persona` is the baseline; empty: all"
    )
    repeats: tuple[RepeatSettings, ...] = Field(description="askings-again, at least one, each with answers of its own")

    def named(self, name: str) -> RepeatSettings:
        """The repeat of this name."""
        return next(repeat for repeat in self.repeats if repeat.name == name)

    def of_system(self, system: str) -> tuple[RepeatSettings, ...]:
        """The repeats that a system of the study is asked."""
        return tuple(repeat for repeat in self.repeats if not repeat.systems or system in repeat.systems)
