"""How much goes into one forward pass on this device; less after each want of memory."""

import torch

_CALL_COST = {"cpu": 32, "cuda": 1024}
"""What a forward pass costs beyond its tokens, in tokens."""
_BEST_PASS = {"cpu": 1024}
"""Tokens of a pass beyond which it becomes slower per token: what a layer computes no longer fits into the caches of a
processor core (measured on 1.4M and 85M weights: 8,192 tokens at once cost 1.2 to 1.4 times as much)."""
_LARGEST_LOGITS = 1 << 27
"""Numbers in the logits of one pass (512 MB in float32)."""
_HELD_SHARE = {"cpu": 0.5, "cuda": 1.0}
"""Tokens whose keys and values are held for one generation of beginnings, as a share of `batch_tokens`."""
_WRITTEN_SHARE = {"cpu": 1.0, "cuda": 4.0}
"""Tokens, read and to be written, of answers that are written together, as a share of `batch_tokens`."""


class PassLimits:
    """Bounds of one engine.

    Args:
        device: "cpu" or "cuda".
        batch_tokens: most rows x padded columns in a pass.
        vocabulary: numbers in one output.
    """

    def __init__(self, device: str, batch_tokens: int, vocabulary: int) -> None:
        self.batch_tokens = batch_tokens
        self._vocabulary = vocabulary
        self.call_cost = _CALL_COST.get(device, _CALL_COST["cuda"])
        self.node_cost = max(4, self.call_cost // 32)
        """What a shared beginning costs beyond its tokens, in tokens: its share of a pass that reads some dozens."""
        self._best = _BEST_PASS.get(device)
        self._held = _HELD_SHARE.get(device, _HELD_SHARE["cuda"])
        self._written = _WRITTEN_SHARE.get(device, _WRITTEN_SHARE["cuda"])

    @property
    def pass_tokens(self) -> int:
        """Rows x padded columns that are aimed at."""
        return min(self.batch_tokens, self._best) if self._best else self.batch_tokens

    def rows(self, width: int, outputs: int = 1) -> int:
        """How many rows of `width` columns, of which the last `outputs` are scored, go into a pass: one at least."""
        return max(1, min(self.pass_tokens // width, _LARGEST_LOGITS // (outputs * self._vocabulary)))

    def held(self, columns: int) -> int:
        """How many beginnings of so many columns are held at once: one at least."""
        return max(1, int(self.batch_tokens * self._held) // max(1, columns))

    def writers(self, columns: int, most: int) -> int:
        """How many answers of up to `most` tokens to prompts of `columns` are written together: one at least."""
        by_memory = int(self.batch_tokens * self._written) // (columns + most)
        return max(1, min(by_memory, _LARGEST_LOGITS // self._vocabulary))

    def shrink(self, tried: int) -> None:
        """After want of memory in a pass of `tried` tokens: half of that from now on."""
        self.batch_tokens = max(1, min(tried, self.batch_tokens) // 2)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
