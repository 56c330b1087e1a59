"""The plan reads every token it must, none without its beginning, and few twice."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_platform.inference.engines.base import TokenArray
from bias_platform.inference.engines.prefix_tree import PrefixPlan, length_batches, plan_prefixes

_token_lists = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=12), min_size=1, max_size=40)


def arrays(rows: list[list[int]]) -> list[TokenArray]:
    return [np.array(row, dtype=np.int32) for row in rows]


def read_tokens(plan: PrefixPlan, sequences: list[TokenArray]) -> int:
    nodes = sum(node.depth - (plan.nodes[node.parent].depth if node.parent >= 0 else 0) for node in plan.nodes)
    return nodes + sum(len(sequences[row]) - node.depth for node in plan.nodes for row in node.rows)


@given(_token_lists, st.integers(0, 6), st.sampled_from([3, 1000]), st.sampled_from([0, 9, 60]), st.integers(1, 3))
@settings(max_examples=200, deadline=None)
def test_plans_are_sound(rows: list[list[int]], call_cost: int, long_suffix: int, level_cost: int, kinds: int) -> None:
    sequences, groups = arrays(rows), [number % kinds for number in range(len(rows))]
    plan = plan_prefixes(sequences, call_cost, long_suffix, groups=groups, level_cost=level_cost)
    assert sorted(row for node in plan.nodes for row in node.rows) == list(range(len(rows)))
    for number, node in enumerate(plan.nodes):
        assert -1 <= node.parent < number
        above = plan.nodes[node.parent] if node.parent >= 0 else None
        beginning = rows[node.exemplar][: node.depth]
        if above is not None:
            assert above.depth <= node.depth
            assert beginning[: above.depth] == rows[above.exemplar][: above.depth]
        for row in node.rows:
            assert rows[row][: node.depth] == beginning
            assert node.depth == 0 or groups[row] == groups[node.exemplar]
            assert node.depth < len(rows[row])
            assert len(rows[row]) - node.depth <= max(long_suffix, 1)
    prefixes = {
        (group, *row[:size]) for group, row in zip(groups, rows, strict=True) for size in range(1, len(row) + 1)
    }
    assert plan.distinct_tokens == len(prefixes)
    assert read_tokens(plan, sequences) <= sum(map(len, rows))


@given(_token_lists)
@settings(max_examples=100, deadline=None)
def test_nodes_come_depth_first(rows: list[list[int]]) -> None:
    """So that a stack of the beginnings above is all that has to be held."""
    stack: list[int] = []
    for number, node in enumerate(plan_prefixes(arrays(rows), 0, 1000).nodes):
        while stack and stack[-1] != node.parent:
            stack.pop()
        assert stack or node.parent == -1
        stack.append(number)


def test_three_levels_are_found() -> None:
    rows = [
        [9] * 20 + [persona] * 30 + [template] * 40 + [100 + item, 7, 7]
        for persona in range(4)
        for template in (11, 12)
        for item in range(10)
    ]
    sequences = arrays(rows)
    plan = plan_prefixes(sequences, 4, 1000)
    assert sorted({node.depth for node in plan.nodes}) == [0, 20, 50, 90]
    assert sum(node.depth == 90 for node in plan.nodes) == 8
    assert read_tokens(plan, sequences) == plan.distinct_tokens == 20 + 4 * 30 + 8 * 40 + 80 * 3


def test_small_savings_are_not_worth_a_pass() -> None:
    rows = [[1, 2, number, number] for number in range(3, 8)]
    assert [node.depth for node in plan_prefixes(arrays(rows), 100, 1000).nodes] == [0]
    assert [node.depth for node in plan_prefixes(arrays(rows), 1, 1000).nodes] == [0, 2]


def test_a_generation_is_judged_by_what_it_saves_together() -> None:
    """Twenty beginnings of four tokens for three rows each save 160 tokens."""
    rows = [[persona] * 4 + [100 + item, 7] for persona in range(20) for item in range(3)]
    sequences = arrays(rows)
    worthy = plan_prefixes(sequences, 2, 1000, level_cost=159)
    assert sorted(node.depth for node in worthy.nodes) == [0] + [4] * 20
    assert read_tokens(worthy, sequences) == worthy.distinct_tokens
    unworthy = plan_prefixes(sequences, 2, 1000, level_cost=160)
    assert [(node.depth, sorted(node.rows)) for node in unworthy.nodes] == [(0, list(range(60)))]
    assert unworthy.distinct_tokens == worthy.distinct_tokens


def test_what_hung_on_an_unworthy_generation_hangs_on_what_is_above() -> None:
    rows = [[1] * 50 + [2] * 3 + [3 + branch] * 40 + [100 + item] for branch in range(2) for item in range(9)]
    rows.append([1] * 50 + [9])
    sequences = arrays(rows)
    assert [node.depth for node in plan_prefixes(sequences, 1, 1000).nodes] == [0, 50, 53, 93, 93]
    plan = plan_prefixes(sequences, 1, 1000, level_cost=100)
    assert [node.depth for node in plan.nodes] == [0, 50, 93, 93]
    assert [node.parent for node in plan.nodes] == [-1, 0, 1, 1]
    assert plan.nodes[1].rows == [18]


def test_groups_share_nothing() -> None:
    rows = [[5] * 30 + [item] for item in range(8)]
    plan = plan_prefixes(arrays(rows), 2, 1000, groups=[0, 1] * 4)
    assert plan.distinct_tokens == 2 * 30 + 8
    deep = [node for node in plan.nodes if node.depth == 30]
    assert sorted(sorted(node.rows) for node in deep) == [[0, 2, 4, 6], [1, 3, 5, 7]]


def test_nothing_to_plan() -> None:
    assert plan_prefixes([], 1, 10) == ([], 0)


@pytest.mark.parametrize("bound", [1, 12, 40, 10_000])
def test_batches_are_sorted_by_length_and_bounded(bound: int) -> None:
    lengths = np.random.default_rng(0).integers(1, 15, 57).tolist()
    batches = list(length_batches(range(57), lengths.__getitem__, lambda width: bound // width, 10_000))
    assert sorted(row for batch in batches for row in batch) == list(range(57))
    longest = [max(lengths[row] for row in batch) for batch in batches]
    assert longest == sorted(longest, reverse=True)
    for batch, width in zip(batches, longest, strict=True):
        assert len(batch) == 1 or len(batch) * width <= bound


@pytest.mark.parametrize("call_cost", [0, 9, 40])
def test_padding_never_outweighs_a_pass(call_cost: int) -> None:
    lengths = np.random.default_rng(0).integers(1, 15, 57).tolist()
    batches = list(length_batches(range(57), lengths.__getitem__, lambda width: 1000, call_cost))
    assert sorted(row for batch in batches for row in batch) == list(range(57))
    for batch, following in zip(batches, [*batches[1:], None], strict=True):
        width = max(lengths[row] for row in batch)
        padding = sum(width - lengths[row] for row in batch)
        assert padding <= call_cost
        assert following is None or padding + width - lengths[following[0]] > call_cost
