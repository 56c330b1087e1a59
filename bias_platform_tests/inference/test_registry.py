"""Engines are listed without importing any, and made when the first question comes."""

import subprocess
import sys
from typing import Any

import pytest

from bias_platform.catalog.entries import EngineSettings
from bias_platform.errors import UserError
from bias_platform.inference.engines import registry
from bias_platform.inference.engines.base import ChoicePrompt, LazyEngine

_LIGHT = """
import sys
import bias_platform.inference.answering, bias_platform.inference.ledger
from bias_platform.catalog.entries import EngineSettings
from bias_platform.inference.engines.registry import engine_identity, engine_names
assert "transformers" in engine_names()
assert engine_identity(EngineSettings(), "h").numerics_version
print(sorted({"torch", "transformers", "peft", "vllm"} & set(sys.modules)))
"""


def test_listing_engines_imports_none() -> None:
    said = subprocess.run([sys.executable, "-c", _LIGHT], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_every_registered_engine_can_be_made(loaded: Any) -> None:
    for name in registry.engine_names():
        settings = EngineSettings.model_construct(name=name, scoring="sum", dtype="float32", batch_tokens=512)
        engine = registry.create_engine(settings, loaded)
        assert engine.identity == registry.engine_identity(settings, loaded.chat_template_hash)


def test_an_unknown_engine_is_named_with_what_is_allowed(loaded: Any) -> None:
    with pytest.raises(UserError, match="engine 'abacus' is not known; allowed: transformers"):
        registry.create_engine(EngineSettings.model_construct(name="abacus"), loaded)


def test_a_lazy_engine_loads_with_the_first_question(loaded: Any) -> None:
    loads: list[int] = []

    def load() -> Any:
        loads.append(1)
        return loaded

    engine = registry.lazy_engine(EngineSettings(), loaded.chat_template_hash, load)
    assert engine.identity.name == "transformers"
    assert (engine.stats.prompts, engine.loaded, loads) == (0, False, [])
    prompt = ChoicePrompt(({"role": "user", "content": "Rude?"},))
    for _ in range(2):
        assert len(list(engine.score_choices([prompt], [("Yes", "No")], "sum"))) == 1
    assert (engine.stats.prompts, engine.loaded, loads) == (2, True, [1])


def test_a_lazy_engine_refuses_to_file_answers_under_another_identity(loaded: Any) -> None:
    engine: LazyEngine = registry.lazy_engine(EngineSettings(), "another template", lambda: loaded)
    with pytest.raises(RuntimeError, match="announced engine"):
        list(engine.score_choices([ChoicePrompt(({"role": "user", "content": "?"},))], [("Yes", "No")], "sum"))
