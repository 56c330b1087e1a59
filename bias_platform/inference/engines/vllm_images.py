"""Prompts with pictures, as tokens with a place for each picture, which vllm fills."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image as Picture

from bias_platform.inference.engines.base import Image, Prompt, TokenArray
from bias_platform.models.chat import chat_in_parts, render_prompts, tokenize


def tokens_with_places(tokenizer: Any, prompts: Sequence[Prompt]) -> list[TokenArray]:
    """Token ids of prompts whose pictures follow the text of the last message.

    Raises:
        ModelLoadError: the chat template knows no pictures.
    """
    texts = [render_prompts(tokenizer, [chat_in_parts(prompt.messages, len(prompt.images))])[0] for prompt in prompts]
    return [np.array(ids, dtype=np.int32) for ids in tokenize(tokenizer, texts)]


def open_images(images: Sequence[Image]) -> tuple[Any, ...]:
    """The pictures, decoded.

    Raises:
        OSError: one cannot be read.
    """
    opened = []
    for image in images:
        with Picture.open(image.path) as picture:
            opened.append(picture.convert("RGB"))
    return tuple(opened)
