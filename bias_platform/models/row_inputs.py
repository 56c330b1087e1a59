"""What a row is given beside its tokens: pictures, mostly. Needs torch."""

from collections.abc import Sequence

import torch

Inputs = dict[str, torch.Tensor]
"""Arguments of the model by name; rows that go together are joined along the first dimension."""

_OF_TOKENS = ("token_type_ids", "mm_token_type_ids")
"""One number a token; that of ordinary text is 0."""


def shapes(inputs: Inputs) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Rows of equal shapes (the first dimension, and tokens, apart) can be joined."""
    return tuple((name, tuple(value.shape[1:])) for name, value in sorted(inputs.items()) if name not in _OF_TOKENS)


def lengthened(inputs: Inputs, tokens: int) -> Inputs:
    """The inputs of a row that is continued by text up to so many tokens."""
    return {
        name: torch.nn.functional.pad(value, (0, tokens - value.shape[1])) if name in _OF_TOKENS else value
        for name, value in inputs.items()
    }


def joined(inputs: Sequence[Inputs], device: torch.device | str) -> Inputs:
    """The inputs of several rows as those of one batch; rows without any add nothing."""
    some = [each for each in inputs if each]
    return {name: torch.cat([each[name] for each in some]).to(device) for name in (some[0] if some else {})}


def split_by_tokens(inputs: Inputs) -> tuple[Inputs, Inputs]:
    """What has one number a token, and what depends on the pictures alone."""
    return (
        {name: value for name, value in inputs.items() if name in _OF_TOKENS},
        {name: value for name, value in inputs.items() if name not in _OF_TOKENS},
    )
