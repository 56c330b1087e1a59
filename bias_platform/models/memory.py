"""Whether a model fits: what its weights need against what is free here."""

from pathlib import Path

import psutil
import torch

from bias_platform.errors import ModelLoadError

BYTES_PER_WEIGHT = {"float32": 4, "bfloat16": 2, "float16": 2}
_HEADROOM = 1.1  # activations and the loader's own copies; the rest is the caller's batch size
_GIB = 1 << 30
_CGROUP = Path("/sys/fs/cgroup")


def free_memory(device: str) -> int:
    """Bytes that can still be taken: of the GPUs for `cuda...`, else of main memory within the container's limit."""
    if device.startswith("cuda") or device == "auto":
        devices = range(torch.cuda.device_count()) if device == "auto" else [torch.device(device).index or 0]
        return sum(torch.cuda.mem_get_info(index)[0] for index in devices)
    available = int(psutil.virtual_memory().available)
    return min(available, _container_rest(available))


def check_fits(title: str, needed: int, dtype: str, device: str) -> None:
    """Raises a `ModelLoadError` when `needed` bytes of weights (and a tenth more) are not free on the device."""
    free = free_memory(device)
    if needed * _HEADROOM <= free:
        return
    where = "GPU memory" if device != "cpu" else "main memory"
    raise ModelLoadError(
        f"model {title} is too large for this machine: its weights take {needed / _GIB:.1f} GiB in {dtype}, and "
        f"{free / _GIB:.1f} GiB of {where} are free. Use a machine with more memory, dtype bfloat16, or a quantized "
        "system (base@scheme)"
    )


def _container_rest(otherwise: int) -> int:
    try:
        limit = int((_CGROUP / "memory.max").read_text("utf-8"))
        used = int((_CGROUP / "memory.current").read_text("utf-8"))
        statistics = dict(line.split() for line in (_CGROUP / "memory.stat").read_text("utf-8").splitlines())
    except (OSError, ValueError):  # no container limit ("max"), or no cgroup at all
        return otherwise
    reclaimable = int(statistics.get("inactive_file", 0))  # page cache counts as used but makes room when asked
    return max(limit - used + reclaimable, 0)
