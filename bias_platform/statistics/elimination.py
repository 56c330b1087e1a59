"""Which random terms are eliminated before the dense part, and where each row stands in them.

Three kinds, eliminated in this order. *Fine* terms (at most two intercepts, nested in each other): each level touches
only its own rows, so they go number by number. *Local* terms: all else that is nested in one grouping; a small block
a group. *Dense* terms: what crosses the grouping. A term with several effects has a component for each.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from bias_platform.statistics.arrays import FloatArray, IntArray, combine_codes
from bias_platform.statistics.design import Design
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.random_terms import RandomTerm

MAX_DENSE_LEVELS = 2500
"""Levels of the terms that cross the eliminated factor: their block is dense, so its cost is cubic."""
MOST_FINE_TERMS = 2
"""Of more, the posterior variance would not follow from the leverages (see `determined`)."""


@dataclass(frozen=True)
class Terms:
    """Some components of random terms and the columns they take."""

    index: tuple[int, ...]
    """Which components of the design."""
    sizes: tuple[int, ...]
    """Columns of each component: in one group for fine and local terms, altogether for dense ones."""
    level: IntArray
    """(rows, components): column of each distinct row, counted from 0 within each component."""
    values: tuple[FloatArray | None, ...]
    """(rows,) of each component: entry of each distinct row in its column; None for ones."""

    @property
    def width(self) -> int:
        """Columns of all the components."""
        return sum(self.sizes)

    @property
    def columns(self) -> IntArray:
        """(rows, components): as ``level``, but counted over all the components."""
        return self.level + self.offsets[:-1]

    @property
    def offsets(self) -> IntArray:
        """(components + 1,): where the columns of each component start."""
        return np.cumsum([0, *self.sizes]).astype(np.int64)

    def only(self, places: Sequence[int]) -> "Terms":
        """Some of the components, by their place among these, in that order."""
        at = list(places)
        return Terms(
            index=tuple(self.index[k] for k in at),
            sizes=tuple(self.sizes[k] for k in at),
            level=self.level[:, at],
            values=tuple(self.values[k] for k in at),
        )


@dataclass(frozen=True)
class Elimination:
    """Terms nested in one grouping (fine and local) and all others (the dense part)."""

    grouping: str
    group: IntArray
    """(rows,): block of each distinct row."""
    groups: int
    fine: Terms
    """Finest first; levels are numbered so that those of one coarse level are neighbours."""
    local: Terms
    dense: Terms


def elimination_plans(design: Design) -> list[Elimination]:
    """Every way to split the random terms whose dense part can be factored.

    Raises:
        ModelError: two crossed factors both have too many levels for the dense part.
    """
    sizes = {columns: _dense_levels(design, columns) for columns in _candidates(design)}
    able = [columns for columns, size in sizes.items() if size <= MAX_DENSE_LEVELS]
    if not able:
        best = min(sizes, key=lambda columns: sizes[columns])
        raise ModelError(
            "The crossed random terms have too many levels: "
            f"{', '.join(f'{t.name} ({t.size:,})' for t in design.terms)}. Beside the one grouping that is eliminated "
            f"({':'.join(best)}) at most {MAX_DENSE_LEVELS:,} levels can be fitted, here {sizes[best]:,}. "
            "Aggregate or sample the smaller factor, or drop a term."
        )
    blocks = [_in_blocks(design, columns) for columns in able]
    chains = [(plan, _chain(design, plan.local)) for plan in blocks]
    return [*blocks, *(_with_fine_terms(design, plan, chain) for plan, chain in chains if chain)]


def _candidates(design: Design) -> Iterator[tuple[str, ...]]:
    seen: set[tuple[str, ...]] = set()
    for term in design.terms:
        for size in range(1, len(term.columns) + 1):
            for columns in combinations(term.columns, size):
                key = tuple(sorted(columns))
                if key not in seen:
                    seen.add(key)
                    yield columns


def _dense_levels(design: Design, columns: tuple[str, ...]) -> int:
    group = _codes(design, columns)
    return sum(term.size * len(term.effects) for term in design.terms if not _is_nested(term, group))


def _in_blocks(design: Design, columns: tuple[str, ...]) -> Elimination:
    """The plan without fine terms."""
    group = _codes(design, columns)
    nested = [_is_nested(term, group) for term in design.terms]
    inside = [
        _levels_in_group(design, t, columns, group) if n else None for t, n in zip(design.terms, nested, strict=True)
    ]
    local = [k for k, one in enumerate(design.components) if nested[one.term]]
    dense = [k for k, one in enumerate(design.components) if not nested[one.term]]
    levels = [inside[design.components[k].term] for k in local]
    return Elimination(
        grouping=":".join(columns),
        group=group,
        groups=int(group.max()) + 1,
        fine=_terms(design, [], [], len(group)),
        local=_terms(design, local, [level for level in levels if level is not None], len(group)),
        dense=_terms(design, dense, [design.components[k].code for k in dense], len(group)),
    )


def _terms(design: Design, index: Sequence[int], levels: Sequence[IntArray], rows: int) -> Terms:
    stacked = np.column_stack(levels) if levels else np.zeros((rows, 0), dtype=np.int64)
    values = tuple(design.components[k].values for k in index)
    return Terms(tuple(index), tuple(int(level.max()) + 1 for level in levels), stacked, values)


def _chain(design: Design, local: Terms) -> list[int]:
    """Places of the local intercepts that can go before the block, finest first: the largest, and what it is nested in.

    An effect that is correlated with others, or has values of its own, stays in the block.
    """
    owner = [design.terms[design.components[k].term] for k in local.index]
    several = [k for k, term in enumerate(owner) if local.sizes[k] > 1 and term.basis is None]
    chain: list[int] = []
    for k in sorted(several, key=lambda place: -local.sizes[place]):
        if not chain or _is_nested(owner[chain[-1]], owner[k].code):
            chain.append(k)
    return chain[: min(MOST_FINE_TERMS, len(local.index) - 1)]


def _with_fine_terms(design: Design, plan: Elimination, chain: list[int]) -> Elimination:
    """The plan with some local terms (finest first) moved out of the block."""
    level = plan.local.only(chain).level
    codes = [combine_codes(list(level[:, at:].T[::-1]))[0] for at in range(len(chain))]
    fine = _terms(design, [plan.local.index[k] for k in chain], codes, len(plan.group))
    return replace(plan, fine=fine, local=plan.local.only([k for k in range(len(plan.local.index)) if k not in chain]))


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
