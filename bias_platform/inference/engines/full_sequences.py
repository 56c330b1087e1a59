"""Every option as a sequence of its own: the plain way, slow and right for any architecture.

The yardstick of the tests and the way out for models whose state cannot be shared (recurrent layers, windows shorter
than the prompt, attention without an explicit mask). Only sequences of one length go together, so nothing is padded.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from bias_platform.inference.engines.base import EngineStats, FloatArray
from bias_platform.inference.engines.chat_tokens import EncodedPrompts


def full_lengths(encoded: EncodedPrompts, row: int) -> list[int]:
    """Tokens to be read for each option of a prompt when nothing is shared (an option's last token is not read)."""
    return [len(encoded.prompts[row]) + len(ids) - 1 for ids in encoded.option_tokens[encoded.tree_of[row]]]


def score_full_sequences(
    model: Any, encoded: EncodedPrompts, rows: Sequence[int], batch_tokens: int, stats: EngineStats
) -> FloatArray:
    """Scores of the prompts at `rows`, len(rows) x options; all must have the same options tree."""
    tree = encoded.trees[encoded.tree_of[rows[0]]]
    scores = np.zeros((len(rows), tree.weights.shape[1]))
    for batch in _batches(encoded, rows, batch_tokens):
        sequences = [_sequence(encoded, rows[place], option) for place, option in batch]
        kept = [len(encoded.option_tokens[encoded.tree_of[rows[place]]][option]) for place, option in batch]
        picked = _last_log_probabilities(model, sequences, kept)
        stats.forward_passes += 1
        stats.sent_tokens += sum(len(sequence) - 1 for sequence in sequences)
        for (place, option), values in zip(batch, picked, strict=True):
            weights = tree.weights[tree.weights[:, option] > 0, option]
            scores[place, option] = float(values @ weights)
    return scores


def _sequence(encoded: EncodedPrompts, row: int, option: int) -> np.ndarray[Any, Any]:
    ids = encoded.option_tokens[encoded.tree_of[row]][option]
    return np.concatenate([encoded.prompts[row], np.array(ids, dtype=np.int32)])


def _batches(encoded: EncodedPrompts, rows: Sequence[int], batch_tokens: int) -> Iterator[list[tuple[int, int]]]:
    by_length: dict[int, list[tuple[int, int]]] = {}
    for place, row in enumerate(rows):
        for option, length in enumerate(full_lengths(encoded, row)):
            by_length.setdefault(length, []).append((place, option))
    for length, members in sorted(by_length.items(), reverse=True):
        size = max(1, batch_tokens // length)
        for start in range(0, len(members), size):
            yield members[start : start + size]


def _last_log_probabilities(model: Any, sequences: list[np.ndarray[Any, Any]], kept: list[int]) -> Iterator[FloatArray]:
    """Of each sequence, the log-probabilities of its last `kept` tokens."""
    ids = torch.from_numpy(np.stack(sequences).astype(np.int64)).to(model.device)
    positions = torch.arange(ids.shape[1] - 1, device=ids.device).expand(len(sequences), -1)
    most = max(kept)
    logits = model(input_ids=ids[:, :-1], position_ids=positions, use_cache=False, logits_to_keep=most).logits
    values = logits[:, -most:].float().log_softmax(dim=-1)
    picked = values.gather(-1, ids[:, -most:, None])[..., 0].cpu().numpy().astype(np.float64)
    return (picked[row, most - count :] for row, count in enumerate(kept))
