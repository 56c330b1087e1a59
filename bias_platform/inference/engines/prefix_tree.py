"""Which shared beginnings of token sequences are worth reading once, and which rows then go together in one pass.

Pure planning over arrays of token ids; nothing here knows a model.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bias_platform.inference.engines.base import TokenArray


class PrefixNode(NamedTuple):
    """A beginning that is read once for all rows below it."""

    parent: int
    """position of the node it extends; -1: it starts from nothing"""
    depth: int
    """tokens from the start of the sequence; 0: nothing is shared"""
    exemplar: int
    """a row that begins so"""
    rows: list[int]
    """rows that are finished from here; the rest is below children"""


class PrefixPlan(NamedTuple):
    """Nodes, parents before children, children of a node adjacent (depth first)."""

    nodes: list[PrefixNode]
    distinct_tokens: int
    """nodes of the tree of all sequences, in tokens"""


def plan_prefixes(
    sequences: Sequence[TokenArray],
    call_cost: int,
    long_suffix: int,
    *,
    groups: Sequence[int] | None = None,
    level_cost: int = 0,
) -> PrefixPlan:
    """Chooses the shared beginnings.

    A beginning becomes a node when the tokens it saves outweigh what it causes twice: work of its own, and rows that no
    longer join those above. At least the last token of each sequence is left to be read from the node, because the
    scores start from that token's output.

    Args:
        sequences: token ids, none empty.
        call_cost: what a node costs beyond its tokens, in tokens: a forward pass, if nodes are read one by one.
        long_suffix: a row with more tokens than this after its node gets a node of its own, so that it is read without
            an explicit mask (whose size is quadratic).
        groups: of each sequence; those of different groups share nothing (two adapters read the same beginning
            differently). None: one group.
        level_cost: what the nodes of one generation cost together beyond their tokens, if they are read in common
            passes; a generation that saves less is left out.
    """
    group = [0] * len(sequences) if groups is None else groups
    keys = [(of, sequence.astype(">u4").tobytes()) for of, sequence in zip(group, sequences, strict=True)]
    order = sorted(range(len(keys)), key=keys.__getitem__)  # bytes in this form sort like the tokens
    ordered = [sequences[row] for row in order]
    lengths = np.array([len(sequence) for sequence in ordered], dtype=np.int64)
    shared = _shared_with_previous(ordered, [group[row] for row in order])
    nodes = _PlanBuilder(order, lengths, shared, 2 * call_cost, long_suffix).build()
    worthy = _worthy_levels(nodes, level_cost, lambda row: len(sequences[row]), long_suffix)
    return PrefixPlan(worthy, int(lengths.sum() - shared.sum()))


def _shared_with_previous(ordered: Sequence[TokenArray], groups: Sequence[int]) -> npt.NDArray[np.int64]:
    """Length of the beginning each sequence shares with the one before it; 0 for the first of a group."""
    shared = np.zeros(len(ordered), dtype=np.int64)
    for position in range(1, len(ordered)):
        if groups[position] != groups[position - 1]:
            continue
        before, here = ordered[position - 1], ordered[position]
        size = min(len(before), len(here))
        differs = before[:size] != here[:size]
        first = int(differs.argmax()) if size else 0
        shared[position] = first if size and differs[first] else size
    return shared


def _worthy_levels(
    nodes: list[PrefixNode], level_cost: int, length: Callable[[int], int], long_suffix: int
) -> list[PrefixNode]:
    """The nodes without the generations that are not worth a pass; what hung on those hangs on what is above."""
    above = [nodes[max(node.parent, 0)].depth for node in nodes]
    below, levels = _rows_below(nodes), _levels(nodes)
    saved: Counter[int] = Counter()
    for node, start, rows, level in zip(nodes, above, below, levels, strict=True):
        saved[level] += (rows - 1) * (node.depth - start)
    kept: list[PrefixNode] = []
    places: list[int] = []
    for node, rows, level in zip(nodes, below, levels, strict=True):
        parent = places[node.parent] if node.parent >= 0 else -1
        alone = rows == 1  # a long row that is to be read without a mask
        if parent < 0 or alone or saved[level] > level_cost:
            places.append(len(kept))
            kept.append(node._replace(parent=parent, rows=list(node.rows)))
        else:
            places.append(parent)
            for row in node.rows:
                _finish(row, length(row), parent, kept, long_suffix)
    return kept


def _finish(row: int, length: int, parent: int, nodes: list[PrefixNode], long_suffix: int) -> None:
    """Attaches a row to a node, or to a node of its own below it if it has a long way to go."""
    if length - nodes[parent].depth > long_suffix:
        nodes.append(PrefixNode(parent, length - 1, row, [row]))
    else:
        nodes[parent].rows.append(row)


def _rows_below(nodes: Sequence[PrefixNode]) -> list[int]:
    below = [len(node.rows) for node in nodes]
    for number in range(len(nodes) - 1, 0, -1):
        below[nodes[number].parent] += below[number]
    return below


def _levels(nodes: Sequence[PrefixNode]) -> list[int]:
    levels: list[int] = []
    for node in nodes:
        levels.append(levels[node.parent] + 1 if node.parent >= 0 else 0)
    return levels


class _PlanBuilder:
    """Walks the intervals of the sorted sequences from the outside in."""

    def __init__(
        self,
        order: list[int],
        lengths: npt.NDArray[np.int64],
        shared: npt.NDArray[np.int64],
        worth: int,
        long_suffix: int,
    ) -> None:
        self.order, self.lengths, self.shared = order, lengths, shared
        self.worth, self.long_suffix = worth, long_suffix
        self.nodes: list[PrefixNode] = []

    def build(self) -> list[PrefixNode]:
        """All nodes that have rows or children."""
        if not self.order:
            return []
        self.nodes.append(PrefixNode(-1, 0, self.order[0], []))
        pending = [(0, len(self.order), 0)]
        while pending:
            start, stop, parent = pending.pop()
            if self._hopeless(start, stop, parent):
                for row, length in zip(self.order[start:stop], self.lengths[start:stop].tolist(), strict=True):
                    _finish(row, length, parent, self.nodes, self.long_suffix)
                continue
            node = self._node(start, stop, parent)
            pending.extend((low, high, node) for low, high in reversed(self._children(start, stop)))
        return self.nodes

    def _hopeless(self, start: int, stop: int, parent: int) -> bool:
        """Whether no node can be worth it within the interval (always so for a single row)."""
        longest = int(self.lengths[start:stop].max())
        return (stop - start - 1) * (longest - self.nodes[parent].depth) <= self.worth

    def _node(self, start: int, stop: int, parent: int) -> int:
        """The node of an interval of at least two rows: a new one if it is worth it, else its parent's."""
        common = int(self.shared[start + 1 : stop].min())
        depth = min(common, int(self.lengths[start:stop].min()) - 1)
        if (stop - start - 1) * (depth - self.nodes[parent].depth) <= self.worth:
            return parent
        self.nodes.append(PrefixNode(parent, depth, self.order[start], []))
        return len(self.nodes) - 1

    def _children(self, start: int, stop: int) -> list[tuple[int, int]]:
        """The interval cut where neighbours share no more than all of it does."""
        inner = self.shared[start + 1 : stop]
        cuts = (np.flatnonzero(inner == inner.min()) + start + 1).tolist()
        edges = [start, *cuts, stop]
        return list(itertools.pairwise(edges))


def length_batches(
    rows: Sequence[int], length: Callable[[int], int], budget: Callable[[int], int], call_cost: int
) -> Iterator[list[int]]:
    """Rows sorted by length (longest first, so that want of memory shows at once) and cut into batches.

    Args:
        rows: what is batched.
        length: tokens of a row.
        budget: padded length -> how many rows fit into one batch; at least one is always taken.
        call_cost: a batch ends before its padding outweighs another pass, in tokens.
    """
    batch: list[int] = []
    width = padding = size = 0
    for row in sorted(rows, key=lambda row: (-length(row), row)):
        padding += width - length(row)
        if batch and (len(batch) >= size or padding > call_cost):
            yield batch
            batch = []
        if not batch:
            width, padding = length(row), 0
            size = budget(width)
        batch.append(row)
    if batch:
        yield batch
