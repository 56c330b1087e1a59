"""A real vLLM server, asked over HTTP, gives the scores and texts of the transformers library on the same weights."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.errors import UserError
from bias_platform.inference.endpoints import chat_calls
from bias_platform.inference.engines.base import Decoding, Failure, Image, Prompt
from bias_platform.inference.engines.openai_engine import OpenAIEngine
from bias_platform.inference.engines.registry import engine_identity
from bias_platform.inference.engines.transformers_engine import engine_on
from bias_platform.inference.spending import Spending
from bias_platform_tests.inference.conftest import OPTIONS, Loaded
from bias_platform_tests.inference.endpoints.conftest import KEY, endpoint_at, written
from bias_platform_tests.inference.endpoints.vllm_server import VllmServer
from bias_platform_tests.inference.vllm.conftest import DEMANDED, small_config
from bias_platform_tests.inference.vllm.remote_engine import PYTHON

CLOSE = 1e-4


@pytest.fixture(scope="module")
def small(tokenizer: PreTrainedTokenizerFast) -> Loaded:
    """A random Llama that vLLM can serve on CPU."""
    torch.manual_seed(7)
    config = small_config(tokenizer, 512)
    return Loaded(LlamaForCausalLM(config).eval(), tokenizer)


@pytest.fixture(scope="module")
def server(small: Loaded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmServer]:
    """Serves it; skips where `.venv-vllm` has not been made, unless the environment demands it."""
    if not (PYTHON.parents[1] / ".complete").exists() and not os.environ.get(DEMANDED):
        pytest.skip("vllm's environment is not there: `make vllm` makes it, `make test-all` runs these tests")
    folder = tmp_path_factory.mktemp("served")
    small.model.save_pretrained(folder / "model")
    small.tokenizer.save_pretrained(folder / "model")
    with VllmServer(folder / "model", folder, KEY) as running:
        yield running


def _engine(server: VllmServer, model: str = "tiny", key: str = KEY, **settings: Any) -> OpenAIEngine:
    chosen = EngineSettings.model_validate({"name": "openai", "ask": "generate", "timeout_seconds": 120} | settings)
    return OpenAIEngine(endpoint_at(server.url, key), model, chosen, engine_identity(chosen, "served"), Spending())


def _scores(engine: Any, prompts: list[Prompt], options: tuple[str, ...]) -> np.ndarray:
    table = np.full((len(prompts), len(options)), np.nan)
    for batch in engine.score_choices(prompts, [options] * len(prompts), "first-token"):
        assert not batch.failures
        if batch.indices:
            table[batch.indices] = batch.logprobs
    return table


def test_scores_are_those_of_transformers(server: VllmServer, small: Loaded, prompts: list[Prompt]) -> None:
    expected = _scores(engine_on(small, EngineSettings()), prompts, OPTIONS)
    engine = _engine(server, ask="score", scoring="first-token", top_logprobs=20)
    np.testing.assert_allclose(_scores(engine, prompts, OPTIONS), expected, atol=CLOSE, rtol=0)
    assert np.ptp(expected, axis=0).min() > 0.1  # the comparison would be empty if every prompt scored the same
    assert engine.stats.requests == 1 + 1 + len(OPTIONS) + len(prompts)
    assert engine.stats.written_tokens == len(prompts)


def test_tokens_found_by_their_texts_score_the_same(
    server: VllmServer, small: Loaded, prompts: list[Prompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an endpoint is asked that is not known to be vLLM's; options that are single tokens can be scored then."""

    async def unknown(*_: object) -> bool:
        return False

    words = sorted(token for token in small.tokenizer.get_vocab() if token.isascii() and token.isalpha())
    single = tuple(word for word in words if len(word) > 1)[:4]
    monkeypatch.setattr(chat_calls, "is_vllm", unknown)
    engine = _engine(server, ask="score", scoring="first-token", top_logprobs=340)
    expected = _scores(engine_on(small, EngineSettings()), prompts, single)
    np.testing.assert_allclose(_scores(engine, prompts, single), expected, atol=CLOSE, rtol=0)


def _greedy(loaded: Loaded, prompt: Prompt, longest: int) -> str:
    """What the transformers library writes, without the half character it may end in."""
    chat = loaded.tokenizer.apply_chat_template(
        list(prompt.messages), add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    with torch.inference_mode():
        ids = loaded.model.generate(**chat, max_new_tokens=longest, do_sample=False, pad_token_id=0)
    return str(loaded.tokenizer.decode(ids[0, chat["input_ids"].shape[1] :], skip_special_tokens=True)).rstrip("\ufffd")


def test_texts_at_temperature_0_are_those_of_transformers(
    server: VllmServer, small: Loaded, prompts: list[Prompt]
) -> None:
    texts, failures, usage = written(_engine(server), prompts, Decoding(12))
    assert failures == {}
    assert [texts[row].text.rstrip("\ufffd") for row in range(len(prompts))] == [
        _greedy(small, prompt, 12) for prompt in prompts
    ]
    lengths = [
        len(small.tokenizer.apply_chat_template(list(p.messages), add_generation_prompt=True)["input_ids"])
        for p in prompts
    ]
    assert [texts[row].input_tokens for row in range(len(prompts))] == lengths
    assert usage.input_tokens == sum(lengths)


def test_restricted_answers_are_options(server: VllmServer, prompts: list[Prompt]) -> None:
    texts, failures, _ = written(_engine(server), prompts, Decoding(32, allowed=OPTIONS))
    assert failures == {}
    assert {text.finish for text in texts.values()} == {"stop"}
    assert {text.text for text in texts.values()} <= set(OPTIONS)
    assert len({text.text for text in texts.values()}) > 1


def test_a_seed_draws_the_same_again_and_another_one_something_else(server: VllmServer, prompts: list[Prompt]) -> None:
    seeded = [prompts[0]._replace(seed=seed) for seed in range(8)]
    once, again = (written(_engine(server), seeded, Decoding(12, temperature=1.0))[0] for _ in range(2))
    assert {row: text.text for row, text in once.items()} == {row: text.text for row, text in again.items()}
    assert len({text.text for text in once.values()}) > 4


def test_what_the_server_cannot_read_fails_alone(server: VllmServer, prompts: list[Prompt], tmp_path: Path) -> None:
    (tmp_path / "dot.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    picture = Image(tmp_path / "dot.png", b"d" * 16, "image/png")
    long = Prompt(({"role": "user", "content": "hm " * 900},))
    texts, failures, _ = written(_engine(server), [prompts[0], long, prompts[1]._replace(images=(picture,))])
    assert set(texts) == {0}
    assert {row: failure.detail.partition(":")[0] for row, failure in failures.items()} == {
        1: "prompt too long",
        2: "HTTP 400",
    }
    assert not any(failure.transient for failure in failures.values())


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"model": "large"}, "has no model 'large'"), ({"key": "wrong"}, "does not accept the key in LAB_API_KEY")],
)
def test_a_wrong_name_and_a_wrong_key_end_the_run(
    server: VllmServer, prompts: list[Prompt], changes: dict[str, str], message: str
) -> None:
    engine = _engine(server, **changes)
    with pytest.raises(UserError, match=message):
        written(engine, prompts)
    assert engine.stats.requests == 2


def test_failures_have_no_scores(server: VllmServer) -> None:
    engine = _engine(server, ask="score", scoring="first-token")
    long = Prompt(({"role": "user", "content": "hm " * 900},))
    batches = list(engine.score_choices([long], [OPTIONS], "first-token"))
    failures: dict[int, Failure] = {row: failure for batch in batches for row, failure in batch.failures.items()}
    assert failures[0].detail.startswith("prompt too long: ")
    assert all(batch.indices == [] for batch in batches)
