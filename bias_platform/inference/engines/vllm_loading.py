"""A resolved system becomes a running vllm, inside this process; or one sentence says why it cannot.

vllm reads its environment variables when it is imported, so they are set here, right before. Nothing else imports it
at module level: it lives in an environment of its own.
"""

import json
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.errors import ModelLoadError
from bias_platform.inference.engines.adapters_in_batch import NO_ADAPTER
from bias_platform.models.chat import chat_template_hash
from bias_platform.models.loading import ADAPTER_WEIGHTS, default_device, load_tokenizer, source_folder
from bias_platform.models.memory import BYTES_PER_WEIGHT, free_memory
from bias_platform.models.source import ModelSource
from bias_platform.models.system import ResolvedSystem
from bias_platform.models.weight_files import check_weight_files

NO_ADAPTERS: Mapping[str, Path] = MappingProxyType({})

_QUIET = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
"""No report of usage to anybody; warnings about what a CPU lacks are no news to those who read a worker's log."""
_IN_PROCESS = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
"""One process: what fails raises here, and what ends this process ends all. Threads go where the system puts them."""
_SEED = 0
_LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""vllm reserves room for adapters in these sizes."""
_LORA_SLOTS = 8
"""Most adapters in one batch; others wait in main memory."""
_CPU_BLOCK = 32
"""Tokens in a block of the cache: what CPU kernels want; only whole blocks are shared."""
_CPU_SEQUENCES, _GPU_SEQUENCES = 256, 1024
"""Most sequences in one pass."""
_CPU_CACHE_TOKENS = 16_384
_CPU_CACHE_SHARE = 0.25
"""Main memory for keys and values: that many tokens, or one whole context, but no more than this share of what is
free. It is taken at once."""


class LoadedVllm(NamedTuple):
    """A system in vllm."""

    llm: Any
    """`vllm.LLM`"""
    tokenizer: Any
    """with a chat template"""
    chat_template_hash: str
    context: int
    """most tokens of a sequence, the one that is written included"""
    declared_context: int | None
    """what the model could hold if there were memory for it; None: not declared"""
    takes_images: bool
    adapters: Mapping[str | None, Any]
    """name -> `LoRARequest`, or None for the base alone; under None: the system as loaded"""


def load_vllm(
    system: ResolvedSystem, settings: EngineSettings, adapters: Mapping[str, Path] = NO_ADAPTERS
) -> LoadedVllm:
    """Starts vllm on a system and lets it write one token, so that what it cannot run is known before any question.

    Args:
        system: base or checkpoint, with an adapter or none.
        settings: dtype, batch_tokens (tokens of one pass), gpu_memory_share.
        adapters: more adapters for the same base, by the name prompts call them.

    Raises:
        ModelLoadError: gated, missing, damaged, too large, without a chat template, quantized in a way vllm does not
            read or with a dtype it does not compute in, an adapter that does not fit, memory that does not suffice.
    """
    device = default_device()
    folder = source_folder(system.source, settings.dtype, device)
    tokenizer = load_tokenizer(folder, system.source.title)
    template_hash = chat_template_hash(tokenizer, system.source.title)
    vllm = _import_vllm()
    from vllm.exceptions import VLLMError  # type: ignore[import-not-found]

    _refuse_quantization(folder, system, settings.dtype)
    folders: dict[str | None, Path] = dict(adapters.items())
    if system.adapter:
        folders[None] = system.adapter
    requests = {name: _lora_request(number, path) for number, (name, path) in enumerate(folders.items(), start=1)}
    arguments = _arguments(folder, settings, device) | _lora_arguments(list(folders.values()))
    try:
        with warnings.catch_warnings(action="ignore", category=FutureWarning):  # of vllm, about itself
            llm = vllm.LLM(**arguments)
        for request in requests.values():
            llm.llm_engine.add_lora(request)
        _write_one_token(vllm, llm, requests.get(None))
    except (OSError, ValueError, RuntimeError, KeyError, AssertionError, ImportError, VLLMError) as error:
        raise ModelLoadError(_why_not(system, error)) from error
    model = llm.llm_engine.model_config
    known = {None: None, NO_ADAPTER: None, **requests} if requests else {}
    return LoadedVllm(
        llm=llm,
        tokenizer=tokenizer,
        chat_template_hash=template_hash,
        context=int(model.max_model_len),
        declared_context=_declared_context(folder),
        takes_images=bool(model.is_multimodal_model),
        adapters=known,
    )


def lora_rank(adapters: list[Path]) -> int:
    """The smallest rank vllm has room for that holds all these adapters.

    Raises:
        ModelLoadError: an adapter without a readable adapter_config.json, or of a rank vllm does not hold.
    """
    ranks = {path: _rank(path) for path in adapters}
    largest = max(ranks, key=ranks.__getitem__)
    fitting = [rank for rank in _LORA_RANKS if rank >= ranks[largest]]
    if not fitting:
        raise ModelLoadError(
            f"the adapter in {largest} has rank {ranks[largest]}, vllm takes up to {_LORA_RANKS[-1]}; ask it through "
            "engine.name 'transformers'"
        )
    return fitting[0]


def gpus_for(weight_bytes: int, heads: int, gpu_bytes: int, count: int) -> int:
    """How many GPUs a model is spread over: the fewest whose memory holds twice its weights, if its heads can be dealt
    out evenly.

    >>> gpus_for(14 << 30, heads=32, gpu_bytes=80 << 30, count=8)
    1
    >>> gpus_for(140 << 30, heads=64, gpu_bytes=80 << 30, count=8)
    4
    """
    possible = [number for number in range(1, count + 1) if heads % number == 0]
    enough = [number for number in possible if number * gpu_bytes >= 2 * weight_bytes]
    return enough[0] if enough else possible[-1]


def _import_vllm() -> Any:
    for name, value in {**_QUIET, **_IN_PROCESS}.items():
        os.environ.setdefault(name, value)
    try:
        import vllm  # type: ignore[import-not-found]
    except ImportError as error:
        raise ModelLoadError(
            f"engine 'vllm' needs its own environment, and this one cannot import it ({error}); run `make vllm`"
        ) from error
    return vllm


def _refuse_quantization(folder: Path, system: ResolvedSystem, dtype: str) -> None:
    """vllm would load some of these, slowly fail at others, and name none by the names a catalog has."""
    from vllm.model_executor.layers.quantization import QUANTIZATION_METHODS  # type: ignore[import-not-found]

    declared = _config(folder).get("quantization_config")
    if not declared:
        return
    method = str(declared.get("quant_method", "unknown"))
    if method not in QUANTIZATION_METHODS:
        raise ModelLoadError(
            f"system '{system.slug}' is quantized by {method}, which vllm does not read; ask it through engine.name "
            "'transformers', or quantize it by a method that writes compressed-tensors"
        )
    if dtype != "bfloat16":
        raise ModelLoadError(
            f"system '{system.slug}' is quantized ({method}), and vllm computes with quantized weights in bfloat16 "
            f"only; set engine.dtype to bfloat16 instead of {dtype}"
        )


def _arguments(folder: Path, settings: EngineSettings, device: str) -> dict[str, Any]:
    sequences = _CPU_SEQUENCES if device == "cpu" else _GPU_SEQUENCES
    common = {
        "model": str(folder),
        "dtype": settings.dtype,
        "load_format": "safetensors",
        "trust_remote_code": False,
        "seed": _SEED,
        "enable_prefix_caching": True,
        "max_model_len": -1,  # the model's own, or what memory holds if that is less
        "max_num_batched_tokens": settings.batch_tokens,
        "max_num_seqs": min(sequences, settings.batch_tokens),
        "gpu_memory_utilization": settings.gpu_memory_share,
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
        "mm_processor_cache_gb": 0,  # a refused prompt would leave its picture where the next one cannot find it
    }
    if device == "cpu":
        cache = _cpu_cache_bytes(_config(folder), settings.dtype)
        return common | {"enforce_eager": True, "block_size": _CPU_BLOCK, "kv_cache_memory_bytes": cache}
    return common | {"tensor_parallel_size": _gpu_count(folder)}


def _cpu_cache_bytes(config: dict[str, Any], dtype: str) -> int:
    """vllm would take nine tenths of main memory. `VLLM_CPU_KVCACHE_SPACE`, where it is set, goes before this."""
    text = config.get("text_config", config)
    heads = int(text.get("num_attention_heads") or 1)
    width = int(text.get("head_dim") or int(text.get("hidden_size") or 1024) // heads)
    numbers = 2 * int(text.get("num_hidden_layers") or 1) * int(text.get("num_key_value_heads") or heads) * width
    tokens = max(_CPU_CACHE_TOKENS, int(text.get("max_position_embeddings") or 0))
    wanted = tokens * numbers * BYTES_PER_WEIGHT[dtype]
    return min(wanted, int(free_memory("cpu") * _CPU_CACHE_SHARE))


def _gpu_count(folder: Path) -> int:
    import torch

    config = _config(folder)
    heads = int(config.get("text_config", config).get("num_attention_heads") or 1)
    memory = min(torch.cuda.get_device_properties(index).total_memory for index in range(torch.cuda.device_count()))
    return gpus_for(check_weight_files(folder).size, heads, memory, torch.cuda.device_count())


def _config(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "config.json").read_text("utf-8")))


def _declared_context(folder: Path) -> int | None:
    config = _config(folder)
    context = config.get("text_config", config).get("max_position_embeddings")
    return int(context) if context else None


def _lora_arguments(adapters: list[Path]) -> dict[str, Any]:
    if not adapters:
        return {}
    return {
        "enable_lora": True,
        "max_lora_rank": lora_rank(adapters),
        "max_loras": min(len(adapters), _LORA_SLOTS),
        "max_cpu_loras": len(adapters),
    }


def _rank(adapter: Path) -> int:
    check_weight_files(adapter, ADAPTER_WEIGHTS)
    try:
        config = json.loads((adapter / "adapter_config.json").read_text("utf-8"))
        return max(int(config["r"]), *(int(rank) for rank in (config.get("rank_pattern") or {}).values()), 0)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelLoadError(
            f"the adapter in {adapter} has no readable adapter_config.json with a rank 'r' ({error}); train it again"
        ) from error


def _lora_request(number: int, folder: Path) -> Any:
    from vllm.lora.request import LoRARequest  # type: ignore[import-not-found]

    return LoRARequest(str(folder), number, str(folder))


def _write_one_token(vllm: Any, llm: Any, adapter: Any) -> None:
    parameters = vllm.SamplingParams(max_tokens=1, temperature=0.0, detokenize=False)
    llm.generate([{"prompt_token_ids": [0]}], parameters, lora_request=adapter, use_tqdm=False)


def _why_not(system: ResolvedSystem, error: Exception) -> str:
    reason = _reason(error)
    if "out of memory" in reason.lower():
        return (
            f"system '{system.slug}' does not fit into the memory that is free; lower engine.gpu_memory_share if "
            "others need it, or see dtype and quantized systems"
        )
    if "memory" in reason.lower():
        return f"vllm has too little memory for system '{system.slug}': {reason}"
    return f"vllm cannot run system '{system.slug}' ({ModelSource.model_validate(system.source).title}): {reason}"


def _reason(error: Exception) -> str:
    """One line; a validation error's own first line only counts its errors."""
    details = getattr(error, "errors", None)
    text = str(details()[0]["msg"]) if callable(details) else str(error)
    lines = text.strip().splitlines()
    return lines[0] if lines else type(error).__name__
