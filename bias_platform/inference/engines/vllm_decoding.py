"""How text is to be written, in vllm's terms."""

from typing import Any

from bias_platform.inference.engines.base import Decoding

LEAST_TEMPERATURE = 0.01
"""vllm raises a lower one to this."""
_SEED = 0
"""Of prompts that bring none."""


def sampling(decoding: Decoding, seed: int | None, room: int) -> Any:
    """`vllm.SamplingParams` of one prompt.

    Args:
        decoding: of all prompts.
        seed: of this one's sampling.
        room: tokens that the context holds after the prompt, at least 1.
    """
    from vllm import SamplingParams  # type: ignore[import-not-found]
    from vllm.sampling_params import StructuredOutputsParams  # type: ignore[import-not-found]

    allowed = StructuredOutputsParams(choice=list(decoding.allowed)) if decoding.allowed else None
    draws = decoding.temperature > 0
    return SamplingParams(
        max_tokens=min(decoding.maximum_tokens, room),
        temperature=decoding.temperature,
        top_p=decoding.top_p if draws else 1.0,
        seed=(_SEED if seed is None else seed) if draws else None,
        structured_outputs=allowed,
        detokenize=False,
    )
