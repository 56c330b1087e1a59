"""Quantized checkpoints are saved undamaged, and what they change is measured."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from bitsandbytes.nn import Linear4bit

from bias_platform.catalog.entries import QuantizationEntry
from bias_platform.errors import ArtifactError
from bias_platform.models import quantization
from bias_platform.models.four_bit import keep_weights_unpacked, repacked_layers
from bias_platform.models.loading import load_base, load_system, load_tokenizer
from bias_platform.models.quantization import check_logprobs, save_quantized, write_checkpoint
from bias_platform.models.system import resolve_system
from bias_platform_tests.models.conftest import folder_source

METHODS = ("bitsandbytes-int8", "bitsandbytes-nf4")


def _nf4(folder: Path, double: bool = False) -> Any:
    entry = QuantizationEntry(method="bitsandbytes-nf4", double_quantization=double)
    configuration = quantization.quantization_configuration(entry, torch.float32)
    return load_base(folder, folder_source(folder), dtype="float32", device="cpu", quantization=configuration).eval()


def _random_llama(folder: Path, base: Path) -> Path:
    """Large enough for the layers to be repacked: input sizes of at least 64, output sizes that 32 divides."""
    torch.manual_seed(0)
    configuration = transformers.LlamaConfig(
        vocab_size=400, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=256, initializer_range=0.3,
    )  # fmt: skip
    transformers.LlamaForCausalLM(configuration).save_pretrained(folder)
    load_tokenizer(base, "tiny").save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def checkpoints(base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, dict[str, Any]]]:
    """Method -> folder and facts of the base's checkpoint."""
    folders = {method: tmp_path_factory.mktemp("checkpoints") / method for method in METHODS}
    return {
        method: (folder, write_checkpoint(folder_source(base), None, QuantizationEntry(method=method), folder))
        for method, folder in folders.items()
    }


@pytest.mark.parametrize("method", METHODS)
def test_facts_of_a_checkpoint(method: str, checkpoints: dict[str, tuple[Path, dict[str, Any]]], base: Path) -> None:
    folder, facts = checkpoints[method]
    assert (facts["method"], facts["adapter"]) == (method, "none")
    assert facts["weight_bytes_after"] < facts["weight_bytes_before"]
    assert facts["reload_difference"] < 1e-4
    assert 0 < facts["mean_absolute_logprob_shift"] <= facts["max_absolute_logprob_shift"]
    assert 0 <= facts["same_top_token"] <= 1
    assert json.loads((folder / "config.json").read_text())["quantization_config"]["quant_method"]
    assert str(base) not in "".join(path.read_text() for path in folder.glob("*.json"))


def test_int8_shifts_less_than_four_bits(checkpoints: dict[str, tuple[Path, dict[str, Any]]]) -> None:
    int8, nf4 = (facts for _, facts in checkpoints.values())
    assert int8["mean_absolute_logprob_shift"] < nf4["mean_absolute_logprob_shift"]
    assert nf4["weight_bytes_after"] < int8["weight_bytes_after"]


@pytest.mark.parametrize("method", METHODS)
def test_merged_and_on_top_both_hold_the_adapter(method: str, base: Path, adapter: Path, tmp_path: Path) -> None:
    logprobs = {}
    for way in ("merged", "on-top"):
        out = tmp_path / way
        facts = write_checkpoint(folder_source(base), adapter, QuantizationEntry(method=method, adapter=way), out)
        assert facts["adapter"] == way
        kept = out / "adapter" if way == "on-top" else None
        assert (out / "adapter").exists() == (kept is not None)
        system = resolve_system("a+b@q", folder_source(out), versions={"checkpoint": "1"}, adapter=kept)
        loaded = load_system(system, dtype="float32", device="cpu")
        logprobs[way] = check_logprobs(loaded.model, loaded.tokenizer)
        assert not [path.name for path in out.iterdir() if path.name.startswith(".merged")]
    plain = load_base(base, folder_source(base), dtype="float32", device="cpu").eval()
    without = check_logprobs(plain, load_tokenizer(base, "tiny"))
    assert np.abs(logprobs["merged"] - without).mean() > 0.05
    if method == "bitsandbytes-int8":  # four bits leave too little of so small a model to compare
        far = np.abs(logprobs["merged"] - without).mean()
        assert np.abs(logprobs["merged"] - logprobs["on-top"]).mean() < 0.5 * far


@pytest.mark.parametrize("double", [False, True])
def test_saving_after_a_forward_is_safe_with_the_guard(double: bool, base: Path, tmp_path: Path) -> None:
    folder = _random_llama(tmp_path / "plain", base)
    tokenizer = load_tokenizer(folder, "random")
    model = _nf4(folder, double)
    first = check_logprobs(model, tokenizer)
    assert keep_weights_unpacked(model) == repacked_layers(model) + 14
    save_quantized(model, tmp_path / "saved")
    tokenizer.save_pretrained(tmp_path / "saved")
    again = load_base(tmp_path / "saved", folder_source(tmp_path / "saved"), dtype="float32", device="cpu").eval()
    assert np.abs(check_logprobs(again, tokenizer) - first).max() < 1e-4
    assert np.abs(check_logprobs(model, tokenizer) - first).max() < 1e-6


def test_repacked_layers_are_not_saved(base: Path, tmp_path: Path) -> None:
    model = _nf4(_random_llama(tmp_path / "plain", base))
    layers = [module for module in model.modules() if isinstance(module, Linear4bit)]
    if _machine_repacks():
        for layer in layers:
            layer.support_avx512bf16_for_cpu = True
        check_logprobs(model, load_tokenizer(base, "tiny"))
    else:
        for layer in layers:  # what a forward pass leaves behind on a machine that does
            layer.weight.quant_state.packing_format_for_cpu = True
    assert repacked_layers(model) == 14
    with pytest.raises(ArtifactError, match="14 4-bit layers have been rewritten by a forward pass"):
        save_quantized(model, tmp_path / "never")
    assert not (tmp_path / "never").exists()


def _machine_repacks() -> bool:
    return bool(Linear4bit(32, 32).support_avx512bf16_for_cpu)


def test_a_checkpoint_that_reads_back_differently_is_refused(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save_damaged(model: Any, out: Path) -> None:
        next(module for module in model.modules() if isinstance(module, Linear4bit)).weight.data[:8] = 0
        save_quantized(model, out)
        model.get_input_embeddings().weight.data *= 1.5

    monkeypatch.setattr(quantization, "save_quantized", save_damaged)
    with pytest.raises(ArtifactError, match="does not compute what was saved"):
        write_checkpoint(folder_source(base), None, QuantizationEntry(method="bitsandbytes-nf4"), tmp_path / "out")
