"""Which engines there are, by dotted path: listing them imports none of them."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple, cast

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.errors import UserError
from bias_platform.inference.engines.base import Engine, EngineIdentity, LazyEngine
from bias_platform.inference.spending import Spending
from bias_platform.models.system import ResolvedSystem

SERVED = "served"
"""Stands in a cell's identity for what an endpoint decides and does not tell."""


class EngineOrder(NamedTuple):
    """What an engine is made from."""

    system: ResolvedSystem
    settings: EngineSettings
    identity: EngineIdentity
    spending: Spending
    """asked before anything is bought"""


class EngineEntry(NamedTuple):
    """Where an engine is, where it runs and what its answers are called."""

    path: str
    """`module:function`; the function takes an `EngineOrder` and returns the loaded `Engine`"""
    numerics_version: str
    """raise it when the engine's answers change by more than rounding: every cell is then asked anew"""
    environment: str = "core"
    """of the worker that runs it"""
    has_weights: bool = True
    """whether it loads the system here; else an endpoint serves it"""


ENGINES: dict[str, EngineEntry] = {
    "transformers": EngineEntry("bias_platform.inference.engines.transformers_engine:load_engine", "transformers-kv-1"),
    "vllm": EngineEntry("bias_platform.inference.engines.vllm_engine:load_engine", "vllm-1", environment="vllm"),
    "openai": EngineEntry("bias_platform.inference.engines.openai_engine:load_engine", "openai-1", has_weights=False),
}


def engine_names() -> tuple[str, ...]:
    """All engines, sorted."""
    return tuple(sorted(ENGINES))


def engine_entry(name: str) -> EngineEntry:
    """The entry of an engine.

    Raises:
        UserError: no such engine.
    """
    if name not in ENGINES:
        raise UserError(f"engine '{name}' is not known; allowed: {', '.join(engine_names())}")
    return ENGINES[name]


def engine_identity(settings: EngineSettings, chat_template_hash: str) -> EngineIdentity:
    """The identity the engine of these settings will have.

    Raises:
        UserError: no such engine.
    """
    return EngineIdentity(settings.name, engine_entry(settings.name).numerics_version, chat_template_hash)


def identity_for(settings: EngineSettings, system: ResolvedSystem) -> EngineIdentity:
    """The identity of a system's engine, known without loading the system: only its tokenizer is read.

    Raises:
        UserError: no such engine.
        ModelLoadError: the tokenizer cannot be read, or has no chat template.
    """
    if not engine_entry(settings.name).has_weights:
        return engine_identity(settings, SERVED)
    from bias_platform.models.chat import chat_template_hash
    from bias_platform.models.loading import load_tokenizer, source_folder

    source = system.source
    tokenizer = load_tokenizer(source_folder(source, settings.dtype), source.title)
    return engine_identity(settings, chat_template_hash(tokenizer, source.title))


def lazy_engine(order: EngineOrder, before: Callable[[], None] = lambda: None) -> LazyEngine:
    """An engine that loads its system with the first question.

    Args:
        order: what it is made from; its identity is checked against the loaded engine's.
        before: is called right before the system is loaded.
    """

    def make() -> Engine:
        before()
        return load_engine(order)

    return LazyEngine(order.identity, make)


def load_engine(order: EngineOrder) -> Engine:
    """Loads the system and makes its engine.

    Raises:
        UserError: no such engine, or the system cannot be loaded.
    """
    module_name, _, function = engine_entry(order.settings.name).path.partition(":")
    load: Callable[[EngineOrder], Any] = getattr(import_module(module_name), function)
    return cast(Engine, load(order))
