"""A resolved system becomes a running vllm, inside this process; or one sentence says why it cannot.

vllm reads its environment variables when it is imported, so they are set here, right before. Nothing else imports it
at module level: it lives in an environment of its own.
"""

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.errors import ModelLoadError
from bias_platform.inference.engines.adapters_in_batch import NO_ADAPTER
from bias_platform.inference.engines.vllm_arguments import ModelConfig, llm_arguments
from bias_platform.models.chat import chat_template_hash
from bias_platform.models.loading import default_device, load_tokenizer, source_folder
from bias_platform.models.system import ResolvedSystem

NO_ADAPTERS: Mapping[str, Path] = MappingProxyType({})

_NO_REPORTS = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
"""Nobody is told what is asked here."""
_DEFAULTS = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # what fails raises here, and what ends this process ends all of it
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # threads go where the system puts them
    "VLLM_LOGGING_LEVEL": "ERROR",  # warnings of what a CPU lacks are no news to those who read a worker's log
}
"""Set unless they are set already."""


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
    config = ModelConfig(source_folder(system.source, settings.dtype, device))
    tokenizer = load_tokenizer(config.folder, system.source.title)
    template_hash = chat_template_hash(tokenizer, system.source.title)
    _prepare_import()
    _refuse_quantization(config.quantization, system, settings.dtype)
    folders: dict[str | None, Path] = {**dict(adapters.items()), **({None: system.adapter} if system.adapter else {})}
    requests = {name: _lora_request(number, path) for number, (name, path) in enumerate(folders.items(), start=1)}
    llm = _start(system, llm_arguments(config, settings, device, list(folders.values())), requests)
    return LoadedVllm(
        llm=llm,
        tokenizer=tokenizer,
        chat_template_hash=template_hash,
        context=int(llm.llm_engine.model_config.max_model_len),
        declared_context=config.context,
        takes_images=bool(llm.llm_engine.model_config.is_multimodal_model),
        adapters={None: None, NO_ADAPTER: None, **requests} if requests else {},
    )


def _prepare_import() -> None:
    os.environ.update(_NO_REPORTS)
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    try:
        import vllm  # type: ignore[import-not-found]  # noqa: F401
    except ImportError as error:
        raise ModelLoadError(
            f"engine 'vllm' needs its own environment, and this one cannot import it ({error}); run `make vllm`"
        ) from error


def _start(system: ResolvedSystem, arguments: dict[str, Any], adapters: Mapping[str | None, Any]) -> Any:
    from vllm import LLM, SamplingParams
    from vllm.exceptions import VLLMError  # type: ignore[import-not-found]

    one_token = SamplingParams(max_tokens=1, temperature=0.0, detokenize=False)
    try:
        with warnings.catch_warnings(action="ignore", category=FutureWarning):  # of vllm, about itself
            llm = LLM(**arguments)
        for adapter in adapters.values():
            llm.llm_engine.add_lora(adapter)
        llm.generate([{"prompt_token_ids": [0]}], one_token, lora_request=adapters.get(None), use_tqdm=False)
    except (OSError, ValueError, RuntimeError, KeyError, AssertionError, ImportError, VLLMError) as error:
        raise ModelLoadError(_why_not(system, error)) from error
    return llm


def _refuse_quantization(method: str | None, system: ResolvedSystem, dtype: str) -> None:
    """vllm would find out late, and say so in its own terms."""
    from vllm.model_executor.layers.quantization import QUANTIZATION_METHODS  # type: ignore[import-not-found]

    if method is None:
        return
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


def _lora_request(number: int, folder: Path) -> Any:
    from vllm.lora.request import LoRARequest  # type: ignore[import-not-found]

    return LoRARequest(str(folder), number, str(folder))


def _why_not(system: ResolvedSystem, error: Exception) -> str:
    reason = _reason(error)
    if "out of memory" in reason.lower():
        return (
            f"system '{system.slug}' does not fit into the memory that is free; lower engine.gpu_memory_share if "
            "others need it, or see dtype and quantized systems"
        )
    if "memory" in reason.lower():
        return f"vllm has too little memory for system '{system.slug}': {reason}"
    if "failed to be inspected" in reason:
        reason += " (they are above; models that see through torchvision cannot be asked by vllm's CPU build)"
    return f"vllm cannot run system '{system.slug}' ({system.source.title}): {reason}"


def _reason(error: Exception) -> str:
    """One line; a validation error's own first line only counts its errors."""
    details = getattr(error, "errors", None)
    text = str(details()[0]["msg"]) if callable(details) else str(error)
    lines = text.removeprefix("Value error, ").strip().splitlines()
    return lines[0] if lines else type(error).__name__
