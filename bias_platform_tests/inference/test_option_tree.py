"""Options as a tree of tokens."""

import numpy as np
import pytest

from bias_platform.errors import UserError
from bias_platform.inference.engines.option_tree import build_option_tree


def test_last_tokens_are_not_read_and_beginnings_are_shared() -> None:
    tree = build_option_tree(["a", "b", "c", "d"], [[1, 2, 3], [1, 2, 4], [1, 5], [6]], "sum")
    assert tree.tokens.tolist() == [1, 2]
    assert tree.offsets.tolist() == [1, 2]
    assert tree.sees.tolist() == [[True, False], [True, True]]
    scored = list(zip(tree.outputs.tolist(), tree.targets.tolist(), strict=True))
    assert scored == [(0, 1), (1, 2), (2, 3), (0, 1), (1, 2), (2, 4), (0, 1), (1, 5), (0, 6)]
    assert tree.weights.sum(axis=0).tolist() == [3, 3, 2, 1]


def test_mean_weighs_each_token_alike() -> None:
    tree = build_option_tree(["a", "b"], [[1, 2, 3], [4]], "mean")
    np.testing.assert_allclose(tree.weights.sum(axis=0), [1, 1])
    np.testing.assert_allclose(tree.weights[:3, 0], 1 / 3)


def test_first_token_reads_nothing_more() -> None:
    tree = build_option_tree(["a", "b"], [[1, 2, 3], [4, 5]], "first-token")
    assert tree.read_tokens == 0
    assert tree.targets.tolist() == [1, 4]


@pytest.mark.parametrize(
    ("tokens", "scoring", "message"),
    [
        ([[1, 2], [1, 3]], "first-token", "begin with the same token"),
        ([[1, 2], [1]], "sum", "never be chosen"),
        ([[1], [1, 2]], "sum", "never be chosen"),
        ([[1, 2], [1, 2]], "mean", "same tokens"),
        ([[1, 2], [1, 2]], "sum", "never be chosen"),
        ([[1], []], "sum", "has no token"),
    ],
)
def test_options_that_cannot_be_told_apart_are_refused(tokens: list[list[int]], scoring: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        build_option_tree(["left", "right"], tokens, scoring)  # type: ignore[arg-type]
