"""What must hold within an adapter's entry: where it comes from, and what its way of showing personas needs."""

import re
from collections.abc import Iterator

from bias_platform.catalog.entries import AdapterEntry, TrainedElsewhere, TrainingData
from bias_platform.catalog.problems import Field, Problem, unknown

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")

_USED_BY: dict[str, tuple[str, ...]] = {
    "composite_pattern": ("composite",),
    "composite_values": ("composite",),
    "persona": ("specific",),
    "labels": ("specific",),
    "dimensions": ("matching",),
    "permute_attributes": ("matching", "composite"),
    "templates": ("matching", "composite", "specific"),
}
"""Field of training data -> the ways of showing personas (`personas`) that read it."""
_REQUIRED_BY = {"composite": ("composite_pattern",), "specific": ("persona", "labels")}


def adapter_problems(adapter: AdapterEntry, place: Field) -> Iterator[Problem]:
    """Every broken rule of one adapter."""
    if not adapter.target_modules:
        yield Problem((*place, "target_modules"), "must name at least one module")
    if adapter.training is None and adapter.trained_elsewhere is None:
        message = "is required: what the adapter learns; or say under `trained_elsewhere` where it is"
        yield Problem((*place, "training"), message)
    if adapter.training is not None:
        yield from _training(adapter.training, (*place, "training"))
    if adapter.trained_elsewhere is not None:
        yield from _elsewhere(adapter.trained_elsewhere, (*place, "trained_elsewhere"))


def _training(training: TrainingData, place: Field) -> Iterator[Problem]:
    mode = training.personas
    for name, modes in _USED_BY.items():
        unset = TrainingData.model_fields[name].get_default(call_default_factory=True)
        if mode not in modes and getattr(training, name) != unset:
            users = " or ".join(modes)
            message = f"is used only with `personas: {users}`; remove it"
            yield Problem((*place, name), f"{message} or say {users}" if len(modes) == 1 else message)
    for name in _REQUIRED_BY.get(mode, ()):
        if getattr(training, name) is None:
            yield Problem((*place, name), f"is required by `personas: {mode}`")
    if mode == "composite" and training.composite_pattern is not None:
        yield from _composite(training.composite_pattern, training, place)


def _composite(pattern: str, training: TrainingData, place: Field) -> Iterator[Problem]:
    names = _PLACEHOLDER.findall(pattern)
    if not names:
        yield Problem((*place, "composite_pattern"), "names no attribute; write e.g. {gender} where its value goes")
        return
    for attribute in training.composite_values:
        if attribute not in names:
            yield unknown((*place, "composite_values", attribute), attribute, "attribute in composite_pattern", names)


def _elsewhere(elsewhere: TrainedElsewhere, place: Field) -> Iterator[Problem]:
    if elsewhere.folder is None and elsewhere.endpoint is None:
        message = "is required, or `endpoint`: name the folder of the adapter, or where the tuned model is served"
        yield Problem((*place, "folder"), message)
    if elsewhere.folder is not None:
        if elsewhere.endpoint is not None:
            yield Problem((*place, "endpoint"), "cannot stand beside `folder`; keep one of them")
        for name in ("api_names", "snapshot"):
            if elsewhere.endpoint is None and getattr(elsewhere, name):
                yield Problem((*place, name), "is used only with `endpoint`; remove it")
    if elsewhere.endpoint is not None and not elsewhere.api_names:
        message = "is required by `endpoint`; write e.g. {my-base: the tuned model's name there}"
        yield Problem((*place, "api_names"), message)
