"""Adapters: LoRA, or QLoRA over a 4-bit base, trained on human judgements."""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import peft
import torch
import transformers

from bias_platform.catalog.entries import AdapterEntry
from bias_platform.errors import ModelLoadError
from bias_platform.models.batches import Indices, collate, split_by_tokens, token_batches
from bias_platform.models.chat import require_chat_template
from bias_platform.models.example_tokens import EncodedExamples, Seeing, encode_examples, has_pictures
from bias_platform.models.loading import default_device, load_base, load_tokenizer, source_folder
from bias_platform.models.row_inputs import Inputs, shapes
from bias_platform.models.source import ModelSource
from bias_platform.models.training import TrainingRecord, answer_loss, optimiser_step, reproducible
from bias_platform.models.vision import load_processor, parts_beside_language, reads_pictures
from bias_platform.progress import Progress, Report

_MICRO_BATCH_TOKENS = {"cpu": 32_768, "cuda": 8_192}
"""Padded tokens of one forward pass; a step's larger batch is accumulated."""
_NF4_BYTES_PER_WEIGHT = 0.6  # 4 bits, scales, and the embeddings that stay as they are


def train_adapter(
    base: ModelSource,
    examples: pd.DataFrame,
    entry: AdapterEntry,
    out: Path,
    on_progress: Report,
    pictures: Path | None = None,
) -> pd.DataFrame:
    """Trains a LoRA adapter on the answers of chat examples and saves it as safetensors.

    Each optimiser step sees examples of at most `entry.batch_tokens` tokens together; the loss is the mean
    cross-entropy of the answers' tokens (with the end of the turn). AdamW without weight decay, the learning rate
    rises linearly over `entry.warm_up` of the steps and falls by a half cosine to zero. The same inputs give the same
    bytes on the same machine's CPU. Of a vision-language model the language part alone is adapted, unless
    `entry.target_modules` names a layer of another part with a dot, e.g. `vision_tower.encoder.layers.0.mlp.fc1`.

    Args:
        base: what is adapted; it is not changed.
        examples: TrainingExamples.
        entry: method, rank, learning rate, epochs, seed; `max_examples` draws that many.
        out: folder to fill; made if it is not there.
        on_progress: told after every step.
        pictures: folder of the pictures that the examples name.

    Returns:
        TrainingLog.

    Raises:
        ModelLoadError: the base cannot be loaded, has no chat template or none of the target modules, or no example
            fits `entry.context`, or examples come with pictures and the base reads text only.
        UnreadablePictureError: a picture of an example.
    """
    device = default_device()
    folder = source_folder(base, _dtype(base, device), device, _NF4_BYTES_PER_WEIGHT if _is_q(entry) else None)
    tokenizer = load_tokenizer(folder, base.title)
    require_chat_template(tokenizer, base.title)
    drawn = _drawn(examples, entry)
    encoded = encode_examples(tokenizer, drawn, entry.context, _seeing(folder, base, drawn, pictures))
    with reproducible(entry.seed):
        model = _adapted_model(folder, base, entry, device)
        log = _train(model, encoded, entry, tokenizer.pad_token_id, on_progress)
    _save(model, base, out)
    return log


def _is_q(entry: AdapterEntry) -> bool:
    return entry.method == "qlora"


def _seeing(folder: Path, base: ModelSource, examples: pd.DataFrame, pictures: Path | None) -> Seeing | None:
    if pictures is None or not has_pictures(examples) or not reads_pictures(folder):
        return None
    processor = load_processor(folder, base.title)
    return None if processor is None else Seeing(processor, pictures)


def _dtype(base: ModelSource, device: str) -> str:
    if base.dtype != "auto":
        return base.dtype
    return "float32" if device == "cpu" else "bfloat16"


def _drawn(examples: pd.DataFrame, entry: AdapterEntry) -> pd.DataFrame:
    if entry.max_examples is None or len(examples) <= entry.max_examples:
        return examples
    rng = np.random.default_rng(entry.seed)
    return examples.iloc[np.sort(rng.choice(len(examples), entry.max_examples, replace=False))]


def _adapted_model(folder: Path, base: ModelSource, entry: AdapterEntry, device: str) -> Any:
    dtype = _dtype(base, device)
    quantization = _four_bits(dtype) if _is_q(entry) else None
    model = load_base(folder, base, dtype=dtype, device=device, quantization=quantization)
    on_gpu = device != "cpu"
    if quantization is not None:
        model = peft.prepare_model_for_kbit_training(
            model, use_gradient_checkpointing=on_gpu, gradient_checkpointing_kwargs={"use_reentrant": False}
        )
    elif on_gpu:
        model.gradient_checkpointing_enable()
        model.enable_input_require_grads()
    try:
        return peft.get_peft_model(model, _lora(entry, parts_beside_language(model)))
    except ValueError as error:
        raise ModelLoadError(
            f"model {base.title} has none of the adapter's target_modules ({', '.join(entry.target_modules)}); name "
            "linear layers of this model there"
        ) from error


def _four_bits(dtype: str) -> Any:
    return transformers.BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, dtype),
    )


def _lora(entry: AdapterEntry, other_parts: list[str]) -> Any:
    return peft.LoraConfig(
        r=entry.rank,
        lora_alpha=entry.alpha,
        lora_dropout=entry.dropout,
        target_modules=list(entry.target_modules),
        exclude_modules=_all_but_named(other_parts, entry.target_modules) if other_parts else None,
        task_type="CAUSAL_LM",
    )


def _all_but_named(parts: list[str], targets: tuple[str, ...]) -> str:
    """A pattern of all modules of some parts, those apart that are named with a dot."""
    named = "|".join(re.escape(target) for target in targets if "." in target)
    spared = rf"(?!(?:.*\.)?(?:{named})$)" if named else ""
    return rf"{spared}(?:{'|'.join(map(re.escape, parts))})(?:\..*)?"


def _train(model: Any, encoded: EncodedExamples, entry: AdapterEntry, pad: int, on_progress: Report) -> pd.DataFrame:
    plan = token_batches(encoded.lengths, entry.batch_tokens, entry.epochs, np.random.default_rng(entry.seed))
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=entry.learning_rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, len(plan), entry.warm_up))
    note = f", {encoded.left_out:,} examples longer than {entry.context} tokens left out" if encoded.left_out else ""
    record = TrainingRecord()
    model.train()
    for number, batch in enumerate(plan, start=1):
        rate = float(schedule.get_last_lr()[0])
        loss = _accumulate(model, encoded, batch, pad)
        optimiser_step(optimiser, parameters)
        schedule.step()
        record.add(loss, rate, int(encoded.lengths[batch].sum()))
        on_progress(Progress(number, len(plan), "steps", f"loss {record.recent_loss:.3f}{note}"))
    return record.table()


def _rate(step: int, steps: int, warm_up: float) -> float:
    rising = warm_up * steps
    if step < rising:
        return (step + 1) / (rising + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(steps - rising, 1)))


def _accumulate(model: Any, encoded: EncodedExamples, batch: Indices, pad: int) -> float:
    """Adds the gradients of a batch in as many passes as memory asks for; returns its loss per answer token."""
    total = int((encoded.lengths[batch] - encoded.answer_start[batch]).sum())
    by_length = batch[np.argsort(encoded.lengths[batch], kind="stable")]
    loss = 0.0
    for part in split_by_tokens(by_length, encoded.lengths, _MICRO_BATCH_TOKENS[model.device.type]):
        for alike, inputs in _alike(encoded, part):
            summed = answer_loss(model, collate(encoded, alike, pad), model.device, inputs).sum
            (summed / total).backward()
            loss += float(summed.detach()) / total
    return loss


def _alike(encoded: EncodedExamples, part: Indices) -> Iterator[tuple[Indices, list[Inputs]]]:
    """The examples of a pass, those apart whose pictures cannot be joined with the others'."""
    groups: dict[Any, list[tuple[int, Inputs]]] = {}
    for index, inputs in zip(part.tolist(), encoded.inputs(part), strict=True):
        groups.setdefault(shapes(inputs), []).append((index, inputs))
    for members in groups.values():
        yield np.array([index for index, _ in members], dtype=np.int64), [inputs for _, inputs in members]


def _save(model: Any, base: ModelSource, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for configuration in model.peft_config.values():
        # not the folder it was read from: an adapter is the same wherever the lake lies
        configuration.base_model_name_or_path = base.location if base.kind == "hub" else ""
        configuration.revision = base.revision
    model.save_pretrained(out, save_embedding_layers=False)
    (out / "README.md").unlink(missing_ok=True)  # a model card nobody filled in
    path = out / "adapter_config.json"
    fields = json.loads(path.read_text("utf-8"))
    fields["target_modules"] = sorted(fields["target_modules"])  # a set: its order differs from process to process
    path.write_text(json.dumps(fields, indent=2, sort_keys=True) + "\n", "utf-8")
