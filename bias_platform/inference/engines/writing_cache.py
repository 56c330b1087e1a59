"""Keys and values of answers that are being written, with room for what comes. Needs torch and transformers."""

from typing import Any, NamedTuple

import torch
from transformers.cache_utils import Cache, DynamicLayer

from bias_platform.inference.engines.shared_cache import LayerPair

_ROOM = 64
"""Columns added at a time."""


class _RoomyLayer(DynamicLayer):
    """Grows by many columns at a time, so that a step copies one column and not all of them."""

    def __init__(self, keys: torch.Tensor, values: torch.Tensor, filled: int) -> None:
        super().__init__()
        self.keys, self.values, self.filled = keys, values, filled
        self.dtype, self.device, self.is_initialized = keys.dtype, keys.device, True

    def get_seq_length(self) -> int:
        """Columns that hold something."""
        return self.filled

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Everything so far, the new columns included."""
        end = self.filled + key_states.shape[-2]
        if end > self.keys.shape[-2]:
            self.keys, self.values = _roomier(self.keys, end + _ROOM), _roomier(self.values, end + _ROOM)
        self.keys[:, :, self.filled : end] = key_states
        self.values[:, :, self.filled : end] = value_states
        self.filled = end
        return self.keys[:, :, :end], self.values[:, :, :end]


def _roomier(held: torch.Tensor, columns: int) -> torch.Tensor:
    room = held.new_empty((*held.shape[:2], columns, held.shape[3]))
    room[:, :, : held.shape[2]] = held
    return room


class Begun(NamedTuple):
    """Answers whose prompts have been read."""

    rows: list[int]
    logits: torch.Tensor
    """of the first token of each, rows x vocabulary"""
    layers: list[LayerPair]
    """keys and values of each row's prompt"""
    mask: torch.Tensor
    """rows x columns, additive: 0 where the prompt has a token, very negative in its gaps"""

    @property
    def columns(self) -> int:
        """Columns of keys and values, gaps included."""
        return self.mask.shape[1]


class WritingCache:
    """What a batch of answers has read and written so far.

    Args:
        begun: answers that are written together from now on; the list is emptied on the way, so that their keys and
            values are held twice for one layer only.
    """

    def __init__(self, begun: list[Begun]) -> None:
        columns = max(some.columns for some in begun)
        least = torch.finfo(begun[0].mask.dtype).min
        self._mask = torch.cat([_at_the_end(some.mask, columns, least) for some in begun])
        pairs = [list(some.layers) for some in begun]
        begun.clear()
        self.cache = Cache(
            layers=[_joined_layer([some.pop(0) for some in pairs], columns) for _ in range(len(pairs[0]))]
        )

    def step_mask(self) -> torch.Tensor:
        """Mask of the next column, rows x 1 x 1 x columns, itself included; every row sees what it has written."""
        self._mask = torch.nn.functional.pad(self._mask, (0, 1))
        return self._mask[:, None, None, :]

    def keep(self, rows: list[int]) -> None:
        """Leaves only these rows."""
        places = torch.tensor(rows, dtype=torch.long, device=self._mask.device)
        self._mask = self._mask.index_select(0, places)
        for layer in self.cache.layers:
            here = places.to(layer.keys.device)
            layer.keys, layer.values = layer.keys.index_select(0, here), layer.values.index_select(0, here)


def _at_the_end(values: torch.Tensor, columns: int, filling: float) -> torch.Tensor:
    return torch.nn.functional.pad(values, (columns - values.shape[1], 0), value=filling)


def _joined_layer(pairs: list[LayerPair], columns: int) -> _RoomyLayer:
    keys, values = [keys for keys, _ in pairs], [values for _, values in pairs]
    return _RoomyLayer(_joined(keys, columns), _joined(values, columns), columns)


def _joined(parts: list[torch.Tensor], columns: int) -> torch.Tensor:
    """All rows, each ending in column `columns`, with room behind it. What no row fills must be numbers."""
    rows, first = sum(len(part) for part in parts), parts[0]
    room = first.new_zeros((rows, first.shape[1], columns + _ROOM, first.shape[3]))
    start = 0
    for part in parts:
        room[start : start + len(part), :, columns - part.shape[2] : columns] = part
        start += len(part)
    return room
