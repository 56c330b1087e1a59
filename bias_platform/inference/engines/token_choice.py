"""The next token of every answer: the likeliest, or one drawn by numbers of the answer's own."""

from collections.abc import Sequence
from typing import Any

import torch

from bias_platform.errors import UserError
from bias_platform.inference.engines.base import Decoding, Prompt
from bias_platform.inference.engines.chat_tokens import ChatEncoder

_MOST_AT_ONCE = 1 << 22
"""Numbers drawn at once: some 100 MB of intermediate results."""
_GOLDEN, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


class TokenChooser:
    """Chooses tokens for some answers, step by step.

    To every token of every step of an answer belongs a number that follows from the answer's seed alone, and the token
    with the largest log-probability plus Gumbel noise of that number is taken, which draws it with its probability
    (E. J. Gumbel, 1954). So neither the other answers of a batch nor their order decide what is drawn, and what
    rounding does to a probability changes a token only where two of them are all but equal.

    Args:
        decoding: temperature 0 takes the likeliest token, of equals the first.
        seeds: of each answer; not used at temperature 0.
    """

    def __init__(self, decoding: Decoding, seeds: Sequence[int | None]) -> None:
        self._temperature, self._top_p = decoding.temperature, decoding.top_p
        self._seeds = [int(seed or 0) for seed in seeds] if decoding.temperature > 0 else []
        self._steps = [0] * len(self._seeds)

    def choose(self, logits: torch.Tensor, answers: Sequence[int]) -> list[int]:
        """The next token of each.

        Args:
            logits: answers x vocabulary.
            answers: positions in `seeds` of the rows.
        """
        if self._temperature == 0:
            return [int(token) for token in logits.float().argmax(dim=-1)]
        rows, tokens = max(1, _MOST_AT_ONCE // logits.shape[1]), []
        for start in range(0, len(answers), rows):
            part = answers[start : start + rows]
            places = [(self._seeds[answer], self._steps[answer]) for answer in part]
            tokens += self._drawn(logits[start : start + rows], places)
        for answer in answers:
            self._steps[answer] += 1
        return tokens

    def _drawn(self, logits: torch.Tensor, places: Sequence[tuple[int, int]]) -> list[int]:
        scores = torch.log_softmax(logits.double() / self._temperature, dim=-1)
        if self._top_p < 1:
            scores = _likeliest(scores, self._top_p)
        uniform = _uniform(places, scores.shape[1], scores.device)
        return [int(token) for token in (scores - torch.log(-torch.log(uniform))).argmax(dim=-1)]


def _likeliest(scores: torch.Tensor, top_p: float) -> torch.Tensor:
    """Log-probabilities, minus infinity for all but the likeliest tokens of summed probability `top_p`."""
    values, order = scores.sort(dim=-1, descending=True, stable=True)
    before = values.exp().cumsum(dim=-1) - values.exp()
    left_out = before >= top_p
    left_out[:, 0] = False  # however small top_p is, one token is left
    return scores.masked_fill(torch.zeros_like(left_out).scatter(-1, order, left_out), -torch.inf)


def _uniform(places: Sequence[tuple[int, int]], vocabulary: int, device: torch.device) -> torch.Tensor:
    """Numbers between 0 and 1, places x vocabulary: streams of SplitMix64 (G. L. Steele and others, 2014), one for each
    pair of seed and step."""
    keys = [_mixed((_mixed(seed * _GOLDEN) + step * _GOLDEN) % 2**64) for seed, step in places]
    state = torch.tensor([_signed(key) for key in keys], device=device)[:, None]
    state = state + torch.arange(1, vocabulary + 1, device=device)[None] * _signed(_GOLDEN)
    for shift, factor in ((30, _FIRST), (27, _SECOND)):
        state = (state ^ ((state >> shift) & (2 ** (64 - shift) - 1))) * _signed(factor)
    state = state ^ ((state >> 31) & (2**33 - 1))
    return (((state >> 11) & (2**53 - 1)).double() + 0.5) * 2.0**-53


def _mixed(state: int) -> int:
    """SplitMix64's output function, 64 bits to 64 bits."""
    state %= 2**64
    for shift, factor in ((30, _FIRST), (27, _SECOND)):
        state = ((state ^ (state >> shift)) * factor) % 2**64
    return state ^ (state >> 31)


def _signed(bits: int) -> int:
    """64 bits as torch holds them, whose whole numbers have a sign and wrap around."""
    return bits - 2**64 if bits >= 2**63 else bits


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
