"""Every example is seen as often as it should be, and padding never counts."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_platform.models.batches import another_of_group, collate, fixed_size_batches, split_by_tokens, token_batches
from bias_platform.models.example_tokens import EncodedExamples

LENGTHS = st.lists(st.integers(2, 60), min_size=1, max_size=80).map(np.array)


@settings(max_examples=60, deadline=None)
@given(lengths=LENGTHS, bound=st.integers(10, 300), epochs=st.integers(1, 3))
def test_token_batches_see_each_example_once_per_epoch_within_the_bound(
    lengths: np.ndarray, bound: int, epochs: int
) -> None:
    plan = token_batches(lengths, bound, epochs, np.random.default_rng(0))
    assert np.bincount(np.concatenate(plan), minlength=len(lengths)).tolist() == [epochs] * len(lengths)
    assert all(len(batch) == 1 or lengths[batch].sum() <= bound for batch in plan)


def test_half_an_epoch_sees_half_the_examples() -> None:
    lengths = np.full(40, 10)
    seen = np.concatenate(token_batches(lengths, 50, 1.5, np.random.default_rng(0)))
    assert np.bincount(seen, minlength=40).tolist().count(2) == 20


def test_similar_lengths_share_a_batch() -> None:
    lengths = np.random.default_rng(0).integers(5, 100, 2000)
    plan = token_batches(lengths, 1000, 1, np.random.default_rng(1))
    padding = sum(len(batch) * lengths[batch].max() - lengths[batch].sum() for batch in plan)
    assert padding / lengths.sum() < 0.1
    assert not np.array_equal(np.sort(lengths), lengths[np.concatenate(plan)])


def test_the_seed_decides_the_order() -> None:
    lengths = np.random.default_rng(0).integers(5, 100, 200)
    plans = [token_batches(lengths, 500, 1, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert [batch.tolist() for batch in plans[0]] == [batch.tolist() for batch in plans[1]]
    assert [batch.tolist() for batch in plans[0]] != [batch.tolist() for batch in plans[2]]


def test_fixed_size_batches_pass_over_everything_before_repeating() -> None:
    batches = fixed_size_batches(10, 4, 5, np.random.default_rng(0))
    assert np.bincount(np.concatenate(batches), minlength=10).tolist() == [2] * 10


@settings(max_examples=60, deadline=None)
@given(groups=st.lists(st.sampled_from("abcde"), min_size=1, max_size=40).map(np.array))
def test_another_of_the_group_is_another_unless_alone(groups: np.ndarray) -> None:
    others = another_of_group(groups, np.random.default_rng(0))
    assert groups[others].tolist() == groups.tolist()
    sizes = {group: int((groups == group).sum()) for group in set(groups)}
    assert ((others == np.arange(len(groups))) == [sizes[group] == 1 for group in groups]).all()
    assert sorted(others) == list(range(len(groups)))


def test_split_keeps_a_long_example_alone() -> None:
    parts = list(split_by_tokens(np.array([0, 1, 2, 3]), np.array([5, 5, 50, 5]), 12))
    assert [part.tolist() for part in parts] == [[0, 1], [2], [3]]


def test_collate_marks_answers_and_padding() -> None:
    encoded = EncodedExamples(
        tokens=[np.array([5, 6, 7, 1]), np.array([8, 9, 1, 4, 4, 1])],
        answer_start=np.array([2, 1]),
        lengths=np.array([4, 6]),
        left_out=0,
    )
    batch = collate(encoded, np.array([1, 0]), pad=0)
    assert batch.tokens.tolist() == [[8, 9, 1, 4, 4, 1], [5, 6, 7, 1, 0, 0]]
    assert batch.real.sum(axis=1).tolist() == [6, 4]
    assert batch.answer.tolist() == [[False] + [True] * 5, [False, False, True, True, False, False]]
