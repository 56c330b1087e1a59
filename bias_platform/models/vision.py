"""Models that read pictures: which they are, which of their parts see, and the processor that goes with them."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

_log = logging.getLogger(__name__)


def reads_pictures(folder: Path) -> bool:
    """Whether the model of a folder is a vision-language model, by the type in its config.json."""
    kind = json.loads((folder / "config.json").read_text("utf-8")).get("model_type")
    return kind in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES


def parts_beside_language(model: Any) -> list[str]:
    """Full names of a model's parts that are neither the language part nor its output layer: those that see."""
    language, output = model.get_decoder(), model.get_output_embeddings()

    def beside(module: Any, prefix: str) -> Iterator[str]:
        for name, child in module.named_children():
            if child is language or child is output:
                continue
            if any(part is language for part in child.modules()):
                yield from beside(child, f"{prefix}{name}.")
            else:
                yield prefix + name

    return list(beside(model, ""))


def kept_from_quantization(folder: Path) -> list[str]:
    """Full names of the parts of a folder's vision-language model that keep their number format when it is quantized.

    What sees is small beside what reads and suffers more from coarse numbers, so only the language part's layers are
    quantized; its output layer is not, as in any model. Built without weights.
    """
    configuration = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    with torch.device("meta"):
        model = transformers.AutoModelForImageTextToText.from_config(configuration)
    output = model.get_output_embeddings()
    names = [name for name, module in model.named_modules() if output is not None and module is output]
    return sorted({*parts_beside_language(model), *names})


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
