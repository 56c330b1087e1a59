"""What is to be written, and the answers while they are being written."""

from typing import Any, NamedTuple

from bias_platform.inference.engines.base import Decoding, Finish, Generation, TokenArray


class WritingOrder(NamedTuple):
    """Prompts that are to be continued, and until when."""

    prompts: list[TokenArray]
    adapters: list[str | None]
    seeds: list[int | None]
    longest: list[int]
    """most tokens of each answer"""
    decoding: Decoding
    stops: frozenset[int]
    """tokens that end an answer"""


class Answer:
    """An answer that is being written.

    Args:
        row: of the order.
        order: what is to be written.
    """

    def __init__(self, row: int, order: WritingOrder) -> None:
        self.row = row
        self.tokens: list[int] = []
        self.finish: Finish | None = None
        self._longest, self._stops, self._read = order.longest[row], order.stops, len(order.prompts[row])

    def add(self, token: int) -> None:
        """Takes the next token; what comes after the end is ignored."""
        if self.finish is not None:
            return
        if token in self._stops:
            self.finish = "stop"
        else:
            self.tokens.append(token)
            self.finish = "length" if len(self.tokens) >= self._longest else None

    @property
    def written(self) -> int:
        """Tokens written, the one that ended it included."""
        return len(self.tokens) + (self.finish == "stop")

    def generation(self, tokenizer: Any) -> Generation:
        """The finished answer as text; special tokens within it are left out.

        Raises:
            ValueError: it is not finished.
        """
        if self.finish is None:
            raise ValueError("the answer is still being written")
        text = tokenizer.decode(self.tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return Generation(text, self.finish, self._read, self.written)
