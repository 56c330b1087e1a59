"""What vllm is started with."""

import json
from pathlib import Path
from typing import Any

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.errors import ModelLoadError
from bias_platform.models.loading import ADAPTER_WEIGHTS
from bias_platform.models.memory import BYTES_PER_WEIGHT, free_memory
from bias_platform.models.weight_files import check_weight_files

_SEED = 0
_LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""vllm reserves room for adapters in these sizes."""
_LORA_SLOTS = 8
"""Most adapters in one batch; others wait in main memory."""
_CPU_BLOCK = 32
"""Tokens in a block of the cache: what CPU kernels want; only whole blocks are shared."""
_CPU_SEQUENCES, _GPU_SEQUENCES = 256, 1024
"""Most sequences in one pass."""
_CPU_PASS_TOKENS = 2048
"""Most tokens in a pass on CPU: more would not be faster, and outcomes would come in seldom."""
_CPU_CACHE_TOKENS = 16_384
_CPU_CACHE_SHARE = 0.25
"""Main memory for keys and values: that many tokens, or one whole context, but no more than this share of what is
free. It is taken at once."""


class ModelConfig:
    """What a model's config.json says.

    Args:
        folder: of the model.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._whole: dict[str, Any] = json.loads((folder / "config.json").read_text("utf-8"))
        self._text: dict[str, Any] = self._whole.get("text_config", self._whole)

    @property
    def quantization(self) -> str | None:
        """Method of a quantized checkpoint."""
        declared = self._whole.get("quantization_config")
        return str(declared.get("quant_method", "an unnamed method")) if declared else None

    @property
    def context(self) -> int | None:
        """Most tokens of a sequence; None: not declared."""
        return int(self._text.get("max_position_embeddings") or 0) or None

    @property
    def heads(self) -> int:
        """Attention heads of a layer."""
        return int(self._text.get("num_attention_heads") or 1)

    @property
    def cached_numbers(self) -> int:
        """Numbers that the cache holds of a token, at most: keys and values of all layers."""
        width = self._text.get("head_dim") or int(self._text.get("hidden_size") or 1024) // self.heads
        key_heads = self._text.get("num_key_value_heads") or self.heads
        return 2 * int(self._text.get("num_hidden_layers") or 1) * int(key_heads) * int(width)


def llm_arguments(config: ModelConfig, settings: EngineSettings, device: str, adapters: list[Path]) -> dict[str, Any]:
    """Keyword arguments for `vllm.LLM`.

    Args:
        config: of the base or checkpoint.
        settings: dtype, batch_tokens (tokens of one pass), gpu_memory_share.
        device: "cpu" or a GPU.
        adapters: folders of all adapters that may be asked for.

    Raises:
        ModelLoadError: an adapter without a readable adapter_config.json, or of a rank vllm does not hold.
    """
    arguments: dict[str, Any] = {
        "model": str(config.folder),
        "dtype": settings.dtype,
        "load_format": "safetensors",
        "trust_remote_code": False,
        "seed": _SEED,
        "enable_prefix_caching": True,
        "max_model_len": -1,  # the model's own, or what memory holds if that is less
        "gpu_memory_utilization": settings.gpu_memory_share,
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
        "mm_processor_cache_gb": 0,  # a refused prompt would leave its picture where the next one cannot find it
    }
    arguments |= _on_cpu(config, settings) if device == "cpu" else _on_gpu(config, settings)
    return arguments | (_with_adapters(adapters) if adapters else {})


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


def _on_cpu(config: ModelConfig, settings: EngineSettings) -> dict[str, Any]:
    """Left alone, vllm would take nine tenths of main memory; `VLLM_CPU_KVCACHE_SPACE`, where it is set, goes before
    what is said here."""
    tokens = max(_CPU_CACHE_TOKENS, config.context or 0)
    wanted = tokens * config.cached_numbers * BYTES_PER_WEIGHT[settings.dtype]
    return {
        "enforce_eager": True,
        "block_size": _CPU_BLOCK,
        "kv_cache_memory_bytes": min(wanted, int(free_memory("cpu") * _CPU_CACHE_SHARE)),
        "max_num_batched_tokens": min(settings.batch_tokens, _CPU_PASS_TOKENS),
        "max_num_seqs": min(settings.batch_tokens, _CPU_SEQUENCES),
    }


def _on_gpu(config: ModelConfig, settings: EngineSettings) -> dict[str, Any]:
    import torch

    count = torch.cuda.device_count()
    memory = min(torch.cuda.get_device_properties(index).total_memory for index in range(count))
    return {
        "max_num_batched_tokens": settings.batch_tokens,
        "max_num_seqs": min(settings.batch_tokens, _GPU_SEQUENCES),
        "tensor_parallel_size": gpus_for(check_weight_files(config.folder).size, config.heads, memory, count),
    }


def _with_adapters(adapters: list[Path]) -> dict[str, Any]:
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
