"""How many tokens cells take, before they are asked: counted by the system's own tokenizer, or guessed from lengths."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from bias_platform.catalog.entries import TaskEntry
from bias_platform.inference.answering import PROMPTS_PER_CALL
from bias_platform.inference.cells import CellTable
from bias_platform.inference.engines.base import Prompt, TokenArray
from bias_platform.inference.engines.chat_tokens import ChatEncoder, full_lengths
from bias_platform.inference.engines.prefix_tree import plan_prefixes

COUNTED_AT_MOST = 65_536
"""Of so many cells every token is counted; of more, a sample."""
SAMPLED_CELLS = 4_096
CHARACTERS_PER_TOKEN = 4
_NORMAL_QUANTILE = 1.96
_NO_NODES = 1 << 40  # a node that costs so much is never made: only the tokens are wanted

Basis = Literal["tokenizer", "ledger", "characters"]


class TokenCount(NamedTuple):
    """Tokens that a model reads for some cells."""

    full: float
    """when nothing is shared: one whole sequence for every option that is scored, or for every prompt"""
    margin: float
    """half the 95 % interval of `full`; 0: counted"""
    distinct: float | None
    """the least, when every beginning is read once in a call of the engine; None: not known"""
    basis: Basis
    """what it was counted by: the system's tokenizer, tokens per cell measured before, or the number of characters"""

    def __add__(self, other: "TokenCount") -> "TokenCount":  # type: ignore[override]
        """Both together; only as well known as the less known one."""
        known = self.distinct is not None and other.distinct is not None
        return TokenCount(
            self.full + other.full,
            float(np.hypot(self.margin, other.margin)),
            (self.distinct or 0.0) + (other.distinct or 0.0) if known else None,
            max(self.basis, other.basis, key=("tokenizer", "ledger", "characters").index),
        )


class TokenCounter:
    """Counts by a tokenizer, as the engines that have the weights do.

    Args:
        tokenizer: of the system, with a chat template.
        task: whose options are scored.
    """

    def __init__(self, tokenizer: Any, task: TaskEntry) -> None:
        self._encoder, self._task = ChatEncoder(tokenizer), task

    def count(self, cells: CellTable, rows: npt.NDArray[np.int64]) -> TokenCount:
        """Tokens of the cells at `rows`, counted in full where they are few, else estimated.

        The estimate is the mean of a random sample; the least that must be read is estimated by its share in some
        whole calls of the engine, since what is shared depends on what is asked together.
        """
        calls = list(_calls(cells, rows))
        if len(rows) <= COUNTED_AT_MOST:
            full, distinct = self._sum(cells, calls)
            return TokenCount(full, 0.0, distinct, "tokenizer")
        chosen = np.random.default_rng(0).choice(rows, SAMPLED_CELLS, replace=False)
        sample = self._lengths(cells, np.sort(chosen))[0]
        left_out = 1 - len(sample) / len(rows)
        margin = _NORMAL_QUANTILE * len(rows) * float(sample.std(ddof=1)) * np.sqrt(left_out / len(sample))
        part, distinct = self._sum(cells, _spread(calls))
        full = len(rows) * float(sample.mean())
        return TokenCount(full, float(margin), full * distinct / part, "tokenizer")

    def _sum(self, cells: CellTable, calls: Sequence[npt.NDArray[np.int64]]) -> tuple[float, float]:
        """Tokens of whole sequences, and distinct ones, of some calls."""
        full = distinct = 0.0
        for call in calls:
            lengths, least = self._lengths(cells, call)
            full += float(lengths.sum())
            distinct += least
        return full, distinct

    def _lengths(self, cells: CellTable, rows: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.float64], float]:
        """Tokens of each cell's whole sequences, and the distinct ones of all cells."""
        prompts = cells.cells(rows).prompts
        if cells.settings.ask == "generate":
            tokens = self._encoder.encode_prompts(prompts)
            return np.array([len(ids) for ids in tokens], dtype=np.float64), _distinct(tokens, [0] * len(tokens), [0])
        options = [self._task.option_values] * len(prompts)
        encoded = self._encoder.encode(prompts, options, cells.settings.scoring)
        full = [sum(full_lengths(encoded, row)) for row in range(len(prompts))]
        beyond = [tree.read_tokens for tree in encoded.trees]
        return np.array(full, dtype=np.float64), _distinct(encoded.prompts, encoded.tree_of, beyond)


def characters_count(cells: CellTable, rows: npt.NDArray[np.int64], sequences: int = 1) -> TokenCount:
    """A guess for systems whose tokenizer is not here: a token every four characters of the messages.

    Args:
        cells: the table.
        rows: positions in it.
        sequences: how often a prompt is read when nothing is shared: once for every option that is scored here.
    """
    sampled = rows
    if len(rows) > SAMPLED_CELLS:
        sampled = np.sort(np.random.default_rng(0).choice(rows, SAMPLED_CELLS, replace=False))
    lengths = [_characters(prompt) for prompt in cells.cells(sampled).prompts]
    mean = float(np.mean(lengths)) / CHARACTERS_PER_TOKEN if lengths else 0.0
    return TokenCount(mean * sequences * len(rows), 0.0, None, "characters")


def _characters(prompt: Prompt) -> int:
    return sum(len(message["content"]) for message in prompt.messages)


def _calls(cells: CellTable, rows: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
    """The rows as the engine is given them: persona by persona, so many at a time."""
    personas = cells.questions["persona_id"].to_numpy(dtype=object)[rows]
    edges = np.flatnonzero(personas[1:] != personas[:-1]) + 1
    for persona in np.split(rows, edges):
        yield from (persona[start : start + PROMPTS_PER_CALL] for start in range(0, len(persona), PROMPTS_PER_CALL))


def _spread(calls: Sequence[npt.NDArray[np.int64]]) -> list[npt.NDArray[np.int64]]:
    """Some of the calls, from all over the table, with about `COUNTED_AT_MOST` cells in all."""
    size = sum(map(len, calls)) / len(calls)
    wanted = max(1, min(len(calls), int(COUNTED_AT_MOST / size)))
    return [calls[int(place)] for place in np.linspace(0, len(calls) - 1, wanted)]


def _distinct(prompts: Sequence[TokenArray], tree_of: Sequence[int], beyond: Sequence[int]) -> float:
    """Nodes of the tree of all sequences; a prompt that stands twice is asked once."""
    kinds = {(tokens.tobytes(), tree): tokens for tokens, tree in zip(prompts, tree_of, strict=True)}
    if not kinds:
        return 0.0
    plan = plan_prefixes(list(kinds.values()), _NO_NODES, _NO_NODES)
    return float(plan.distinct_tokens + sum(beyond[tree] for _, tree in kinds))
