"""What is decided before vllm starts."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.errors import ModelLoadError
from bias_platform.inference.engines.vllm_arguments import ModelConfig, gpus_for, llm_arguments, lora_rank
from bias_platform.inference.engines.vllm_loading import load_vllm
from bias_platform.models.source import ModelSource
from bias_platform.models.system import ResolvedSystem

GIB = 1 << 30


def adapter(folder: Path, **config: object) -> Path:
    """A folder with a rank and some weights."""
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps(config), "utf-8")
    save_file({"a": np.zeros(2, dtype=np.float32)}, folder / "adapter_model.safetensors")
    return folder


def test_room_is_made_for_the_largest_rank(tmp_path: Path) -> None:
    plain = adapter(tmp_path / "plain", r=8)
    patterned = adapter(tmp_path / "patterned", r=4, rank_pattern={"q_proj": 20})
    assert lora_rank([plain]) == 8
    assert lora_rank([plain, patterned]) == 32


def test_a_rank_vllm_has_no_room_for_is_named(tmp_path: Path) -> None:
    huge = adapter(tmp_path / "huge", r=1024)
    with pytest.raises(ModelLoadError, match=r"huge has rank 1024, vllm takes up to 512"):
        lora_rank([huge, adapter(tmp_path / "plain", r=8)])


def test_an_adapter_without_a_rank_or_of_pickles_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"no readable adapter_config\.json with a rank 'r'"):
        lora_rank([adapter(tmp_path / "rankless", alpha=8)])
    pickled = adapter(tmp_path / "pickled", r=8)
    (pickled / "adapter_model.safetensors").rename(pickled / "adapter_model.bin")
    with pytest.raises(ModelLoadError, match="only as pickle files"):
        lora_rank([pickled])


@pytest.mark.parametrize(
    ("weights", "heads", "count", "expected"),
    [(1, 32, 8, 1), (60, 32, 8, 2), (60, 32, 1, 1), (140, 64, 8, 4), (100, 40, 3, 2), (900, 64, 8, 8), (60, 9, 2, 1)],
)
def test_a_model_takes_the_fewest_gpus_that_hold_it(weights: int, heads: int, count: int, expected: int) -> None:
    assert gpus_for(weights * GIB, heads, 80 * GIB, count) == expected


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vllm is in this environment")
def test_the_wrong_environment_says_what_to_run(small_folder: Path) -> None:
    source = ModelSource(kind="folder", location=str(small_folder))
    system = ResolvedSystem(slug="small", source=source, identity="1" * 32)
    with pytest.raises(ModelLoadError, match=r"needs its own environment.*run `make vllm`"):
        load_vllm(system, EngineSettings(name="vllm"))


def test_the_cache_on_cpu_holds_one_context_and_a_pass_stays_short(small_folder: Path, tmp_path: Path) -> None:
    small = llm_arguments(ModelConfig(small_folder), EngineSettings(name="vllm"), "cpu", [])
    assert (
        small["kv_cache_memory_bytes"] == 16_384 * (2 * 2 * 2 * 32) * 4
    )  # tokens, keys and values of 2 layers, float32
    assert (small["max_num_batched_tokens"], small["enforce_eager"], small["trust_remote_code"]) == (2048, True, False)
    (tmp_path / "config.json").write_text(
        json.dumps({"text_config": {"max_position_embeddings": 20_000, "num_attention_heads": 4, "hidden_size": 64}})
    )
    long = llm_arguments(
        ModelConfig(tmp_path), EngineSettings(name="vllm", dtype="bfloat16", batch_tokens=256), "cpu", []
    )
    assert long["kv_cache_memory_bytes"] == 20_000 * (2 * 1 * 4 * 16) * 2
    assert long["max_num_batched_tokens"] == long["max_num_seqs"] == 256
