"""Which server answers at an endpoint: a vLLM server can be asked for more than others."""

from bias_platform.inference.endpoints.calls import Call, Caller
from bias_platform.inference.endpoints.replies import Json


async def is_vllm(caller: Caller) -> bool:
    """Looks at the endpoint's list of models; an endpoint without one is no vLLM server."""
    return bool(await caller.ask_first(Call("/models", None, _has_vllm)))


def _has_vllm(body: Json) -> bool:
    models = body.get("data")
    entries = models if isinstance(models, list) else []
    return any(isinstance(entry, dict) and entry.get("owned_by") == "vllm" for entry in entries)
