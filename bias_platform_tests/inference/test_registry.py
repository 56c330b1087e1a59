"""Engines are listed without importing any, and made when the first question comes."""

import subprocess
import sys
from typing import Any

import pytest

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.errors import UserError
from bias_platform.inference.engines import registry
from bias_platform.inference.engines.base import EngineIdentity, LazyEngine, Prompt
from bias_platform.inference.engines.transformers_engine import engine_on
from bias_platform.inference.spending import Spending
from bias_platform.models.source import ModelSource
from bias_platform.models.system import ResolvedSystem

_LIGHT = """
import sys
import bias_platform.inference.answering, bias_platform.inference.ledger
from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.inference.engines.registry import engine_identity, engine_names
assert {"openai", "transformers", "vllm"} == set(engine_names())
assert engine_identity(EngineSettings(), "h").numerics_version
print(sorted({"torch", "transformers", "peft", "vllm", "openai", "httpx", "httpx2"} & set(sys.modules)))
"""
PROMPT = Prompt(({"role": "user", "content": "Rude?"},))
SYSTEM = ResolvedSystem(slug="small", source=ModelSource(kind="folder", location="/m"), identity="1" * 32)


def _order(settings: EngineSettings, identity: EngineIdentity) -> registry.EngineOrder:
    return registry.EngineOrder(SYSTEM, settings, identity, Spending())


def test_listing_engines_imports_none() -> None:
    said = subprocess.run([sys.executable, "-c", _LIGHT], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_an_unknown_engine_is_named_with_what_is_allowed() -> None:
    with pytest.raises(UserError, match="engine 'abacus' is not known; allowed: openai, transformers, vllm"):
        registry.engine_identity(EngineSettings.model_construct(name="abacus"), "h")


def test_a_lazy_engine_loads_with_the_first_question(loaded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    settings = EngineSettings()
    monkeypatch.setattr(
        "bias_platform.inference.engines.transformers_engine.load_engine",
        lambda order: told.append(order.system.slug) or engine_on(loaded, order.settings),
    )
    order = _order(settings, registry.engine_identity(settings, loaded.chat_template_hash))
    engine = registry.lazy_engine(order, before=lambda: told.append("before"))
    assert engine.identity.name == "transformers"
    assert (engine.stats.prompts, engine.loaded, told) == (0, False, [])
    for _ in range(2):
        assert len(list(engine.score_choices([PROMPT], [("Yes", "No")], "sum"))) == 1
    assert (engine.stats.prompts, engine.loaded, told) == (2, True, ["before", "small"])


def test_a_lazy_engine_refuses_to_file_answers_under_another_identity(loaded: Any) -> None:
    engine = LazyEngine(
        registry.engine_identity(EngineSettings(), "another template"), lambda: engine_on(loaded, EngineSettings())
    )
    with pytest.raises(RuntimeError, match="announced engine"):
        list(engine.score_choices([PROMPT], [("Yes", "No")], "sum"))
