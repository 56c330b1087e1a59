"""The eyes of a reference model: a small CLIP encoder whose patches a Llama reads as tokens (Llava)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import transformers

from bias_platform.catalog.entries import VisionRecipe
from bias_platform.errors import CatalogError
from bias_platform.models.reference_tokenizer import IMAGE
from bias_platform.models.row_inputs import Inputs

_MOST_SHIFT = 1 / 8
"""Share of a picture's side by which it is shifted in training."""
_ALL_PATCHES = "default"
"""In Llava's words: every patch, and not CLIP's token for the whole picture."""


def picture_processor(recipe: VisionRecipe, tokenizer: Any) -> Any:
    """Makes pictures and chats into what the model takes: every picture is scaled to the size the encoder sees.

    Raises:
        CatalogError: sizes that do not go together.
    """
    if recipe.image_size % recipe.patch_size or recipe.hidden_size % recipe.heads:
        raise CatalogError(
            f"reference recipe: vision.image_size ({recipe.image_size}) must be a multiple of patch_size "
            f"({recipe.patch_size}), and vision.hidden_size ({recipe.hidden_size}) of heads ({recipe.heads}); change "
            "them"
        )
    side = {"height": recipe.image_size, "width": recipe.image_size}
    return transformers.LlavaProcessor(
        image_processor=transformers.CLIPImageProcessorPil(size=side, do_center_crop=False),
        tokenizer=tokenizer,
        patch_size=recipe.patch_size,
        vision_feature_select_strategy=_ALL_PATCHES,
        num_additional_image_tokens=1,
        image_token=IMAGE,
        chat_template=tokenizer.chat_template,
    )


def seeing_model(recipe: VisionRecipe, language: Any, tokenizer: Any) -> Any:
    """A new Llava.

    Args:
        recipe: sizes of the encoder.
        language: LlamaConfig of the part that reads and writes.
        tokenizer: has the token that stands for a patch.
    """
    eyes = transformers.CLIPVisionConfig(
        hidden_size=recipe.hidden_size,
        intermediate_size=4 * recipe.hidden_size,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        image_size=recipe.image_size,
        patch_size=recipe.patch_size,
        projection_dim=recipe.hidden_size,
        initializer_range=recipe.hidden_size**-0.5,  # as of the language part
    )
    return transformers.LlavaForConditionalGeneration(
        transformers.LlavaConfig(
            vision_config=eyes,
            text_config=language,
            image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
            image_seq_length=(recipe.image_size // recipe.patch_size) ** 2,
            vision_feature_select_strategy=_ALL_PATCHES,
            vision_feature_layer=-1,  # with few blocks, leaving the last one out would waste much
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            dtype="float32",
        )
    )


def shifted(rows: Sequence[Inputs], rng: np.random.Generator) -> list[Inputs]:
    """Each row's picture a little further up, down, left or right: of a few hundred pictures a small model would else
    learn places by heart, and not shapes. What leaves on one side comes in on the other.

    Args:
        rows: `pixel_values` of shape (1, 3, side, side), or nothing.
        rng: draws the shifts.
    """
    return [{name: _rolled(picture, rng) for name, picture in row.items()} for row in rows]


def _rolled(picture: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    most = int(picture.shape[-1] * _MOST_SHIFT)
    return torch.roll(picture, rng.integers(-most, most + 1, size=2).tolist(), dims=(-2, -1))
