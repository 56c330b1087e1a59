import numpy as np
import pandas as pd
import pytest
from scipy.stats import f as fisher

from bias_platform.analysis.omnibus import carried_degrees

# anova(lm(Y ~ 1), X = ~1, test = "Spherical") of R 4.2.2 on this table: F 2.23842 on 3 and 33, Huynh-Feldt epsilon
# 0.5882, corrected p 0.1379048277
MEASURED = np.array(
    [
        [-1.009, -0.997, 0.824, 1.562],
        [-0.366, 0.185, 0.444, -1.609],
        [1.135, 1.886, 0.006, -1.387],
        [1.351, 2.326, 0.768, 0.917],
        [-1.249, -0.831, 0.89, 0.443],
        [0.54, 1.003, 0.805, 0.866],
        [0.491, 0.806, 1.802, -1.134],
        [-0.065, 0.126, 1.955, 1.166],
        [-0.463, -0.086, 1.335, -0.007],
        [-1.275, -0.579, 0.511, 2.08],
        [0.307, 0.385, 1.8, -2.213],
        [-0.172, 0.917, 0.817, 1.59],
    ]
)


def _long(cells: np.ndarray, *factors: str) -> pd.DataFrame:  # type: ignore[type-arg]
    index = np.indices(cells.shape).reshape(cells.ndim, -1)
    table = pd.DataFrame(dict(zip(["item", *factors], index, strict=True)))
    return table.astype("category").assign(margin=cells.ravel())


def _anova(cells: np.ndarray) -> float:  # type: ignore[type-arg]
    items, levels = cells.shape
    rest = cells - cells.mean(axis=1, keepdims=True) - cells.mean(axis=0) + cells.mean()
    between = items * ((cells.mean(axis=0) - cells.mean()) ** 2).sum() / (levels - 1)
    return float(between / ((rest**2).sum() / (items - 1) / (levels - 1)))


def test_degrees_are_those_of_huynh_and_feldt() -> None:
    found = carried_degrees(_long(MEASURED, "persona"), "margin", ["persona"], ["persona"], False)
    assert found.numerator / 3 == pytest.approx(0.5882, abs=5e-5)
    assert found.denominator / 33 == pytest.approx(0.5882, abs=5e-5)
    assert fisher.sf(_anova(MEASURED), *found) == pytest.approx(0.1379048277, rel=1e-6)


def test_an_interaction_is_contrasts_of_both_factors() -> None:
    rng = np.random.default_rng(0)
    cells = rng.standard_normal((30, 2, 3))
    table = _long(cells, "system", "persona")
    both = carried_degrees(table, "margin", ["system", "persona"], ["system", "persona"], False)
    apart = carried_degrees(_long(cells[:, 1] - cells[:, 0], "persona"), "margin", ["persona"], ["persona"], False)
    assert both == pytest.approx(apart)
    means = carried_degrees(_long(cells.mean(axis=1), "persona"), "margin", ["persona"], ["persona"], False)
    assert carried_degrees(table, "margin", ["system", "persona"], ["persona"], False) == pytest.approx(means)


def test_wordings_that_rule_the_variance_rule_the_degrees() -> None:
    rng = np.random.default_rng(1)
    wording = 50.0 * rng.standard_normal((5, 3))
    table = _long(0.01 * rng.standard_normal((40, 5, 3)) + wording, "persona", "template")
    found = carried_degrees(table, "margin", ["persona", "template"], ["persona"], True)
    assert found == pytest.approx((4, 4 * 2), rel=1e-3)
    fixed = carried_degrees(table, "margin", ["persona", "template"], ["persona"], False)
    assert fixed.denominator > 100


def test_missing_cells_are_filled_and_constant_ones_have_no_degrees() -> None:
    table = _long(MEASURED, "persona")
    some = carried_degrees(table.drop(index=[0, 7, 22]), "margin", ["persona"], ["persona"], False)
    assert 1 < some.numerator < 3
    still = _long(np.tile([0.1, 0.2, 0.3, 0.4], (12, 1)), "persona")
    assert np.isnan(carried_degrees(still, "margin", ["persona"], ["persona"], False).numerator)


def test_a_true_null_is_kept_where_contrasts_vary_unequally() -> None:
    # one persona moves on its own: with all degrees the test rejects in about a tenth of studies
    rng = np.random.default_rng(2)
    spread = np.array([0.2, 0.2, 0.2, 0.2, 0.2, 2.0])
    naive, kept = [], []
    for _ in range(400):
        cells = spread * rng.standard_normal((20, 6))
        degrees = carried_degrees(_long(cells, "persona"), "margin", ["persona"], ["persona"], False)
        naive.append(fisher.sf(_anova(cells), 5, 5 * 19) < 0.05)
        kept.append(fisher.sf(_anova(cells), *degrees) < 0.05)
    assert np.mean(naive) > 0.08
    assert 0.03 < np.mean(kept) < 0.08
