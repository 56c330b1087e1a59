"""Safetensors files looked at from outside: whole or truncated, how many weights, how many bytes.

Format: 8 bytes little-endian length of the header, the header (JSON: name -> dtype, shape, data_offsets), the data.
"""

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

from bias_platform.errors import ModelLoadError

_HEADER_LIMIT = 100 << 20
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


class Weights(NamedTuple):
    """What the weight files of a folder hold."""

    numbers: int
    """stored numbers (a 4-bit checkpoint packs two weights into one)"""
    size: int
    """bytes of all tensors"""
    files: tuple[Path, ...]


def check_weight_files(folder: Path, pattern: str = "*.safetensors") -> Weights:
    """Checks the weight files of a model or adapter folder without reading their data.

    Raises:
        ModelLoadError: no such folder, no safetensors file, only pickles, or files that are truncated or damaged
            (all are named), or a shard the index names is not there.
    """
    if not folder.is_dir():
        raise ModelLoadError(f"the model folder {folder} is not there; materialize the model first")
    files = tuple(sorted(folder.glob(pattern)))
    if not files:
        raise ModelLoadError(_no_weights(folder))
    headers = [_header(path) for path in files]
    problems = [header for header in headers if isinstance(header, str)] + _missing_shards(folder, files)
    if problems:
        raise ModelLoadError(f"{'; '.join(problems)} (in {folder}). Download or materialize the model again")
    tensors = [tensor for header in headers if isinstance(header, dict) for tensor in header.values()]
    return Weights(
        numbers=sum(math.prod(tensor["shape"]) for tensor in tensors),
        size=sum(tensor["data_offsets"][1] - tensor["data_offsets"][0] for tensor in tensors),
        files=files,
    )


def _no_weights(folder: Path) -> str:
    pickles = [path.name for pattern in _PICKLES for path in folder.glob(pattern)]
    if pickles:
        return (
            f"{folder} holds weights only as pickle files ({', '.join(sorted(pickles))}), which are never loaded "
            "because they can run code; use a revision with .safetensors files"
        )
    return f"{folder} holds no .safetensors file; materialize or download the model again"


def _header(path: Path) -> dict[str, Any] | str:
    """The tensors a file declares, or what is wrong with it."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if size < 8 or length > _HEADER_LIMIT:
            return f"{path.name} is no safetensors file ({size:,} bytes)"
        raw = stream.read(length)
    try:
        tensors: dict[str, Any] = json.loads(raw)
        tensors.pop("__metadata__", None)
        expected = 8 + length + max((tensor["data_offsets"][1] for tensor in tensors.values()), default=0)
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"the header of {path.name} is damaged"
    if size != expected:
        kind = "truncated" if size < expected else "damaged"
        return f"{path.name} is {kind}: {size:,} bytes instead of {expected:,}"
    return tensors


def _missing_shards(folder: Path, files: tuple[Path, ...]) -> list[str]:
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return []
    try:
        named = set(json.loads(index.read_text("utf-8"))["weight_map"].values())
    except (ValueError, KeyError, AttributeError):
        return [f"{index.name} is damaged"]
    return [f"{name} is missing" for name in sorted(named - {path.name for path in files})]
