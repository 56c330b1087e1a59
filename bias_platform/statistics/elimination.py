"""Which random terms are eliminated in blocks, and where each row stands in the blocks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from bias_platform.statistics.arrays import IntArray, combine_codes
from bias_platform.statistics.design import Design, RandomTerm
from bias_platform.statistics.errors import ModelError

MAX_DENSE_LEVELS = 2500
"""Levels of the terms that cross the eliminated factor: their block is dense, so its cost is cubic."""


@dataclass(frozen=True)
class Elimination:
    """Terms nested in one grouping (the blocks) and all others (the dense part)."""

    grouping: str
    group: IntArray
    """(rows,): block of each distinct row."""
    groups: int
    local_terms: tuple[int, ...]
    local_sizes: tuple[int, ...]
    """Columns each local term takes in a block."""
    local_level: IntArray
    """(rows, local terms): column of each row within its block, counted over all local terms."""
    dense_terms: tuple[int, ...]
    dense_sizes: tuple[int, ...]
    dense_level: IntArray
    """(rows, dense terms): column within the dense part."""

    @property
    def width(self) -> int:
        """Columns of one block."""
        return sum(self.local_sizes)

    @property
    def dense(self) -> int:
        """Columns of the dense part."""
        return sum(self.dense_sizes)


def elimination_plans(design: Design) -> list[Elimination]:
    """Every way to split the random terms whose dense part can be factored.

    Raises:
        ModelError: two crossed factors both have too many levels for the dense part.
    """
    plans = [_plan(design, columns) for columns in _candidates(design)]
    able = [plan for plan in plans if plan.dense <= MAX_DENSE_LEVELS]
    if able:
        return able
    best = min(plans, key=lambda plan: plan.dense)
    sizes = ", ".join(f"{t.name} ({t.size:,})" for t in design.terms)
    raise ModelError(
        f"The crossed random terms have too many levels: {sizes}. Beside the one grouping that is eliminated "
        f"({best.grouping}) at most {MAX_DENSE_LEVELS:,} levels can be fitted, here {best.dense:,}. "
        "Aggregate or sample the smaller factor, or drop a term."
    )


def _candidates(design: Design) -> Iterator[tuple[str, ...]]:
    seen: set[tuple[str, ...]] = set()
    for term in design.terms:
        for size in range(1, len(term.columns) + 1):
            for columns in combinations(term.columns, size):
                key = tuple(sorted(columns))
                if key not in seen:
                    seen.add(key)
                    yield columns


def _plan(design: Design, columns: tuple[str, ...]) -> Elimination:
    group = _codes(design, columns)
    groups = int(group.max()) + 1
    local = [k for k, term in enumerate(design.terms) if _is_nested(term, group)]
    dense = [k for k in range(len(design.terms)) if k not in local]
    levels = [_levels_in_group(design, design.terms[k], columns, group) for k in local]
    sizes = [int(level.max()) + 1 for level in levels]
    dense_sizes = [design.terms[k].size for k in dense]
    return Elimination(
        grouping=":".join(columns),
        group=group,
        groups=groups,
        local_terms=tuple(local),
        local_sizes=tuple(sizes),
        local_level=_stacked(levels, sizes, len(group)),
        dense_terms=tuple(dense),
        dense_sizes=tuple(dense_sizes),
        dense_level=_stacked([design.terms[k].code for k in dense], dense_sizes, len(group)),
    )


def _stacked(levels: Sequence[IntArray], sizes: Sequence[int], rows: int) -> IntArray:
    offsets = np.cumsum([0, *sizes[:-1]]).astype(np.int64)
    if not levels:
        return np.zeros((rows, 0), dtype=np.int64)
    return np.column_stack([level + offset for level, offset in zip(levels, offsets, strict=False)])


def _codes(design: Design, columns: tuple[str, ...]) -> IntArray:
    return combine_codes([design.column_codes[name] for name in columns])[0]


def _is_nested(term: RandomTerm, group: IntArray) -> bool:
    """Whether every level of the term occurs in one group only."""
    owner = np.zeros(term.size, dtype=np.int64)
    owner[term.code] = group
    return bool(np.array_equal(owner[term.code], group))


def _levels_in_group(design: Design, term: RandomTerm, columns: tuple[str, ...], group: IntArray) -> IntArray:
    """Column of the term in its block, kept the same from group to group where the design allows it.

    For ``item:persona`` in blocks of items that is the persona. Where each group has few of many levels
    (raters of an item) the level's rank within the group keeps the block small instead.
    """
    rest = [name for name in term.columns if name not in columns]
    inside = _codes(design, tuple(rest)) if rest and set(columns) <= set(term.columns) else term.code
    if not rest and set(columns) <= set(term.columns):
        return np.zeros(len(group), dtype=np.int64)
    ranks = _rank_in_group(inside, group)
    return inside if ranks.max() + 1 > 0.5 * (inside.max() + 1) else ranks


def _rank_in_group(inside: IntArray, group: IntArray) -> IntArray:
    pair, first = combine_codes([group, inside])
    owner = group[first]
    starts = np.searchsorted(owner, np.arange(int(owner.max()) + 1))
    return pair - starts[owner[pair]]
