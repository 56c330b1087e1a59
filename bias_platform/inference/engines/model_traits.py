"""What of a model's configuration decides how it can be asked."""

from typing import Any, NamedTuple

import torch

_EXACT_TOLERANCE = 1e-3
_COARSE_TOLERANCE = 0.5


class ModelTraits(NamedTuple):
    """Facts of a loaded model."""

    context: int | None
    """most tokens in a sequence; None: not declared"""
    vocabulary: int
    tolerance: float
    """how far two ways of computing one score may lie apart before one of them must be wrong"""
    window: int | None
    """how many tokens some layer looks back; longer sequences are read whole; None: all of them"""
    obstacle: str | None
    """why beginnings cannot be shared; None: they can"""


def model_traits(model: Any) -> ModelTraits:
    """Reads the configuration (of the text part) of a transformers or peft model."""
    config = model.config.get_text_config()
    quantized = any(getattr(part, "quantization_config", None) is not None for part in (config, model.config))
    context = getattr(config, "max_position_embeddings", None)
    return ModelTraits(
        context=int(context) if context else None,
        vocabulary=int(config.vocab_size),
        tolerance=_COARSE_TOLERANCE if quantized or model.dtype != torch.float32 else _EXACT_TOLERANCE,
        window=_window(config),
        obstacle=_obstacle(config),
    )


def _layer_kinds(config: Any) -> set[str]:
    return set(getattr(config, "layer_types", None) or ())


def _window(config: Any) -> int | None:
    kinds = _layer_kinds(config)
    window = getattr(config, "sliding_window", None)
    return int(window) if window and (not kinds or "sliding_attention" in kinds) else None


def _obstacle(config: Any) -> str | None:
    attention = getattr(config, "_attn_implementation", None)
    if attention not in ("sdpa", "eager"):
        return f"whole sequences: attention '{attention}' takes no explicit mask"
    others = _layer_kinds(config) - {"full_attention", "sliding_attention"}
    return f"whole sequences: the state of {', '.join(sorted(others))} layers cannot be shared" if others else None
