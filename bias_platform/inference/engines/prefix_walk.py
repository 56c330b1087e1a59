"""Reads the beginnings of a plan, one generation after the other, several in a pass, and hands out what continues them.

Depth first over bunches of beginnings: at any time one bunch of each generation is held.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch

from bias_platform.inference.engines import shared_cache
from bias_platform.inference.engines.adapters_in_batch import AdaptedModel
from bias_platform.inference.engines.base import EngineStats, TokenArray
from bias_platform.inference.engines.pass_limits import PassLimits
from bias_platform.inference.engines.prefix_tree import PrefixNode, length_batches
from bias_platform.inference.engines.shared_cache import NOTHING, Beginnings, Rows


class Reached(NamedTuple):
    """Prompts whose beginnings have been read."""

    rows: list[int]
    places: list[int]
    """which of the beginnings each continues"""
    above: Beginnings | None
    """None: memory did not suffice to read them"""


class PrefixWalk:
    """One walk over a plan.

    Args:
        model: reads.
        nodes: of the plan; their rows are positions in `prompts`.
        prompts: token ids.
        adapters: of each prompt.
        limits: of a pass.
        stats: counts passes and tokens.
        long_suffix: a beginning prolonged by more tokens is read alone.
    """

    def __init__(
        self,
        model: AdaptedModel,
        nodes: Sequence[PrefixNode],
        prompts: Sequence[TokenArray],
        adapters: Sequence[str | None],
        limits: PassLimits,
        stats: EngineStats,
        long_suffix: int,
    ) -> None:
        self._model, self._nodes, self._prompts, self._adapters = model, nodes, prompts, adapters
        self._limits, self._stats, self._long_suffix = limits, stats, long_suffix
        self._children: list[list[int]] = [[] for _ in nodes]
        for number, node in enumerate(nodes):
            if node.parent >= 0:
                self._children[node.parent].append(number)

    def __iter__(self) -> Iterator[Reached]:
        """Every row of the plan, once."""
        yield from self._arrive([0], NOTHING)

    def _arrive(self, numbers: list[int], held: Beginnings | None) -> Iterator[Reached]:
        """Nodes that have been read: their rows, then what is below them."""
        places = {number: place for place, number in enumerate(numbers)}
        rows = [(row, places[number]) for number in numbers for row in self._nodes[number].rows]
        if rows:
            yield Reached([row for row, _ in rows], [place for _, place in rows], held)
        groups: dict[str | None, list[int]] = {}
        for number in numbers:
            for child in self._children[number]:
                groups.setdefault(self._model.pass_key(self._adapter(child)), []).append(child)
        for children in groups.values():
            for bunch in self._bunches(children, held.columns if held else 0):
                yield from self._go_on(bunch, held, places)

    def _bunches(self, numbers: list[int], columns: int) -> Iterator[list[int]]:
        """Nodes that are read in one pass and held together; those above them have `columns`."""
        return length_batches(
            numbers, self._own, lambda width: self._bunch_size(width, columns), self._limits.call_cost
        )

    def _bunch_size(self, width: int, columns: int) -> int:
        if width > self._long_suffix:
            return 1
        return min(self._limits.rows(width), self._limits.held(columns + width))

    def _adapter(self, number: int) -> str | None:
        return self._adapters[self._nodes[number].exemplar]

    def _own(self, number: int) -> int:
        node = self._nodes[number]
        return node.depth - self._nodes[node.parent].depth

    def _go_on(self, bunch: list[int], above: Beginnings | None, places: dict[int, int]) -> Iterator[Reached]:
        """For want of memory, halves, one after the other."""
        held = None if above is None else self._extend(bunch, above, places)
        if held is None and above is not None and len(bunch) > 1:
            self._limits.shrink(len(bunch) * max(self._own(number) for number in bunch))
            self._stats.halved_batches += 1
            middle = len(bunch) // 2
            yield from self._go_on(bunch[:middle], above, places)
            yield from self._go_on(bunch[middle:], above, places)
        else:
            yield from self._arrive(bunch, held)

    @torch.inference_mode()
    def _extend(self, bunch: list[int], above: Beginnings, places: dict[int, int]) -> Beginnings | None:
        nodes = [self._nodes[number] for number in bunch]
        rests = [self._prompts[node.exemplar][self._nodes[node.parent].depth : node.depth] for node in nodes]
        rows = Rows(rests, [places[node.parent] for node in nodes], [self._adapter(number) for number in bunch])
        sent = sum(map(len, rests))
        self._stats.forward_passes += 1
        self._stats.sent_tokens += sent
        self._stats.padding_tokens += len(rests) * max(map(len, rests)) - sent
        try:
            return shared_cache.extend(self._model, above, rows)
        except torch.OutOfMemoryError:
            return None
