"""bitsandbytes' 4-bit layers kept safe on CPUs.

On CPUs with AVX512-BF16, bitsandbytes (0.50) repacks a 4-bit weight at its first forward in evaluation mode and rounds
its scales to bfloat16. A checkpoint saved after that differs from the one saved before it, in the file and in memory,
without any error. With the repacking switched off on every layer nothing is ever rewritten, at some cost in speed.
"""

from typing import Any


def keep_weights_unpacked(model: Any) -> int:
    """Switches the repacking off on every 4-bit layer; to be called before the first forward.

    Returns:
        How many layers there were.
    """
    layers = _four_bit_layers(model)
    for layer in layers:
        layer.support_avx512bf16_for_cpu = False
    return len(layers)


def repacked_layers(model: Any) -> int:
    """How many layers have been repacked, and so no longer hold the weights they were given."""
    states = (getattr(layer.weight, "quant_state", None) for layer in _four_bit_layers(model))
    return sum(bool(getattr(state, "packing_format_for_cpu", False)) for state in states)


def compute_in(model: Any, dtype: Any) -> None:
    """Sets the number format in which 4-bit layers multiply; otherwise they guess it from their first input."""
    for layer in _four_bit_layers(model):
        layer.compute_dtype, layer.compute_type_is_set = dtype, True


def _four_bit_layers(model: Any) -> list[Any]:
    from bitsandbytes.nn import Linear4bit  # slow to import, and not needed for most systems

    return [module for module in model.modules() if isinstance(module, Linear4bit)]
