"""Small models on disk, and engines that ask them in vllm's own environment."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from bias_platform_tests.inference.vllm.remote_engine import PYTHON, RemoteEngine

DEMANDED = "BIAS_PLATFORM_TEST_VLLM"
"""Set by `make test-all`: without the environment its tests fail instead of being skipped."""


@pytest.fixture(scope="session")
def vllm_environment() -> None:
    """Skips where `.venv-vllm` has not been made."""
    if (PYTHON.parents[1] / ".complete").exists():
        return
    if os.environ.get(DEMANDED):
        pytest.fail(f"{PYTHON.parents[1]} is not there or not complete, and {DEMANDED} is set")
    pytest.skip("vllm's environment is not there: `make vllm` makes it, `make test-all` runs these tests")


def small_config(tokenizer: PreTrainedTokenizerFast, context: int) -> LlamaConfig:
    """A Llama with heads of 32, the smallest that vllm's CPU kernels know, and weights large enough that scores differ
    clearly between prompts."""
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=context,
        initializer_range=0.2,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )


@pytest.fixture(scope="session")
def small_folder(tmp_path_factory: pytest.TempPathFactory, tokenizer: PreTrainedTokenizerFast) -> Path:
    """A random Llama in a context of 256 tokens."""
    torch.manual_seed(7)
    folder = tmp_path_factory.mktemp("small")
    LlamaForCausalLM(small_config(tokenizer, 256)).eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def vllm_on(vllm_environment: None) -> Iterator[Callable[..., RemoteEngine]]:
    """Makes engines that end with the module's tests."""
    made: list[RemoteEngine] = []

    def make(model: Path, **order: Any) -> RemoteEngine:
        made.append(RemoteEngine(model, **order))
        return made[-1]

    yield make
    for engine in made:
        engine.__exit__()


@pytest.fixture(scope="module")
def small(vllm_on: Callable[..., RemoteEngine], small_folder: Path) -> RemoteEngine:
    """The random Llama in vllm."""
    engine = vllm_on(small_folder)
    engine.load()
    return engine
