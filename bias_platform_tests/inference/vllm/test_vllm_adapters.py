"""Adapters by request, for real on CPU, against peft."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaForCausalLM

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.errors import UserError
from bias_platform.inference.engines.base import Prompt
from bias_platform.inference.engines.transformers_engine import engine_on
from bias_platform.models.loading import load_system
from bias_platform.models.source import ModelSource
from bias_platform.models.system import ResolvedSystem
from bias_platform_tests.inference.gathered_scores import scores
from bias_platform_tests.inference.vllm.remote_engine import RemoteEngine
from bias_platform_tests.inference.vllm.test_vllm_scoring import CLOSE


@pytest.fixture(scope="module")
def adapters(small_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three LoRAs of different ranks that change much."""
    folders = {}
    for seed, (name, rank) in enumerate({"own": 4, "farmer": 8, "teacher": 12}.items()):
        torch.manual_seed(seed)
        base = LlamaForCausalLM.from_pretrained(small_folder, dtype="float32")
        config = LoraConfig(
            r=rank, lora_alpha=2 * rank, target_modules=["q_proj", "v_proj", "up_proj"], init_lora_weights=False
        )
        folders[name] = tmp_path_factory.mktemp("adapters") / name
        get_peft_model(base, config).save_pretrained(folders[name])
    return folders


@pytest.fixture(scope="module")
def adapted(vllm_on: Callable[..., RemoteEngine], small_folder: Path, adapters: dict[str, Path]) -> RemoteEngine:
    """The system small+own, with two more adapters."""
    named = {name: folder for name, folder in adapters.items() if name != "own"}
    engine = vllm_on(small_folder, adapter=adapters["own"], adapters=named)
    engine.load()
    return engine


def by_peft(folder: Path, adapter: Path | None, prompts: list[Prompt]) -> np.ndarray:
    """Scores of the transformers engine."""
    source = ModelSource(kind="folder", location=str(folder))
    system = ResolvedSystem(slug="small+own", source=source, adapter=adapter, identity="1" * 32)
    engine = engine_on(load_system(system, dtype="float32", device="cpu"), EngineSettings())
    return scores(engine.score_naive, prompts)[0]


def test_adapters_in_one_batch_answer_as_in_peft(
    adapted: RemoteEngine, small_folder: Path, adapters: dict[str, Path], prompts: list[Prompt]
) -> None:
    names = [None, "farmer", "teacher", "__base__"]
    asked = [prompt._replace(adapter=names[row % 4]) for row, prompt in enumerate(prompts)]
    table, failures = scores(adapted.score_choices, asked)
    assert not failures
    folders = {None: adapters["own"], "__base__": None, **adapters}
    expected = {name: by_peft(small_folder, folders[name], prompts) for name in names}
    for row in range(len(prompts)):
        np.testing.assert_allclose(table[row], expected[names[row % 4]][row], atol=CLOSE, rtol=0)
    gaps = [np.abs(expected[left] - expected[right]).max() for left in names for right in names if left != right]
    assert min(gaps) > 0.1  # the comparison would be empty if the adapters changed nothing


def test_equal_prompts_of_different_adapters_are_not_taken_for_one(
    adapted: RemoteEngine, prompts: list[Prompt]
) -> None:
    table, _ = scores(
        adapted.score_choices, [prompts[0]._replace(adapter=name) for name in (None, "farmer", "teacher")]
    )
    assert np.abs(np.diff(table, axis=0)).max(axis=1).min() > 0.1


def test_an_unknown_adapter_is_named_with_those_there_are(adapted: RemoteEngine, prompts: list[Prompt]) -> None:
    with pytest.raises(UserError, match=r"adapter 'cook' is not among .* \(it has: __base__, farmer, teacher\)"):
        scores(adapted.score_choices, [prompts[0]._replace(adapter="cook")])
