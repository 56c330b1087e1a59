"""Adapters learn what their base does not know, reproducibly, and leave the base alone."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from bias_platform.errors import ModelLoadError
from bias_platform.models import tuning
from bias_platform.models.example_tokens import encode_examples
from bias_platform.models.loading import load_base, load_tokenizer, put_adapter
from bias_platform.models.tuning import train_adapter
from bias_platform.progress import Progress
from bias_platform.schemas import TrainingLog, validate_table
from bias_platform_tests.models.conftest import adapter_entry, folder_source, make_examples, silent


def _model(base: Path, adapter: Path | None = None) -> Any:
    model = load_base(base, folder_source(base), dtype="float32", device="cpu").eval()
    return model if adapter is None else put_adapter(model, adapter, "test").eval()


def _share_right(model: Any, base: Path, examples: pd.DataFrame) -> float:
    encoded = encode_examples(load_tokenizer(base, "tiny"), examples, 512)
    right = []
    for tokens, start in zip(encoded.tokens, encoded.answer_start, strict=True):
        with torch.inference_mode():
            right.append(int(model(torch.from_numpy(tokens[:start])[None]).logits[0, -1].argmax()) == tokens[start])
    return float(np.mean(right))


def test_an_adapter_learns_a_persona_effect_its_base_lacks(base: Path, adapter: Path) -> None:
    unseen = make_examples(80, seed=11, biased=True)
    bakers = unseen[(unseen["persona_id"] == "a baker") & ~unseen["user_message"].str.contains("silly")]
    assert _share_right(_model(base), base, bakers) < 0.2
    assert _share_right(_model(base, adapter), base, bakers) > 0.9


@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_the_same_bytes_twice_and_the_base_untouched(method: str, base: Path, tmp_path: Path) -> None:
    before = hashlib.sha256((base / "model.safetensors").read_bytes()).hexdigest()
    examples, entry = make_examples(40, seed=3), adapter_entry(method=method, dropout=0.1)
    logs = [train_adapter(folder_source(base), examples, entry, tmp_path / name, silent) for name in "ab"]
    pd.testing.assert_frame_equal(*logs)
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert hashlib.sha256((base / "model.safetensors").read_bytes()).hexdigest() == before
    assert logs[0]["loss"].iloc[-1] < 1.0
    put_adapter(_model(base), tmp_path / "a", "test")


def test_what_is_saved_names_no_folder(adapter: Path, base: Path) -> None:
    assert sorted(path.name for path in adapter.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    written = (adapter / "adapter_config.json").read_text()
    assert str(base.parent) not in written
    assert json.loads(written)["target_modules"] == sorted(adapter_entry().target_modules)


def test_log_progress_and_learning_rate(base: Path, tmp_path: Path) -> None:
    reports: list[Progress] = []
    entry = adapter_entry(warm_up=0.3, epochs=2, batch_tokens=300, learning_rate=1e-3)
    log = train_adapter(folder_source(base), make_examples(40, seed=3), entry, tmp_path, reports.append)
    validate_table(log, TrainingLog, "log")
    assert reports[-1].done == reports[-1].total == len(log) == len(reports)
    peak = int(log["learning_rate"].argmax())
    assert 0 < log["learning_rate"].iloc[0] < log["learning_rate"].iloc[peak] <= 1e-3
    assert log["learning_rate"].iloc[peak:].is_monotonic_decreasing
    assert peak == pytest.approx(0.3 * len(log), abs=1.5)


def test_max_examples_and_context_bound_what_is_seen(base: Path, tmp_path: Path) -> None:
    examples = make_examples(60, seed=3)
    tails = [" and so on and on" * (number % 4 * 3) for number in range(60)]
    examples = examples.assign(user_message=examples["user_message"] + pd.Series(tails))
    lengths = encode_examples(load_tokenizer(base, "tiny"), examples, 512).lengths
    log = train_adapter(folder_source(base), examples, adapter_entry(max_examples=10), tmp_path, silent)
    assert log["tokens"].iloc[-1] <= np.sort(lengths)[-10:].sum()
    reports: list[Progress] = []
    context = int(np.median(lengths))
    log = train_adapter(folder_source(base), examples, adapter_entry(context=context), tmp_path, reports.append)
    assert log["tokens"].iloc[-1] == lengths[lengths <= context].sum()
    assert f"{(lengths > context).sum()} examples longer than {context} tokens left out" in reports[-1].note


def test_a_batch_in_parts_is_the_same_batch(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = load_tokenizer(base, "tiny")
    encoded = encode_examples(tokenizer, make_examples(12, seed=3), 512)
    gradients, losses = [], []
    for bound in (10**6, 60):
        monkeypatch.setattr(tuning, "_MICRO_BATCH_TOKENS", {"cpu": bound})
        model = _model(base)
        losses.append(tuning._accumulate(model, encoded, np.arange(12), tokenizer.pad_token_id))
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert torch.allclose(*gradients, rtol=1e-3, atol=1e-6)


def test_mistakes_are_said(base: Path, tmp_path: Path) -> None:
    source, examples = folder_source(base), make_examples(10, seed=0)
    with pytest.raises(ModelLoadError, match=r"none of the adapter's target_modules \(query\)"):
        train_adapter(source, examples, adapter_entry(target_modules=("query",)), tmp_path, silent)
    long = examples.assign(user_message=examples["user_message"] * 30)
    with pytest.raises(ModelLoadError, match=r"examples fits into a context of 32 tokens"):
        train_adapter(source, long, adapter_entry(context=32), tmp_path, silent)
    with pytest.raises(ModelLoadError, match="materialize the model first"):
        train_adapter(folder_source(tmp_path / "gone"), examples, adapter_entry(), tmp_path, silent)
