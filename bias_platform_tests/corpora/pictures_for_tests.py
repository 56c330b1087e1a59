"""Tiny pictures that differ, as tests need them in numbers."""

from pathlib import Path

import numpy as np

from bias_platform.corpora.indexed_png import indexed_png

PALETTE = np.arange(48, dtype=np.uint8).reshape(16, 3) * 5


def tiny_png(number: int) -> bytes:
    """A picture of 4 x 2 pixels, another one for each number below 16 ** 8."""
    digits = [(number >> (4 * place)) % 16 for place in range(8)]
    return indexed_png(np.array(digits, np.uint8).reshape(2, 4), PALETTE)


def write_pictures(folder: Path, names: list[str]) -> Path:
    """A folder with one picture a name, all different."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        (folder / name).write_bytes(tiny_png(number))
    return folder
