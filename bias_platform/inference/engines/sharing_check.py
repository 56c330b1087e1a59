"""Whether a model can be asked by shared beginnings: looked up in its configuration, then tried on two prompts."""

import logging

import numpy as np
import torch

from bias_platform.errors import UserError
from bias_platform.inference.engines import shared_cache
from bias_platform.inference.engines.adapters_in_batch import AdaptedModel
from bias_platform.inference.engines.base import EngineStats, FloatArray, TokenArray
from bias_platform.inference.engines.chat_tokens import EncodedPrompts
from bias_platform.inference.engines.full_sequences import WholeScorer
from bias_platform.inference.engines.model_traits import ModelTraits
from bias_platform.inference.engines.option_tree import build_option_tree
from bias_platform.inference.engines.pass_limits import PassLimits
from bias_platform.inference.engines.prefix_walk import Reached
from bias_platform.inference.engines.shared_cache import NOTHING, Rows
from bias_platform.inference.engines.shared_sequences import SharedScorer

_TRIED_TOKENS = 12
"""Of each prompt, its first: enough to see a state that is not shared, a position or a mask that is wrong."""

_log = logging.getLogger(__name__)


class SharingCheck:
    """Asks once, remembers the answer.

    Args:
        model: that is to be asked.
        traits: of the model.
        limits: of a pass.
        stats: gets a note when beginnings cannot be shared.
    """

    def __init__(self, model: AdaptedModel, traits: ModelTraits, limits: PassLimits, stats: EngineStats) -> None:
        self._model, self._traits, self._limits, self._stats = model, traits, limits, stats
        self._shares: bool | None = None
        if traits.obstacle:
            self._shares = False
            self._note(traits.obstacle)

    def allows(self, encoded: EncodedPrompts, rows: list[int], adapters: list[str | None]) -> bool:
        """Whether beginnings can be shared; the first time, the first tokens of the two shortest prompts with one set
        of options and one adapter are scored both ways.

        Raises:
            UserError: memory does not hold a single prompt.
        """
        if self._shares is None:
            self._shares = self._is_right(encoded, rows, adapters)
        return self._shares

    def _is_right(self, encoded: EncodedPrompts, rows: list[int], adapters: list[str | None]) -> bool:
        shortest = sorted(rows, key=lambda row: len(encoded.prompts[row]))
        kind = (encoded.tree_of[shortest[0]], adapters[shortest[0]])
        pair = [row for row in shortest if (encoded.tree_of[row], adapters[row]) == kind][:2]
        encoded, adapters = _excerpt(encoded, pair), [adapters[row] for row in pair]
        pair = list(range(len(pair)))
        try:
            whole = WholeScorer(self._model, encoded, adapters, self._limits, EngineStats()).scores(pair)
            shared = self._shared(encoded, pair, adapters)
        except torch.OutOfMemoryError as error:
            raise UserError(
                "the graphics memory does not even hold two prompts; use a smaller or quantized system"
            ) from error
        off = np.abs(shared - whole)
        right = bool(np.all(off <= self._traits.tolerance * (1 + 0.1 * np.abs(whole))))
        if not right:
            self._note(f"whole sequences: with shared beginnings scores of this model differ by {float(off.max()):.2g}")
        return right

    @torch.inference_mode()
    def _shared(self, encoded: EncodedPrompts, pair: list[int], adapters: list[str | None]) -> FloatArray:
        """Each prompt is cut at a place of its own, so that the two beginnings differ in length."""
        above, places = NOTHING, [0] * len(pair)
        prompts = [encoded.prompts[row] for row in pair]
        if min(map(len, prompts)) > 1:
            places = list(range(len(pair)))
            cut = [prompt[: max(1, len(prompt) // (2 + place))] for place, prompt in enumerate(prompts)]
            above = shared_cache.extend(self._model, NOTHING, Rows(cut, [0] * len(cut), adapters))
        scorer = SharedScorer(self._model, encoded, adapters, self._limits, EngineStats())
        scores = np.full((len(pair), encoded.trees[encoded.tree_of[pair[0]]].weights.shape[1]), np.nan)
        for batch in scorer.score(Reached(pair, places, above)):
            if batch.failures:
                raise torch.OutOfMemoryError(next(iter(batch.failures.values())).detail)
            scores[[pair.index(row) for row in batch.indices]] = batch.logprobs
        return scores

    def _note(self, text: str) -> None:
        _log.warning("%s", text)
        self._stats.notes.append(text)


def _excerpt(encoded: EncodedPrompts, rows: list[int]) -> EncodedPrompts:
    number = encoded.tree_of[rows[0]]
    prompts = [encoded.prompts[row][:_TRIED_TOKENS] for row in rows]
    return EncodedPrompts(prompts, [encoded.trees[number]], [0] * len(rows), [encoded.option_tokens[number]])


def probe_options(prompts: list[TokenArray]) -> EncodedPrompts:
    """Prompts that are to be continued, with two made-up options each, so that sharing can be tried on them."""
    first, other = int(prompts[0][0]), int(prompts[0][-1])
    other = other if other != first else (first + 1 if first == 0 else first - 1)
    tokens = [[first, other], [other, first, first]]
    tree = build_option_tree(("first", "other"), tokens, "sum")
    return EncodedPrompts(prompts, [tree], [0] * len(prompts), [tokens])
