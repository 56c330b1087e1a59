"""Prompts with pictures, as what a vision-language model takes. Needs torch and pillow.

Such prompts are read whole, one sequence for every option: what a picture becomes in the model depends on its family,
and prompts with different pictures share nothing after it.
"""

from typing import Any, NamedTuple

import numpy as np
from PIL import Image as PillowImage
from PIL import UnidentifiedImageError

from bias_platform.errors import UserError
from bias_platform.inference.engines.base import Failure, Prompt, TokenArray
from bias_platform.inference.engines.chat_tokens import ChatEncoder
from bias_platform.inference.engines.row_inputs import Inputs
from bias_platform.models.chat import render_prompts, tokenize


class SeenPrompt(NamedTuple):
    """A prompt with pictures."""

    ids: TokenArray
    """with as many places for each picture as the model wants"""
    inputs: Inputs
    """the pictures, as the model takes them"""
    text: str
    """what the chat template wrote"""


class PictureReader:
    """Turns prompts with pictures into what the model takes.

    Args:
        processor: of the system; None: it reads text only.
        encoder: of the system's tokenizer.
    """

    def __init__(self, processor: Any, encoder: ChatEncoder) -> None:
        self._processor, self._encoder = processor, encoder

    def require_pictures(self) -> None:
        """Raises a `UserError` when the system reads text only."""
        if self._processor is None:
            raise UserError(
                "the questions come with pictures, and the system reads text only; use a vision-language model whose "
                "folder holds its preprocessor, or a corpus without pictures"
            )

    def read(self, prompt: Prompt) -> SeenPrompt | Failure:
        """The prompt for the model; a failure for good when one of its pictures cannot be read.

        Raises:
            ModelLoadError: the chat template refuses the messages.
            UserError: processor and tokenizer do not go together.
        """
        pictures = []
        for image in prompt.images:
            try:
                with PillowImage.open(image.path) as opened:
                    pictures.append(opened.convert("RGB"))
            except (OSError, ValueError, UnidentifiedImageError, PillowImage.DecompressionBombError) as error:
                return Failure(f"picture cannot be read: {image.path.name} ({error})", transient=False)
        text = render_prompts(self._encoder.tokenizer, [_chat(prompt)])[0]
        made = self._processor(text=[text], images=[pictures], add_special_tokens=False, return_tensors="pt")
        ids = made["input_ids"][0].numpy().astype(np.int32)
        self._require_same_end(ids, text)
        inputs = {name: value for name, value in made.items() if name not in ("input_ids", "attention_mask")}
        return SeenPrompt(ids, inputs, text)

    def _require_same_end(self, ids: TokenArray, text: str) -> None:
        """Where options begin is found in the text, so the processor must have left its end alone."""
        (expected,) = tokenize(self._encoder.tokenizer, [self._encoder.tail(text)])
        if ids[len(ids) - len(expected) :].tolist() != expected:
            raise UserError(
                "the processor of this system writes the end of a prompt differently from its tokenizer, so where an "
                "answer begins cannot be told; use another model, or another transformers version"
            )


def _chat(prompt: Prompt) -> list[dict[str, Any]]:
    chat = [
        {"role": message["role"], "content": [{"type": "text", "text": message["content"]}]}
        for message in prompt.messages
    ]
    chat[-1]["content"] = [*chat[-1]["content"], *({"type": "image"} for _ in prompt.images)]
    return chat
