"""The next token of every answer: the likeliest, or one drawn by a generator of the answer's own."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from bias_platform.errors import UserError
from bias_platform.inference.engines.base import Decoding, Prompt
from bias_platform.inference.engines.chat_tokens import ChatEncoder


class TokenChooser:
    """Chooses tokens for some answers, step by step.

    Every answer draws one number a step from its own generator and takes the token at that place of its distribution
    function, so that neither the other answers of a batch nor their order decide what is drawn. What a batch holds can
    change a probability by rounding, and a token only where the number drawn falls that close to a border.

    Args:
        decoding: temperature 0 takes the likeliest token, of equals the first.
        seeds: of each answer; not used at temperature 0.
    """

    def __init__(self, decoding: Decoding, seeds: Sequence[int | None]) -> None:
        self._temperature, self._top_p = decoding.temperature, decoding.top_p
        self._generators = [np.random.default_rng(seed) for seed in seeds] if decoding.temperature > 0 else []

    def choose(self, logits: torch.Tensor, answers: Sequence[int]) -> list[int]:
        """The next token of each.

        Args:
            logits: answers x vocabulary.
            answers: positions in `seeds` of the rows.
        """
        if self._temperature == 0:
            return [int(token) for token in logits.float().argmax(dim=-1)]
        drawn = torch.tensor([self._generators[answer].random() for answer in answers], dtype=torch.float64)
        return _at(torch.softmax(logits.float() / self._temperature, dim=-1), drawn.to(logits.device), self._top_p)


def _at(probabilities: torch.Tensor, drawn: torch.Tensor, top_p: float) -> list[int]:
    """Per row, the token at which the distribution function of the likeliest tokens of summed probability `top_p`
    passes `drawn` (0 to 1)."""
    order = None
    values = probabilities.double()
    if top_p < 1:
        values, order = values.sort(dim=-1, descending=True, stable=True)
        before = values.cumsum(dim=-1) - values
        values = values.masked_fill(before >= top_p, 0.0)
        values[:, 0] = probabilities.double().amax(dim=-1)  # however small top_p is, one token is left
    sums = values.cumsum(dim=-1)
    places = torch.searchsorted(sums, (drawn * sums[:, -1])[:, None], right=True)
    last = (values > 0).long().cumsum(dim=-1).argmax(dim=-1, keepdim=True)  # of a draw of almost 1
    places = torch.minimum(places, last)
    tokens = places if order is None else order.gather(-1, places)
    return [int(token) for token in tokens[:, 0]]


def seeds_of(prompts: Sequence[Prompt], decoding: Decoding) -> list[int | None]:
    """The seed of each prompt; None throughout where nothing is drawn.

    Raises:
        UserError: something is to be drawn and a prompt has no seed.
    """
    if decoding.temperature == 0:
        return [None] * len(prompts)
    if any(prompt.seed is None for prompt in prompts):
        raise UserError(
            f"temperature {decoding.temperature:g} draws tokens by chance, so every prompt needs a seed; give each "
            "prompt one, or set engine.decoding.temperature to 0"
        )
    return [prompt.seed for prompt in prompts]


def stop_tokens(model: Any, encoder: ChatEncoder) -> frozenset[int]:
    """Tokens that end an answer: those the model declares, the tokenizer's end of text, and the special token that the
    chat template writes after an assistant's message."""
    declared = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    tokens = set(declared if isinstance(declared, list) else [declared])
    tokens |= {encoder.tokenizer.eos_token_id, encoder.end_of_turn()}
    return frozenset(int(token) for token in tokens if token is not None)
