"""Macro F1 against scikit-learn's figures; Gini's coefficient against R and by brute force."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bias_platform.statistics import ModelError, gini_mean_difference, macro_f1

TRUTH = ["No", "Yes", "Yes", "Maybe", "No", "Yes", "No", "Maybe"]
ANSWERS = ["No", "Yes", "No", "Yes", "No", "Yes", "Maybe", "Other"]


def test_as_scikit_learn() -> None:
    """f1_score and precision_recall_fscore_support of scikit-learn 1.9.1, zero_division=0."""
    found = macro_f1(TRUTH, ANSWERS)
    assert found.classes == ("Maybe", "No", "Other", "Yes")
    assert found.value == pytest.approx(1 / 3)
    assert found.f1 == pytest.approx([0.0, 2 / 3, 0.0, 2 / 3])
    assert found.support.tolist() == [2, 3, 0, 3]
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 6, 200)
    answers = np.where(rng.random(200) < 0.6, truth, rng.integers(0, 6, 200))
    assert macro_f1(truth, answers).value == pytest.approx(0.72727418491341, abs=1e-13)


def test_classes_that_occur_nowhere() -> None:
    classes = ["No", "Maybe", "Yes", "Incomprehensible"]
    found = macro_f1(TRUTH, ANSWERS, classes)
    assert found.value == pytest.approx(1 / 3)
    assert found.absent == ("Incomprehensible",)
    assert (found.f1[3], np.isnan(found.precision[3]), np.isnan(found.recall[3])) == (0.0, True, True)
    skipped = macro_f1(TRUTH, ANSWERS, classes, absent="skip")
    assert skipped.value == pytest.approx(4 / 9)
    assert np.isnan(skipped.f1[3])
    assert skipped.precision[:3] == pytest.approx([2 / 3, 0.0, 2 / 3])
    assert np.isnan(macro_f1(["a"], ["a"], ["b"], absent="skip").value)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_the_definition(rows: list[tuple[int, int]]) -> None:
    truth, answers = zip(*rows, strict=True)
    expected = []
    for one in sorted({*truth, *answers}):
        hits = sum(t == a == one for t, a in rows)
        expected.append(2 * hits / (truth.count(one) + answers.count(one)))
    found = macro_f1(truth, answers)
    assert found.value == pytest.approx(np.mean(expected))
    assert found.f1 == pytest.approx(expected)


@pytest.mark.parametrize(
    ("truth", "answers", "more", "says"),
    [
        (["a"], ["a", "b"], {}, "1 labels and answers 2"),
        ([], [], {}, "at least one"),
        (["a", None], ["a", ""], {}, "2 labels are missing"),
        (["a"], ["a"], {"absent": "ignore"}, "not 'ignore'"),
    ],
)
def test_mistakes(truth: Any, answers: Any, more: dict[str, Any], says: str) -> None:
    with pytest.raises(ModelError, match=says):
        macro_f1(truth, answers, **more)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([-7, -15, 11, -10, 2, 4, 40], 0.69983948635634),
        ([0.71, 0.64, 0.8, 0.77, 0.69], 0.0443213296398893),
        ([-0.1, 0.2, 0.05], 0.571428571428572),
    ],
)
def test_gini_as_r(values: list[float], expected: float) -> None:
    """Gini_RSV's formula in R 4.2.2; the first values are those of GiniWegNeg's example."""
    assert float(gini_mean_difference(values)) == pytest.approx(expected, abs=1e-14)


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=12))
def test_gini_by_brute_force(values: list[float]) -> None:
    y = np.array(values)
    size = np.abs(y).sum()
    if size < 1e-6:
        return
    expected = np.abs(np.subtract.outer(y, y)).sum() / (2.0 * len(y) * size)
    assert float(gini_mean_difference(y)) == pytest.approx(expected, abs=1e-10)
    assert float(gini_mean_difference(3.0 * y)) == pytest.approx(expected, abs=1e-10)


def test_gini_at_its_ends() -> None:
    assert gini_mean_difference([[0, 0, 0], [2, 2, 2], [0, 0, 5]]) == pytest.approx([0.0, 0.0, 2 / 3])
    assert np.isnan(gini_mean_difference([0.5, np.nan]))
    for wrong in ([], 3.0, [1.0, np.inf]):
        with pytest.raises(ModelError, match="one or more finite numbers"):
            gini_mean_difference(wrong)
