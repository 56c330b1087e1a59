"""Several adapters over one base, asked in one pass."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from bias_platform.errors import UserError
from bias_platform.inference.engines.base import Prompt
from bias_platform.models import loading

NO_ADAPTER = loading.NO_ADAPTER
"""Names the base itself."""


class AdaptedModel:
    """A transformers model, or a peft model with any number of adapters, called with the adapter of every row.

    Rows of different adapters go together where all adapters are of a kind that peft can mix (LoRA, without weight
    decomposition and without adapted parameters that are no layers); else `pass_key` keeps them apart.

    Args:
        model: in evaluation mode.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self._configs: dict[str, Any] = dict(getattr(model, "peft_config", None) or {})
        self.mixes = all(_can_mix(config) for config in self._configs.values())

    @property
    def device(self) -> torch.device:
        """Where inputs go."""
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        """Number format of the computation."""
        return self.model.dtype

    @property
    def adapters(self) -> tuple[str, ...]:
        """What a prompt may name."""
        return (*self._configs, NO_ADAPTER) if self._configs else ()

    def adapters_of(self, prompts: Sequence[Prompt]) -> list[str | None]:
        """The adapter of each prompt; None throughout where no prompt names one.

        Raises:
            UserError: a prompt names an adapter the model does not have.
        """
        unknown = sorted({prompt.adapter for prompt in prompts if prompt.adapter} - set(self.adapters))
        if unknown:
            allowed = ", ".join(self.adapters) or "none; the system was loaded without adapters"
            raise UserError(f"adapter '{unknown[0]}' is not among those of the loaded system (it has: {allowed})")
        if not any(prompt.adapter for prompt in prompts):
            return [None] * len(prompts)
        return [prompt.adapter or self._as_loaded() for prompt in prompts]

    def pass_key(self, adapter: str | None) -> str | None:
        """Rows with equal keys may go in one pass."""
        return None if self.mixes else adapter

    @property
    def transformers_model(self) -> Any:
        """The model below any adapters."""
        return self.model.get_base_model() if self._configs else self.model

    def __call__(self, adapters: Sequence[str | None], **inputs: Any) -> Any:
        """The model's output; `adapters` names that of each row."""
        return self._called(self.model, adapters, inputs)

    def generate(self, adapters: Sequence[str | None], **inputs: Any) -> Any:
        """What transformers' `generate` returns; `adapters` names that of each row."""
        return self._called(self.model.generate, adapters, inputs)

    def _called(self, function: Callable[..., Any], adapters: Sequence[str | None], inputs: dict[str, Any]) -> Any:
        if not adapters or adapters[0] is None:
            return function(**inputs)
        if self.mixes:
            return function(**inputs, adapter_names=list(adapters))
        with self._switched_to(adapters):
            return function(**inputs)

    @contextmanager
    def _switched_to(self, adapters: Sequence[str | None]) -> Iterator[None]:
        (name,) = set(adapters)
        if name == NO_ADAPTER:
            with self.model.disable_adapter():
                yield
            return
        before = self.model.active_adapter
        self.model.set_adapter(name)
        try:
            yield
        finally:
            self.model.set_adapter(before)

    def _as_loaded(self) -> str:
        return str(self.model.active_adapter)


def _can_mix(config: Any) -> bool:
    return str(getattr(config.peft_type, "value", config.peft_type)) == "LORA" and not (
        getattr(config, "use_dora", False) or getattr(config, "target_parameters", None)
    )
