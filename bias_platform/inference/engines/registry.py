"""Which engines there are, by dotted path: listing them imports none of them."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple, cast

from bias_platform.catalog.entries import EngineSettings
from bias_platform.errors import UserError
from bias_platform.inference.engines.base import ChoiceEngine, EngineIdentity, LazyEngine, LoadedModel


class EngineEntry(NamedTuple):
    """Where an engine is and what its scores are called."""

    path: str
    """`module:class`; the class is called with (loaded, settings, identity)"""
    numerics_version: str
    """raise it when the engine's scores change by more than rounding: every cell is then asked anew"""


ENGINES: dict[str, EngineEntry] = {
    "transformers": EngineEntry(
        "bias_platform.inference.engines.transformers_engine:TransformersEngine", "transformers-kv-1"
    ),
}


def engine_names() -> tuple[str, ...]:
    """All engines, sorted."""
    return tuple(sorted(ENGINES))


def engine_identity(settings: EngineSettings, chat_template_hash: str) -> EngineIdentity:
    """The identity the engine of these settings will have.

    Raises:
        UserError: no such engine.
    """
    return EngineIdentity(settings.name, _entry(settings.name).numerics_version, chat_template_hash)


def create_engine(settings: EngineSettings, loaded: LoadedModel) -> ChoiceEngine:
    """Creates an engine for a loaded system.

    Raises:
        UserError: no such engine.
    """
    module_name, _, class_name = _entry(settings.name).path.partition(":")
    engine_class: Callable[..., Any] = getattr(import_module(module_name), class_name)
    return cast(ChoiceEngine, engine_class(loaded, settings, engine_identity(settings, loaded.chat_template_hash)))


def lazy_engine(settings: EngineSettings, chat_template_hash: str, load: Callable[[], LoadedModel]) -> LazyEngine:
    """An engine that loads its system with the first question.

    Args:
        settings: which engine and how it scores.
        chat_template_hash: of the system, known without loading it; checked when it is loaded.
        load: loads the system.
    """
    identity = engine_identity(settings, chat_template_hash)
    return LazyEngine(identity, lambda: create_engine(settings, load()))


def _entry(name: str) -> EngineEntry:
    if name not in ENGINES:
        raise UserError(f"engine '{name}' is not known; allowed: {', '.join(engine_names())}")
    return ENGINES[name]
