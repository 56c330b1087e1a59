"""Keys and values of shared beginnings, and the passes that read from them. Needs torch and transformers.

Several beginnings of different length are held side by side: each ends in the last column of its own part, and columns
in which it has no token are masked away. So rows of different beginnings go together in one pass.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from transformers.cache_utils import Cache, DynamicLayer

from bias_platform.inference.engines.adapters_in_batch import AdaptedModel
from bias_platform.inference.engines.base import TokenArray
from bias_platform.inference.engines.option_tree import OptionTree

_LARGEST_COPY = 1 << 24
"""Numbers of logits that are copied to 32-bit floats at once (64 MB)."""

LayerPair = tuple[torch.Tensor, torch.Tensor]
"""Keys and values of a layer, each beginnings x heads x columns x width"""


class Beginnings(NamedTuple):
    """What has been read and can be continued."""

    layers: list[LayerPair]
    """empty: nothing has been read"""
    present: npt.NDArray[np.bool_]
    """beginnings x columns: whether there is a token"""
    lengths: npt.NDArray[np.int64]
    """tokens of each"""

    @property
    def columns(self) -> int:
        """Columns of keys and values, gaps included."""
        return self.present.shape[1]

    def only(self, place: int) -> "Beginnings":
        """One of them, without gaps."""
        columns = torch.from_numpy(np.flatnonzero(self.present[place]))
        layers = [
            (_columns_of(keys[place : place + 1], columns), _columns_of(values[place : place + 1], columns))
            for keys, values in self.layers
        ]
        return Beginnings(layers, np.ones((1, len(columns)), dtype=np.bool_), self.lengths[place : place + 1])


NOTHING = Beginnings([], np.zeros((1, 0), dtype=np.bool_), np.zeros(1, dtype=np.int64))
"""The empty beginning, which every sequence continues."""


class Rows(NamedTuple):
    """Rows of a pass, each continuing one of some beginnings."""

    rests: list[TokenArray]
    """token ids that follow the beginning, none empty"""
    places: list[int]
    """which beginning each continues"""
    adapters: list[str | None]
    """which adapter reads each"""


class RowBatch(NamedTuple):
    """Rows laid out for the model: each the rest of a prompt, and the tree of its options."""

    ids: torch.Tensor
    """rows x (longest rest + tree); a shorter rest is padded on the left, so that all end in one column"""
    positions: torch.Tensor
    """same shape"""
    mask: torch.Tensor
    """rows x 1 x columns x (beginning + columns): 0 where a token may look, very negative elsewhere"""
    seen: npt.NDArray[np.bool_]
    """rows x (beginning + columns): which columns hold a token"""
    places: torch.Tensor | None
    """which beginning each row continues; None: there is one"""
    adapters: list[str | None]


class _ContinuedLayer(DynamicLayer):
    """Keys and values of beginnings that the rows of a batch continue. They are joined to the rows' own on the way;
    unless it `keeps` what was joined, only one layer at a time holds the joined copy."""

    def __init__(self, pair: LayerPair, places: torch.Tensor | None, keeps: bool) -> None:
        super().__init__()
        self.keys, self.values = pair
        self.dtype, self.device, self.is_initialized = pair[0].dtype, pair[0].device, True
        self.places = None if places is None else places.to(self.device)
        self.keeps = keeps

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Each row's beginning, followed by the row's own keys and values."""
        keys = torch.cat([self._of_rows(self.keys, len(key_states)), key_states], dim=-2)
        values = torch.cat([self._of_rows(self.values, len(key_states)), value_states], dim=-2)
        if self.keeps:
            self.keys, self.values, self.places = keys, values, None
        return keys, values

    def _of_rows(self, held: torch.Tensor, rows: int) -> torch.Tensor:
        return held.expand(rows, -1, -1, -1) if self.places is None else held.index_select(0, self.places)


def _columns_of(held: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    return held if len(columns) == held.shape[2] else held.index_select(2, columns.to(held.device))


def continued_cache(above: Beginnings, places: torch.Tensor | None, keeps: bool) -> Cache | None:
    """A cache that begins with `above`; None where there is nothing to begin with and nothing to keep."""
    if not above.layers:
        return Cache(layer_class_to_replicate=DynamicLayer) if keeps else None
    return Cache(layers=[_ContinuedLayer(pair, places, keeps) for pair in above.layers])


def kept_layers(cache: Cache) -> list[LayerPair]:
    """Keys and values of all rows, after a pass with a cache that keeps."""
    return [(layer.keys, layer.values) for layer in cache.layers]


def extend(model: AdaptedModel, above: Beginnings, rows: Rows) -> Beginnings:
    """Beginnings prolonged: one for each row. A single one is read without an explicit mask."""
    if len(rows.rests) == 1:
        return _extend_one(model, above.only(rows.places[0]), rows)
    batch = row_batch(model, above, rows)
    cache = continued_cache(above, batch.places, keeps=True)
    forward(model, batch, cache, keep=1)
    lengths = above.lengths[rows.places] + np.array([len(rest) for rest in rows.rests], dtype=np.int64)
    return Beginnings(kept_layers(cache), batch.seen, lengths)


def _extend_one(model: AdaptedModel, above: Beginnings, rows: Rows) -> Beginnings:
    (rest,), start = rows.rests, int(above.lengths[0])
    cache = continued_cache(above, None, keeps=True)
    positions = torch.arange(start, start + len(rest), device=model.device)
    ids = torch.from_numpy(rest.astype(np.int64)).to(model.device)
    model(
        rows.adapters,
        input_ids=ids[None],
        position_ids=positions[None],
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    total = start + len(rest)
    return Beginnings(kept_layers(cache), np.ones((1, total), dtype=np.bool_), np.array([total], dtype=np.int64))


def row_batch(model: AdaptedModel, above: Beginnings, rows: Rows, tree: OptionTree | None = None) -> RowBatch:
    """Lays out rows.

    Args:
        model: for device and number format.
        above: what the rows continue.
        rows: their rests.
        tree: of the options of all of them; None: the rests alone are read.
    """
    width, extra = max(map(len, rows.rests)), tree.read_tokens if tree else 0
    lengths = np.array([len(rest) for rest in rows.rests], dtype=np.int64)
    start = above.lengths[rows.places]
    ids = np.zeros((len(rows.rests), width + extra), dtype=np.int64)
    for row, rest in enumerate(rows.rests):
        ids[row, width - len(rest) : width] = rest
    columns = np.arange(width)[None, :] - (width - lengths)[:, None]
    positions = np.empty_like(ids)
    positions[:, :width] = start[:, None] + np.maximum(columns, 0)
    if tree:
        ids[:, width:] = tree.tokens
        positions[:, width:] = (start + lengths - 1)[:, None] + tree.offsets[None, :]
    own = np.concatenate([columns >= 0, np.ones((len(ids), extra), dtype=np.bool_)], axis=1)
    device = model.device
    return RowBatch(
        torch.from_numpy(ids).to(device),
        torch.from_numpy(positions).to(device),
        _mask(above.present[rows.places], own, tree, model),
        np.concatenate([above.present[rows.places], own], axis=1),
        None if len(above.lengths) == 1 else torch.tensor(rows.places, device=device),
        rows.adapters,
    )


def _mask(
    before: npt.NDArray[np.bool_], own: npt.NDArray[np.bool_], tree: OptionTree | None, model: AdaptedModel
) -> torch.Tensor:
    """Additive. A padding token sees itself (a softmax over nothing would not be a number); nobody else sees it."""
    (rows, size), depth = own.shape, before.shape[1]
    among = torch.ones((size, size), dtype=torch.bool).tril_()
    if tree:
        among[size - tree.read_tokens :, size - tree.read_tokens :] = torch.from_numpy(tree.sees)
    allowed = (among[None] & torch.from_numpy(own)[:, None, :]) | torch.eye(size, dtype=torch.bool)[None]
    mask = torch.zeros((rows, 1, size, depth + size), dtype=model.dtype, device=model.device)
    least = torch.finfo(model.dtype).min
    mask[:, 0, :, depth:].masked_fill_(~allowed.to(model.device), least)
    if not before.all():
        mask[:, 0, :, :depth].masked_fill_(~torch.from_numpy(before).to(model.device)[:, None, :], least)
    return mask


def forward(model: AdaptedModel, batch: RowBatch, cache: Cache | None, keep: int) -> torch.Tensor:
    """Logits of the last `keep` columns, rows x keep x vocabulary."""
    output = model(
        batch.adapters,
        input_ids=batch.ids,
        attention_mask=batch.mask,
        position_ids=batch.positions,
        past_key_values=cache,
        use_cache=cache is not None,
        logits_to_keep=keep,
    )
    return output.logits[:, -keep:]


def read_rows(model: AdaptedModel, above: Beginnings, batch: RowBatch, keep: int) -> torch.Tensor:
    """As `forward`, for rows that continue `above` and are not continued themselves."""
    return forward(model, batch, continued_cache(above, batch.places, keeps=False), keep)


def option_scores(logits: torch.Tensor, tree: OptionTree) -> npt.NDArray[np.float64]:
    """Log-probabilities of the options, rows x options, from logits of the tree's outputs (rows x outputs x
    vocabulary). The softmax is over the whole vocabulary, in 32-bit floats."""
    outputs = torch.from_numpy(tree.outputs).to(logits.device)
    targets = torch.from_numpy(tree.targets).to(logits.device)
    at_once = max(1, _LARGEST_COPY // (logits.shape[1] * logits.shape[2]))
    picked = [_token_scores(some.float(), outputs, targets) for some in logits.split(at_once)]
    return np.asarray(torch.cat(picked).cpu().numpy().astype(np.float64) @ tree.weights)


def _token_scores(values: torch.Tensor, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    norm = values.logsumexp(dim=-1)
    return values[:, outputs, targets] - norm[:, outputs]
