"""What fits into a model's context. A prompt that does not fails alone and for good."""

from collections.abc import Sequence

from bias_platform.inference.engines.base import Decoding, Failure, TokenArray
from bias_platform.inference.engines.chat_tokens import EncodedPrompts


def too_long(encoded: EncodedPrompts, context: int | None) -> dict[int, Failure]:
    """The prompts that do not fit together with their longest option.

    Args:
        encoded: prompts and options.
        context: most tokens in a sequence; None: no limit.
    """
    longest = [max(len(ids) for ids in options) - 1 for options in encoded.option_tokens]
    sizes = [len(ids) + longest[tree] for ids, tree in zip(encoded.prompts, encoded.tree_of, strict=True)]
    return _failures(sizes, context)


def without_room(prompts: Sequence[TokenArray], context: int | None) -> dict[int, Failure]:
    """The prompts that leave no room for a single token of an answer."""
    return _failures([len(prompt) + 1 for prompt in prompts], context)


def _failures(sizes: Sequence[int], context: int | None) -> dict[int, Failure]:
    if context is None:
        return {}
    return {
        row: Failure(f"prompt too long: {size:,} tokens, the model's context holds {context:,}", transient=False)
        for row, size in enumerate(sizes)
        if size > context
    }


def longest_answers(prompts: Sequence[TokenArray], decoding: Decoding, context: int | None) -> list[int]:
    """Most tokens of each answer: as declared, and no more than the context has left after the prompt."""
    if context is None:
        return [decoding.maximum_tokens] * len(prompts)
    return [min(decoding.maximum_tokens, context - len(prompt)) for prompt in prompts]
