"""A LoRA adapter in a folder that somebody else made: looked at before anything of it is loaded, and taken over.

Only two files are taken, the configuration and the safetensors; whatever else lies there (pickles, optimiser states,
code) is never opened.
"""

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from bias_platform.errors import ModelLoadError
from bias_platform.models.weight_files import check_weight_files
from bias_platform.storage.hashing import file_hash, value_hash

CONFIGURATION = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"


class AdapterFolder(NamedTuple):
    """What an adapter's folder says of it."""

    rank: int
    target_modules: tuple[str, ...]
    """names of the layers that get an update, or one pattern of them"""
    trained_on: str | None
    """the base its configuration names: a hub name, or a folder where it was trained"""
    numbers: int
    """stored numbers"""
    size: int
    """bytes"""


def look_at_adapter(folder: Path) -> AdapterFolder:
    """Checks an adapter's two files without reading its weights; that it fits a base shows when it is loaded.

    Raises:
        ModelLoadError: no such folder, no safetensors, weights that are truncated or damaged, a configuration that
            cannot be read or is of another kind of adapter.
    """
    if not folder.is_dir():
        raise ModelLoadError(
            f"the adapter's folder {folder} is not there; put it there, or mend `trained_elsewhere.folder`"
        )
    weights = check_weight_files(folder, WEIGHTS)
    configuration = _configuration(folder / CONFIGURATION)
    modules = configuration["target_modules"]
    return AdapterFolder(
        rank=configuration["r"],
        target_modules=(modules,) if isinstance(modules, str) else tuple(sorted(modules)),
        trained_on=configuration.get("base_model_name_or_path") or None,
        numbers=weights.numbers,
        size=weights.size,
    )


def adapter_content(folder: Path) -> str:
    """Hash of the two files, which changes when, and only when, the adapter does.

    Raises:
        ModelLoadError: a file is not there.
    """
    look_at_adapter(folder)
    return value_hash({name: file_hash(folder / name) for name in (CONFIGURATION, WEIGHTS)})


def take_over_adapter(folder: Path, out: Path) -> AdapterFolder:
    """Copies the two files of a checked adapter into an empty folder; errors as of `look_at_adapter`."""
    found = look_at_adapter(folder)
    for name in (CONFIGURATION, WEIGHTS):
        shutil.copyfile(folder / name, out / name)
    return found


def _configuration(path: Path) -> dict[str, Any]:
    try:
        fields = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelLoadError(
            f"the adapter's {path} cannot be read ({error}); save the adapter with peft again"
        ) from None
    problem = _problem(fields)
    if problem:
        raise ModelLoadError(f"the adapter's {path} {problem}; only LoRA adapters saved by peft can be used")
    found: dict[str, Any] = fields
    return found


def _problem(fields: Any) -> str | None:
    """What keeps a configuration from being that of a LoRA adapter."""
    if not isinstance(fields, dict):
        return "holds no JSON object"
    rank, modules = fields.get("r"), fields.get("target_modules")
    if fields.get("peft_type") != "LORA":
        return f"is of peft_type {fields.get('peft_type')!r}, not 'LORA'"
    if not isinstance(rank, int) or rank < 1:
        return f"has the rank r {rank!r}, not a whole number of 1 or more"
    named = [modules] if isinstance(modules, str) else modules
    if not isinstance(named, list) or not named or not all(isinstance(name, str) and name for name in named):
        return f"has the target_modules {modules!r}, not names of layers"
    return None
