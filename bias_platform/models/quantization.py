"""Quantized checkpoints: written in a safe order, read back, and compared with what they were made from."""

import gc
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import transformers

from bias_platform.catalog.entries import QuantizationEntry
from bias_platform.errors import ArtifactError, UserError
from bias_platform.models.chat import render_prompts, tokenize
from bias_platform.models.four_bit import repacked_layers
from bias_platform.models.loading import (
    ADAPTER_WEIGHTS,
    default_device,
    load_base,
    load_tokenizer,
    put_adapter,
    source_folder,
)
from bias_platform.models.source import ModelSource
from bias_platform.models.vision import load_processor, reads_pictures
from bias_platform.models.weight_files import check_weight_files

CHECK_CHAT = (
    {"role": "system", "content": "You are a person in the United States."},
    {
        "role": "user",
        "content": "Could this post offend someone? The new bus line opens on Monday, and some people grumble.",
    },
)
"""The fixed prompt on which checkpoints are compared; mild, and long enough to pass through every layer."""

_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 0.1, torch.float16: 0.02}
"""Largest difference in log-probability that reading a checkpoint back may make (rounding of one forward pass)."""
_BYTES_PER_WEIGHT = {"bitsandbytes-int8": 1.2, "bitsandbytes-nf4": 0.6}

Logprobs = npt.NDArray[np.float64]


class _Written(NamedTuple):
    logprobs: Logprobs
    dtype: torch.dtype
    memory: int


def write_checkpoint(base: ModelSource, adapter: Path | None, entry: QuantizationEntry, out: Path) -> dict[str, Any]:
    """Quantizes a system and saves it; reads it back and measures what quantization changed.

    The checkpoint is saved before any forward pass in evaluation mode (see `four_bit`). Models are held one at a time.

    Args:
        base: unquantized.
        adapter: merged into the weights before quantization (`entry.adapter` merged), or copied to `out/adapter` to be
            put on the quantized base at loading (on-top).
        entry: method and options.
        out: folder to fill; made if it is not there.

    Returns:
        Facts: method, adapter, weight_bytes_before and weight_bytes_after (of the files), memory_bytes (of the loaded
        checkpoint), mean_absolute_logprob_shift and max_absolute_logprob_shift (nats, over all tokens of the vocabulary
        at all positions of a fixed prompt, weighted by the unquantized probability for the mean), same_top_token (share
        of positions), reload_difference (nats).

    Raises:
        ModelLoadError: base or adapter cannot be loaded.
        ArtifactError: the checkpoint read back does not compute what the model in memory computed.
    """
    merged = adapter is not None and entry.adapter == "merged"
    on_top = adapter if not merged else None
    out.mkdir(parents=True, exist_ok=True)
    with _unquantized(base, adapter if merged else None, out) as source:
        before = _logprobs_of(source, on_top, "auto")
        written = _write(source, on_top, entry, out)
        size_before = check_weight_files(Path(source.location)).size
    if on_top is not None:
        _copy_adapter(on_top, out / "adapter")
    checkpoint = ModelSource(kind="folder", location=str(out.absolute()), dtype="auto")
    after = _logprobs_of(checkpoint, on_top, str(written.dtype).removeprefix("torch."))
    difference = float(np.abs(after - written.logprobs).max())
    if difference > _TOLERANCE[written.dtype]:
        raise ArtifactError(
            f"the {entry.method} checkpoint in {out} does not compute what was saved: log-probabilities differ by up "
            f"to {difference:.3g} after reading it back. Nothing is published; run it again on another machine"
        )
    return {
        "method": entry.method,
        "adapter": "none" if adapter is None else entry.adapter,
        "weight_bytes_before": size_before,
        "weight_bytes_after": check_weight_files(out).size,
        "memory_bytes": written.memory,
        "reload_difference": difference,
        **_shift(before, after),
    }


def quantization_configuration(entry: QuantizationEntry, dtype: torch.dtype) -> Any:
    """The transformers configuration of a scheme; `dtype` is the format of 4-bit layers' arithmetic."""
    if entry.method == "bitsandbytes-int8":
        return transformers.BitsAndBytesConfig(load_in_8bit=True)
    return transformers.BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=entry.double_quantization,
        bnb_4bit_compute_dtype=dtype,
    )


@contextmanager
def _unquantized(base: ModelSource, adapter: Path | None, out: Path) -> Iterator[ModelSource]:
    """The base as a folder; with an adapter, a temporary folder of the merged weights inside the target."""
    folder = source_folder(base, "auto", default_device())
    if adapter is None:
        yield ModelSource(kind="folder", location=str(folder), dtype=base.dtype)
        return
    with tempfile.TemporaryDirectory(dir=out, prefix=".merged-") as temporary:
        model = put_adapter(load_base(folder, base, dtype="auto", device=default_device()), adapter, base.title)
        model.merge_and_unload().save_pretrained(temporary)
        _save_reader(folder, base, Path(temporary))
        del model
        _free()
        yield ModelSource(kind="folder", location=temporary, dtype=base.dtype)


def _write(source: ModelSource, on_top: Path | None, entry: QuantizationEntry, out: Path) -> _Written:
    device = default_device()
    folder = source_folder(source, "auto", device, _BYTES_PER_WEIGHT[entry.method])
    dtype = _stored_dtype(folder, source)
    tokenizer = load_tokenizer(folder, source.title)
    model = load_base(
        folder, source, dtype="auto", device=device, quantization=quantization_configuration(entry, dtype)
    ).eval()
    save_quantized(model, out)
    _save_reader(folder, source, out)
    memory = int(model.get_memory_footprint())
    if on_top is not None:
        model = put_adapter(model, on_top, source.title).eval()
    logprobs = check_logprobs(model, tokenizer)
    del model
    _free()
    return _Written(logprobs, dtype, memory)


def _save_reader(folder: Path, source: ModelSource, out: Path) -> None:
    """What makes chats into what the model takes: its processor if it reads pictures, else its tokenizer."""
    processor = load_processor(folder, source.title) if reads_pictures(folder) else None
    (processor or load_tokenizer(folder, source.title)).save_pretrained(out)


def save_quantized(model: Any, out: Path) -> None:
    """Saves a quantized model that still holds the weights it was given.

    Raises:
        ArtifactError: some 4-bit layers have been repacked by a forward pass, so that the file would be damaged.
    """
    repacked = repacked_layers(model)
    if repacked:
        raise ArtifactError(
            f"{repacked} 4-bit layers have been rewritten by a forward pass and would be saved damaged; save a "
            "checkpoint before evaluating it, or call keep_weights_unpacked first"
        )
    model.save_pretrained(out)
    path = out / "config.json"
    fields = json.loads(path.read_text("utf-8"))
    fields.pop("_name_or_path", None)
    path.write_text(json.dumps(fields, indent=2, sort_keys=True) + "\n", "utf-8")


def check_logprobs(model: Any, tokenizer: Any) -> Logprobs:
    """Log-probabilities of every next token along the fixed prompt, shape (tokens, vocabulary)."""
    try:
        text = render_prompts(tokenizer, [CHECK_CHAT])[0]
    except UserError:  # a template without a system role: the user's message alone will do here
        text = render_prompts(tokenizer, [CHECK_CHAT[1:]])[0]
    tokens = torch.tensor(tokenize(tokenizer, [text]), device=model.device)
    with torch.inference_mode():
        logits = model(input_ids=tokens, use_cache=False).logits[0]
    return torch.log_softmax(logits.double(), dim=-1).cpu().numpy()


def _logprobs_of(source: ModelSource, adapter: Path | None, dtype: str) -> Logprobs:
    device = default_device()
    folder = source_folder(source, dtype, device)
    model = load_base(folder, source, dtype=dtype, device=device).eval()
    if adapter is not None:
        model = put_adapter(model, adapter, source.title).eval()
    result = check_logprobs(model, load_tokenizer(folder, source.title))
    del model
    _free()
    return result


def _stored_dtype(folder: Path, source: ModelSource) -> torch.dtype:
    if source.dtype != "auto":
        return getattr(torch, source.dtype)
    name = json.loads((folder / "config.json").read_text("utf-8")).get("dtype") or "float32"
    return getattr(torch, name)


def _shift(before: Logprobs, after: Logprobs) -> dict[str, float]:
    absolute = np.abs(after - before)
    return {
        "mean_absolute_logprob_shift": float((np.exp(before) * absolute).sum(axis=-1).mean()),
        "max_absolute_logprob_shift": float(absolute.max()),
        "same_top_token": float((before.argmax(axis=-1) == after.argmax(axis=-1)).mean()),
    }


def _copy_adapter(adapter: Path, target: Path) -> None:
    check_weight_files(adapter, ADAPTER_WEIGHTS)
    target.mkdir(parents=True, exist_ok=True)
    for name in ("adapter_config.json", ADAPTER_WEIGHTS):
        shutil.copyfile(adapter / name, target / name)


def _free() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
