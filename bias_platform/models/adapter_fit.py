"""Whether all of an adapter has found its place on a base.

peft only warns of weights for layers the base does not have, and leaves layers without weights at zero: an adapter of
another model would then be asked as if it were one, and answer as the base does.
"""

from pathlib import Path
from typing import Any

from bias_platform.errors import ModelLoadError


def require_same_layers(model: Any, weights: Path, slug: str, name: str) -> None:
    """The layers that an adapter has weights for are those it was put on.

    Args:
        model: the base with the adapter; weights: the file it was read from.
        slug: of the system, for messages; name: of the adapter on the model.

    Raises:
        ModelLoadError: weights without a layer, or layers without weights.
    """
    import peft
    import safetensors

    with safetensors.safe_open(weights, framework="pt") as file:
        names = file.keys()
    stored = {key for key in names if ".lora_" in key}
    placed = peft.get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=False)
    expected = {key for key in placed if ".lora_" in key}
    strange, empty = sorted(stored - expected), sorted(expected - stored)
    if strange or empty:
        what = [f"{len(strange)} weights without a layer there (e.g. {strange[0]})"] if strange else []
        what += [f"{len(empty)} layers without weights (e.g. {empty[0]})"] if empty else []
        raise ModelLoadError(
            f"the adapter in {weights.parent} does not fit the base of system '{slug}': {' and '.join(what)}; use one "
            "that was trained on this base"
        )
