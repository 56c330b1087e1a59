"""Quantized checkpoints and those that cannot be asked, for real on CPU."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.errors import ModelLoadError
from bias_platform.inference.engines.base import Prompt
from bias_platform.inference.engines.transformers_engine import engine_on
from bias_platform.models.loading import load_system
from bias_platform.models.source import ModelSource
from bias_platform.models.system import ResolvedSystem
from bias_platform_tests.inference.gathered_scores import scores
from bias_platform_tests.inference.vllm.remote_engine import RemoteEngine

W8A8 = {
    "quant_method": "compressed-tensors",
    "format": "int-quantized",
    "quantization_status": "compressed",
    "ignore": ["lm_head"],
    "config_groups": {
        "group_0": {
            "targets": ["Linear"],
            "weights": {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel", "dynamic": False},
            "input_activations": {
                "num_bits": 8,
                "type": "int",
                "symmetric": True,
                "strategy": "token",
                "dynamic": True,
            },
        }
    },
}


def reconfigured(folder: Path, target: Path, **changes: object) -> Path:
    """A copy of a model with another config.json."""
    shutil.copytree(folder, target, dirs_exist_ok=True)
    path = target / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")
    return target


@pytest.fixture(scope="module")
def rounded(small_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The model with weights of 8 bits (W8A8, rounded to nearest) in compressed-tensors' format, and the same weights
    written out again."""
    quantized, plain = {}, {}
    for name, weight in load_file(small_folder / "model.safetensors").items():
        plain[name], quantized[name] = weight, weight.to(torch.bfloat16)
        if name.endswith("_proj.weight"):
            scale = weight.abs().amax(dim=1, keepdim=True) / 127
            quantized[name] = (weight / scale).round().to(torch.int8)
            quantized[f"{name}_scale"] = scale
            plain[name] = quantized[name] * scale
    folders = []
    for kind, tensors in {"w8a8": quantized, "plain": plain}.items():
        changes = {"quantization_config": W8A8, "dtype": "bfloat16"} if kind == "w8a8" else {}
        folders.append(reconfigured(small_folder, tmp_path_factory.mktemp(kind), **changes))
        save_file(tensors, folders[-1] / "model.safetensors", metadata={"format": "pt"})
    return folders[0], folders[1]


def test_a_compressed_tensors_checkpoint_is_asked_with_its_own_weights(
    vllm_on: Callable[..., RemoteEngine], rounded: tuple[Path, Path], small_folder: Path, prompts: list[Prompt]
) -> None:
    engine = vllm_on(rounded[0], dtype="bfloat16")
    engine.load()
    table, failures = scores(engine.score_choices, prompts)
    assert not failures
    expected = reference_scores(rounded[1], prompts)
    errors = np.abs(table - expected)
    # activations of 8 bits and bfloat16, summed over up to ten tokens: 0.2 where the processor multiplies bytes exactly
    # (VNNI), 0.8 where it does not (AVX2), of scores that spread by 17
    assert errors.mean() < 0.06 * expected.std()
    assert np.corrcoef(table.ravel(), expected.ravel())[0, 1] > 0.995
    assert errors.max() > 1e-3  # else the checkpoint would not have been computed in few bits


def reference_scores(folder: Path, prompts: list[Prompt]) -> np.ndarray:
    """Of the transformers engine in float32."""
    source = ModelSource(kind="folder", location=str(folder))
    system = ResolvedSystem(slug="small", source=source, identity="1" * 32)
    engine = engine_on(load_system(system, dtype="float32", device="cpu"), EngineSettings())
    return scores(engine.score_naive, prompts)[0]


def test_what_vllm_cannot_ask_is_one_sentence(
    vllm_on: Callable[..., RemoteEngine], rounded: tuple[Path, Path], small_folder: Path, tmp_path: Path
) -> None:
    nf4 = {"quant_method": "bitsandbytes", "load_in_4bit": True}
    wrong = {
        "vllm computes with quantized weights in bfloat16 only; set engine.dtype to bfloat16": rounded[0],
        "quantized by bitsandbytes, which vllm does not read": reconfigured(
            small_folder, tmp_path / "nf4", quantization_config=nf4
        ),
        "vllm cannot run system 'small' .*head_dim=16": reconfigured(small_folder, tmp_path / "narrow", head_dim=16),
    }
    engine = vllm_on(small_folder)
    for sentence, folder in wrong.items():
        with pytest.raises(ModelLoadError, match=sentence):
            engine.load(folder)
