"""A resolved system becomes a model in memory, ready to be asked; or one sentence says why it cannot.

Safetensors only, no code from repositories, no adapter merged: what is loaded is what the system names.
"""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers

from bias_platform.errors import ModelLoadError
from bias_platform.models import chat
from bias_platform.models.adapter_fit import require_same_layers
from bias_platform.models.four_bit import compute_in, keep_weights_unpacked
from bias_platform.models.hub import fetch, published_weights
from bias_platform.models.memory import BYTES_PER_WEIGHT, check_fits
from bias_platform.models.source import ModelSource
from bias_platform.models.system import ResolvedSystem
from bias_platform.models.vision import kept_from_quantization, load_processor, reads_pictures
from bias_platform.models.weight_files import Weights, check_weight_files

ADAPTER_WEIGHTS = "adapter_model.safetensors"
NO_ADAPTER = "__base__"
"""What a prompt names to be answered by the base itself; peft's own word for it."""


class LoadedSystem(NamedTuple):
    """A system in memory."""

    model: Any
    """a transformers (or peft) language model in evaluation mode"""
    tokenizer: Any
    chat_template_hash: str
    facts: dict[str, Any]
    """slug, weights (a number), bytes, dtype, device, context, adapter"""
    processor: Any = None
    """of a vision-language model: makes pictures and text into what the model takes; None: it reads text only"""


class SystemsOnOneBase(NamedTuple):
    """Systems that share a base, in memory together."""

    loaded: LoadedSystem
    """the base with all adapters; its facts are those of the whole"""
    adapters: dict[str, str]
    """slug -> what a prompt names as its adapter to be answered by that system"""


def load_system(system: ResolvedSystem, *, dtype: str = "auto", device: str | None = None) -> LoadedSystem:
    """Loads base (or checkpoint) and adapter.

    Args:
        system: what to load.
        dtype: number format of the weights in memory (of a quantized checkpoint: of its other weights and of its
            arithmetic); "auto": the source's own.
        device: "cpu", "cuda", "cuda:1"; None: the GPU if there is one, all of them if there are several.

    Raises:
        ModelLoadError: gated, missing, offline, damaged, too large, without a chat template, or an adapter that does
            not fit.
    """
    return _load(system, {} if system.adapter is None else {"default": system.adapter}, dtype, device)


def load_systems_on_one_base(
    systems: Sequence[ResolvedSystem], *, dtype: str = "auto", device: str | None = None
) -> SystemsOnOneBase:
    """Loads systems that are one base (or checkpoint) with different adapters, or without one: the base once.

    Args:
        systems: at least one, with different slugs.
        dtype: as in `load_system`.
        device: as in `load_system`.

    Raises:
        ModelLoadError: the systems are not on one base; or as in `load_system`.
    """
    first = systems[0]
    strange = [system.slug for system in systems if system.source != first.source]
    if strange:
        raise ModelLoadError(
            f"systems '{first.slug}' and '{strange[0]}' are not on one base ({first.source.title} and another), so "
            "they cannot be loaded together; ask them one after the other"
        )
    names = {system.slug: NO_ADAPTER if system.adapter is None else f"adapter{n}" for n, system in enumerate(systems)}
    folders = {names[system.slug]: system.adapter for system in systems if system.adapter is not None}
    return SystemsOnOneBase(_load(first, folders, dtype, device), names if folders else {})


def _load(system: ResolvedSystem, adapters: dict[str, Path], dtype: str, device: str | None) -> LoadedSystem:
    where = device or default_device()
    folder = source_folder(system.source, dtype, where)
    tokenizer = load_tokenizer(folder, system.source.title)
    template_hash = chat.chat_template_hash(tokenizer, system.source.title)
    model = load_base(folder, system.source, dtype=dtype, device=where)
    for name, adapter in adapters.items():
        model = put_adapter(model, adapter, system.slug, name)
    model.eval().requires_grad_(False)
    processor = load_processor(folder, system.source.title) if reads_pictures(folder) else None
    facts = _facts(system, model) | {"adapter": bool(adapters), "pictures": processor is not None}
    return LoadedSystem(model, tokenizer, template_hash, facts, processor)


def default_device() -> str:
    """The GPU if there is one, "auto" (spread over all) if there are several, else "cpu"."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return "cpu" if count == 0 else "cuda" if count == 1 else "auto"


def source_folder(
    source: ModelSource, dtype: str = "auto", device: str = "cpu", bytes_per_weight: float | None = None
) -> Path:
    """The local folder of a source, fetched if need be; checks before reading any weight that they are whole and fit.

    Args:
        source: where the weights come from.
        dtype: as in `load_system`.
        device: as in `load_system`, resolved.
        bytes_per_weight: when the weights are quantized while they are read.
    """
    if source.kind == "hub":
        count = published_weights(source.location, source.revision)
        if count is not None:
            size = bytes_per_weight or BYTES_PER_WEIGHT.get(_dtype_name(source, dtype), 2)
            check_fits(source.title, int(count * size), _dtype_name(source, dtype), device)
    folder = fetch(source.location, source.revision) if source.kind == "hub" else Path(source.location)
    weights = check_weight_files(folder)
    _require(folder, source, "config.json")
    needed = _bytes_in_memory(weights, folder, _dtype_name(source, dtype), bytes_per_weight)
    check_fits(source.title, needed, _dtype_name(source, dtype), device)
    return folder


def load_tokenizer(folder: Path, title: str) -> Any:
    """The folder's tokenizer.

    Raises:
        ModelLoadError: its files are missing or damaged.
    """
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the tokenizer library raises bare exceptions
        raise ModelLoadError(f"the tokenizer of model {title} cannot be read from {folder}: {error}") from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_base(folder: Path, source: ModelSource, *, dtype: str, device: str, quantization: Any = None) -> Any:
    """The model of a checked folder (see `source_folder`), without its adapter.

    Args:
        folder: holds config.json and safetensors.
        source: for dtype and messages.
        dtype: as in `load_system`.
        device: as in `load_system`, resolved.
        quantization: a transformers quantization configuration, to quantize while reading; of a vision-language model
            only the language part's layers are.
    """
    name = _dtype_name(source, dtype)
    _keep_quiet()
    # else convolutions of a GPU round float32 to 10 bits, and scores of pictures differ in the third place
    torch.backends.cudnn.allow_tf32 = False
    options = {"quantization_config": quantization} if quantization is not None else {}
    family = transformers.AutoModelForCausalLM
    if reads_pictures(folder):
        family = transformers.AutoModelForImageTextToText
        if quantization is not None:
            quantization.llm_int8_skip_modules = kept_from_quantization(folder)
    try:
        model = family.from_pretrained(
            folder,
            dtype=name if name == "auto" else getattr(torch, name),
            device_map="auto" if device == "auto" else {"": device},
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            **options,
        )
    except (OSError, ValueError, RuntimeError, KeyError, ImportError) as error:
        raise ModelLoadError(_why_not(source, error)) from error
    if keep_weights_unpacked(model) and name != "auto":
        compute_in(model, getattr(torch, name))
    return model


def put_adapter(model: Any, adapter: Path, slug: str, name: str = "default") -> Any:
    """Puts a LoRA adapter on a model, unmerged.

    Args:
        model: the base, or a base that holds adapters already; the first one is the active one.
        adapter: folder.
        slug: of the system, for messages.
        name: by which prompts name the adapter.

    Raises:
        ModelLoadError: it is missing, damaged, or made for another base.
    """
    import peft

    check_weight_files(adapter, ADAPTER_WEIGHTS)
    try:
        if isinstance(model, peft.PeftModel):
            model.load_adapter(str(adapter), name, is_trainable=False, local_files_only=True)
        else:
            model = peft.PeftModel.from_pretrained(
                model, adapter, adapter_name=name, is_trainable=False, local_files_only=True
            )
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise ModelLoadError(
            f"the adapter in {adapter} does not fit the base of system '{slug}' ({_first_line(error)}); train it on "
            "this base"
        ) from error
    require_same_layers(model, adapter / ADAPTER_WEIGHTS, slug, name)
    return model


def _keep_quiet() -> None:
    """No progress bar a file, no warning a forward pass: logs of workers are read by people."""
    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)


def _dtype_name(source: ModelSource, dtype: str) -> str:
    return dtype if dtype != "auto" else source.dtype


def _bytes_in_memory(weights: Weights, folder: Path, dtype: str, bytes_per_weight: float | None) -> int:
    if bytes_per_weight is not None:
        return int(weights.numbers * bytes_per_weight)
    quantized = "quantization_config" in json.loads((folder / "config.json").read_text("utf-8"))
    return weights.size if quantized or dtype == "auto" else weights.numbers * BYTES_PER_WEIGHT[dtype]


def _require(folder: Path, source: ModelSource, name: str) -> None:
    path = folder / name
    try:
        json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelLoadError(f"model {source.title} has no readable {name} ({path}); materialize it again") from error


def _why_not(source: ModelSource, error: Exception) -> str:
    if isinstance(error, ImportError):
        return f"model {source.title} needs a package that is not installed: {_first_line(error)}"
    if "trust_remote_code" in str(error):
        return (
            f"model {source.title} needs code from its repository, which is never run; use a model transformers knows"
        )
    if "out of memory" in str(error).lower():
        return f"model {source.title} does not fit into the memory that is free; see dtype and quantized systems"
    return f"model {source.title} cannot be loaded: {_first_line(error)}"


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _facts(system: ResolvedSystem, model: Any) -> dict[str, Any]:
    configuration = model.config.get_text_config()
    return {
        "system": system.slug,
        "weights": int(sum(parameter.numel() for parameter in model.parameters())),
        "bytes": int(model.get_memory_footprint()),
        "dtype": str(model.dtype).removeprefix("torch."),
        "device": str(model.device),
        "context": getattr(configuration, "max_position_embeddings", None),
        "quantization": system.quantization,
    }
