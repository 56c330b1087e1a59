"""Keys and values of a shared beginning, and the passes that read from them. Needs torch and transformers."""

from typing import Any, NamedTuple

import numpy as np
import torch
from transformers.cache_utils import Cache, DynamicLayer

from bias_platform.inference.engines.option_tree import OptionTree

KeyValues = list[tuple[torch.Tensor, torch.Tensor]]
"""Per layer keys and values, 1 x heads x tokens x width; empty: nothing has been read"""


class _ReadOnlyLayer(DynamicLayer):
    """Keys and values that every row of a batch continues. They are joined to the rows' own on the way and kept as they
    were, so only one layer at a time holds the joined copy."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The beginning repeated for each row, followed by the row's own keys and values."""
        rows = key_states.shape[0]
        keys = self.keys.expand(rows, -1, -1, -1)
        values = self.values.expand(rows, -1, -1, -1)
        return torch.cat([keys, key_states], dim=-2), torch.cat([values, value_states], dim=-2)


def _layer(kind: type[DynamicLayer], keys: torch.Tensor, values: torch.Tensor) -> DynamicLayer:
    layer = kind()
    layer.dtype, layer.device = keys.dtype, keys.device
    layer.keys, layer.values, layer.is_initialized = keys, values, True
    return layer


def _growing(prefix: KeyValues) -> Cache:
    if not prefix:
        return Cache(layer_class_to_replicate=DynamicLayer)
    return Cache(layers=[_layer(DynamicLayer, keys, values) for keys, values in prefix])


def _read_only(prefix: KeyValues) -> Cache | None:
    return Cache(layers=[_layer(_ReadOnlyLayer, keys, values) for keys, values in prefix]) if prefix else None


def extend(model: Any, prefix: KeyValues, tokens: np.ndarray[Any, Any], at: int) -> KeyValues:
    """Keys and values of a beginning prolonged by `tokens`, which stand at positions `at`, `at` + 1, ..."""
    cache = _growing(prefix)
    positions = torch.arange(at, at + len(tokens), device=model.device)
    read = torch.from_numpy(tokens.astype(np.int64)).to(model.device)
    model(input_ids=read[None], position_ids=positions[None], past_key_values=cache, use_cache=True, logits_to_keep=1)
    return [(layer.keys, layer.values) for layer in cache.layers]


class RowBatch(NamedTuple):
    """Rows that continue one beginning: each the rest of a prompt, and the tree of its options."""

    ids: torch.Tensor
    """rows x (longest rest + tree); a shorter rest is padded on the left, so that all end in one column"""
    positions: torch.Tensor
    """same shape"""
    mask: torch.Tensor
    """rows x 1 x columns x (beginning + columns): 0 where a token may look, very negative elsewhere"""


def row_batch(rests: list[np.ndarray[Any, Any]], tree: OptionTree, depth: int, model: Any) -> RowBatch:
    """Lays out rows.

    Args:
        rests: token ids of each prompt from `depth` on, none empty.
        tree: their options.
        depth: tokens of the beginning.
        model: for device and number format.
    """
    width, extra = max(len(rest) for rest in rests), tree.read_tokens
    ids = np.zeros((len(rests), width + extra), dtype=np.int64)
    for row, rest in enumerate(rests):
        ids[row, width - len(rest) : width] = rest
    ids[:, width:] = tree.tokens
    lengths = np.array([len(rest) for rest in rests], dtype=np.int64)
    columns = np.arange(width)[None, :] - (width - lengths)[:, None]
    positions = np.empty_like(ids)
    positions[:, :width] = depth + np.maximum(columns, 0)
    positions[:, width:] = depth + lengths[:, None] - 1 + tree.offsets[None, :]
    device = model.device
    return RowBatch(
        torch.from_numpy(ids).to(device),
        torch.from_numpy(positions).to(device),
        _mask(columns >= 0, tree, depth, device, model.dtype),
    )


def _mask(present: np.ndarray[Any, Any], tree: OptionTree, depth: int, device: Any, dtype: torch.dtype) -> torch.Tensor:
    """Additive. A padding token sees itself (a softmax over nothing would not be a number); nobody else sees it."""
    rows, width = present.shape
    size = width + tree.read_tokens
    among = torch.ones((size, size), dtype=torch.bool).tril_()
    among[width:, width:] = torch.from_numpy(tree.sees)
    seen = torch.ones((rows, size), dtype=torch.bool)
    seen[:, :width] = torch.from_numpy(present)
    allowed = (among[None] & seen[:, None, :]) | torch.eye(size, dtype=torch.bool)[None]
    mask = torch.zeros((rows, 1, size, depth + size), dtype=dtype, device=device)
    mask[:, 0, :, depth:].masked_fill_(~allowed.to(device), torch.finfo(dtype).min)
    return mask


def read_rows(model: Any, prefix: KeyValues, batch: RowBatch, keep: int) -> torch.Tensor:
    """Logits of the last `keep` columns, rows x keep x vocabulary."""
    cache = _read_only(prefix)
    output = model(
        input_ids=batch.ids,
        attention_mask=batch.mask,
        position_ids=batch.positions,
        past_key_values=cache,
        use_cache=cache is not None,
        logits_to_keep=keep,
    )
    return output.logits[:, -keep:]


def option_scores(logits: torch.Tensor, tree: OptionTree) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Log-probabilities of the options, rows x options, from logits of the tree's outputs (rows x outputs x
    vocabulary). The softmax is over the whole vocabulary, in 32-bit floats."""
    values = logits.float()
    norm = values.logsumexp(dim=-1)
    outputs = torch.from_numpy(tree.outputs).to(values.device)
    targets = torch.from_numpy(tree.targets).to(values.device)
    picked = values[:, outputs, targets] - norm[:, outputs]
    return np.asarray(picked.cpu().numpy().astype(np.float64) @ tree.weights)
