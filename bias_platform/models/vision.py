"""Models that read pictures: which they are, and the processor that goes with them."""

import json
import logging
from pathlib import Path
from typing import Any

import transformers
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

_log = logging.getLogger(__name__)


def reads_pictures(folder: Path) -> bool:
    """Whether the model of a folder is a vision-language model, by the type in its config.json."""
    kind = json.loads((folder / "config.json").read_text("utf-8")).get("model_type")
    return kind in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES


def load_processor(folder: Path, title: str) -> Any | None:
    """The folder's processor; None, and a warning, when it cannot be read here (it is missing, or needs a package that
    is not installed): the model can still be asked about text.

    Args:
        folder: of a vision-language model.
        title: of the model, for the warning.
    """
    try:
        processor = transformers.AutoProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, ImportError, KeyError, TypeError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        _log.warning("model %s will be asked about text only: its processor cannot be read: %s", title, reason)
        return None
    return processor if hasattr(processor, "image_processor") else None
