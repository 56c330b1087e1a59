"""The most tokens a prompt can be read as, without the endpoint's tokenizer: what is set aside before it is sent."""

from collections.abc import Mapping, Sequence

from bias_platform.inference.engines.base import Prompt

_FOR_A_CHAT = 128
"""What a chat template may write around the messages by itself."""
_FOR_A_MESSAGE = 16
_FOR_A_PICTURE = 40_000
"""The dearest way in which a picture is billed that is known."""


class TokenBound:
    """Tokens are no more than bytes. An endpoint that reads more than that all the same is believed from then on."""

    def __init__(self) -> None:
        self._factor = 1.0

    def most(self, prompt: Prompt) -> int:
        """Upper bound of the tokens read for a prompt."""
        pictures = len(prompt.images) * _FOR_A_PICTURE
        return int(self._factor * (message_bytes(prompt.messages) + _FOR_A_CHAT + pictures))

    def learn(self, most: int, told: int) -> None:
        """Takes note of what a prompt was read as."""
        if told > most:
            self._factor *= 1.25 * told / most


def message_bytes(messages: Sequence[Mapping[str, str]]) -> int:
    """Bytes of the messages' texts, and what a template writes around each."""
    sizes = (len(message["content"].encode("utf-8", "surrogatepass")) for message in messages)
    return sum(sizes) + _FOR_A_MESSAGE * len(messages)
