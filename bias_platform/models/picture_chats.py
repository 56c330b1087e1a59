"""Chats with pictures, as what a vision-language model takes: for tuning and for asking alike."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from bias_platform.errors import UserError
from bias_platform.models.chat import chat_in_parts, render_prompts
from bias_platform.models.row_inputs import Inputs

_KEPT_BYTES = 512 << 20
"""Of decoded pictures that are kept, some hundreds: each is shown many times."""


class UnreadablePictureError(UserError):
    """A picture is missing, damaged, or of a kind that cannot be decoded."""


class SeenChat(NamedTuple):
    """A chat with pictures."""

    ids: npt.NDArray[np.int32]
    """tokens up to where the answer begins, with as many places for each picture as the model wants"""
    inputs: Inputs
    """the pictures, as the model takes them"""
    text: str
    """what the chat template wrote"""


class PictureChats:
    """Reads chats with pictures.

    Args:
        processor: of a vision-language model.
        tokenizer: of the same model; its chat template is used.
    """

    def __init__(self, processor: Any, tokenizer: Any) -> None:
        self._processor, self._tokenizer = processor, tokenizer
        self._decoded: OrderedDict[Path, Image.Image] = OrderedDict()

    def read(self, messages: Sequence[Mapping[str, str]], pictures: Sequence[Path]) -> SeenChat:
        """What the model takes for a chat whose last message is followed by pictures.

        Raises:
            UnreadablePictureError: one of them.
            ModelLoadError: the chat template refuses the messages.
        """
        images = [self._opened(path) for path in pictures]
        text = render_prompts(self._tokenizer, [chat_in_parts(messages, len(images))])[0]
        made = self._processor(text=[text], images=[images], add_special_tokens=False, return_tensors="pt")
        ids = made["input_ids"][0].numpy().astype(np.int32)
        inputs = {name: value for name, value in made.items() if name not in ("input_ids", "attention_mask")}
        return SeenChat(ids, inputs, text)

    def _opened(self, path: Path) -> Image.Image:
        if path in self._decoded:
            self._decoded.move_to_end(path)
            return self._decoded[path]
        picture = self._decoded[path] = _decoded(path)
        kept = sum(3 * image.width * image.height for image in self._decoded.values())
        while kept > _KEPT_BYTES and len(self._decoded) > 1:
            _, dropped = self._decoded.popitem(last=False)
            kept -= 3 * dropped.width * dropped.height
        return picture


def _decoded(path: Path) -> Image.Image:
    try:
        with Image.open(path) as opened:
            return opened.convert("RGB")
    except (OSError, ValueError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise UnreadablePictureError(f"picture cannot be read: {path.name} ({error})") from error
