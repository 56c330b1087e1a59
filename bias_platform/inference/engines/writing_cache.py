"""Keys and values of answers that are being written, with room for what comes. Needs torch and transformers."""

from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

from bias_platform.inference.engines.shared_cache import LayerPair

_ROOM = 64
"""Columns added at a time."""


class _RoomyLayer(DynamicLayer):
    """Grows by many columns at a time, so that a step copies one column and not all of them."""

    def __init__(self, pair: LayerPair) -> None:
        super().__init__()
        self.keys, self.values = pair
        self.dtype, self.device, self.is_initialized = pair[0].dtype, pair[0].device, True
        self.filled = pair[0].shape[-2]

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


class WritingCache:
    """What a batch of answers has read and written so far.

    Args:
        layers: keys and values of each row's prompt.
        mask: rows x columns, additive: 0 where the prompt has a token, very negative in its gaps.
    """

    def __init__(self, layers: list[LayerPair], mask: torch.Tensor) -> None:
        self.cache = Cache(layers=[_RoomyLayer(pair) for pair in layers])
        self._mask = mask

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
