"""Prompts with pictures, as tokens with a place for each picture, which vllm fills."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image as Picture

from bias_platform.inference.engines.base import Image, Prompt, TokenArray
from bias_platform.models.chat import render_prompts, tokenize


def tokens_with_places(tokenizer: Any, prompts: Sequence[Prompt]) -> list[TokenArray]:
    """Token ids of prompts whose pictures follow the text of the last message.

    Raises:
        ModelLoadError: the chat template knows no pictures.
    """
    texts = [render_prompts(tokenizer, [_chat(prompt)])[0] for prompt in prompts]
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


def _chat(prompt: Prompt) -> list[dict[str, Any]]:
    """Messages as lists of parts, the form that templates of models with pictures expect."""
    chat: list[dict[str, Any]] = [
        {"role": message["role"], "content": [{"type": "text", "text": message["content"]}]}
        for message in prompt.messages
    ]
    chat[-1]["content"] += [{"type": "image"} for _ in prompt.images]
    return chat
