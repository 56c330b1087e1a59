"""Systems that are asked at an endpoint: api models, and tuned models that somebody else trained and serves."""

from typing import NamedTuple

from bias_platform.catalog.entries import Catalog
from bias_platform.catalog.systems import parse_system


class ServedAdapter(NamedTuple):
    """A tuned model as an endpoint serves it, base and all."""

    endpoint: str
    api_name: str
    snapshot: str | None
    """its declared version"""


def served_adapter(catalog: Catalog, system: str) -> ServedAdapter | None:
    """What stands for `base+adapter` at an endpoint; None where weights are loaded here, or nothing is declared."""
    parts = parse_system(system)
    adapter = catalog.adapters.get(parts.adapter) if parts.adapter else None
    elsewhere = adapter.trained_elsewhere if adapter else None
    if elsewhere is None or elsewhere.endpoint is None or parts.base not in elsewhere.api_names:
        return None
    return ServedAdapter(elsewhere.endpoint, elsewhere.api_names[parts.base], elsewhere.snapshot)


def endpoint_of(catalog: Catalog, system: str) -> str | None:
    """The endpoint that is asked for a system's answers; None for one whose weights are here."""
    served, base = served_adapter(catalog, system), catalog.models.get(parse_system(system).base)
    if served is not None:
        return served.endpoint
    return base.endpoint if base is not None and base.kind == "api" else None
