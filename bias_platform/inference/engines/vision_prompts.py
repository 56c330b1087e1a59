"""Prompts with pictures, as what a vision-language model takes. Needs torch and pillow.

Such prompts are read whole, one sequence for every option: what a picture becomes in the model depends on its family,
and prompts with different pictures share nothing after it.
"""

from typing import Any

from bias_platform.errors import UserError
from bias_platform.inference.engines.base import Failure, Prompt, TokenArray
from bias_platform.inference.engines.chat_tokens import ChatEncoder
from bias_platform.models.chat import tokenize
from bias_platform.models.picture_chats import PictureChats, SeenChat, UnreadablePictureError


class PictureReader:
    """Turns prompts with pictures into what the model takes.

    Args:
        processor: of the system; None: it reads text only.
        encoder: of the system's tokenizer.
    """

    def __init__(self, processor: Any, encoder: ChatEncoder) -> None:
        self._processor, self._encoder = processor, encoder
        self._chats = PictureChats(processor, encoder.tokenizer)

    def require_pictures(self) -> None:
        """Raises a `UserError` when the system reads text only."""
        if self._processor is None:
            raise UserError(
                "the questions come with pictures, and the system reads text only; use a vision-language model whose "
                "folder holds its preprocessor, or a corpus without pictures"
            )

    def read(self, prompt: Prompt) -> SeenChat | Failure:
        """The prompt for the model; a failure for good when one of its pictures cannot be read.

        Raises:
            ModelLoadError: the chat template refuses the messages.
            UserError: processor and tokenizer do not go together.
        """
        try:
            seen = self._chats.read(prompt.messages, [image.path for image in prompt.images])
        except UnreadablePictureError as error:
            return Failure(str(error), transient=False)
        self._require_same_end(seen.ids, seen.text)
        return seen

    def _require_same_end(self, ids: TokenArray, text: str) -> None:
        """Where options begin is found in the text, so the processor must have left its end alone."""
        (expected,) = tokenize(self._encoder.tokenizer, [self._encoder.tail(text)])
        if ids[len(ids) - len(expected) :].tolist() != expected:
            raise UserError(
                "the processor of this system writes the end of a prompt differently from its tokenizer, so where an "
                "answer begins cannot be told; use another model, or another transformers version"
            )
