"""Two one-sided tests against statsmodels, a published example, intervals, and their level by simulation."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.weightstats import ttost_ind, ttost_paired

from bias_platform.statistics import ModelError
from bias_platform.statistics.equivalence_tests import equivalence, margins_of, two_one_sided_tests
from bias_platform.statistics.estimates import Estimates, EstimateSet


def contrasts(values: list[float], errors: list[float], **more: Any) -> EstimateSet:
    labels = pd.DataFrame({"contrast": [f"c{k}" for k in range(len(values))], **more})
    return EstimateSet(labels, {"probability": Estimates(np.array(values), np.diag(np.square(errors)))})


@pytest.mark.parametrize(("low", "high"), [(-0.4, 0.4), (-0.2, 0.7), (0.05, 0.6)])
def test_statsmodels_from_raw_data(low: float, high: float) -> None:
    rng = np.random.default_rng(1)
    for size in (8, 40):
        a, b = rng.normal(0.2, 1.0, size), rng.normal(0.0, 1.7, size + 5)
        gap, n = a.mean() - b.mean(), np.array([size, size + 5])
        variances = np.array([a.var(ddof=1), b.var(ddof=1)])
        pooled = (n - 1) @ variances / (n.sum() - 2)
        parts = variances / n
        welch = parts.sum() ** 2 / (parts**2 / (n - 1)).sum()
        cases = {
            "pooled": (np.sqrt(pooled * (1 / n).sum()), n.sum() - 2.0),
            "unequal": (np.sqrt(parts.sum()), welch),
        }
        for kind, (error, df) in cases.items():
            theirs, lower, upper = ttost_ind(a, b, low, high, usevar=kind)
            found = two_one_sided_tests(gap, error, df, margin=(low, high))
            assert found.p == pytest.approx(theirs, rel=1e-10)
            assert found.above_lower == pytest.approx(lower[1], rel=1e-10)
            assert found.below_upper == pytest.approx(upper[1], rel=1e-10)
        differences = a - b[:size]
        error = differences.std(ddof=1) / np.sqrt(size)
        theirs = ttost_paired(a, b[:size], low, high)[0]
        found = two_one_sided_tests(differences.mean(), error, size - 1, margin=(low, high))
        assert found.p == pytest.approx(theirs, rel=1e-10)


def test_the_example_of_lakens() -> None:
    """Lakens (2017), Social Psychological and Personality Science 8, 355-362: t(182) = -2.69, p = .004 against .384."""
    error = np.sqrt(0.894**2 * (1 / 95 + 1 / 89))
    found = two_one_sided_tests(5.25 - 5.22, error, 182, margin=0.384)
    assert stats.t.isf(found.p, 182) == pytest.approx(2.69, abs=0.01)
    assert found.p == pytest.approx(0.004, abs=0.0005)
    assert found.p == found.below_upper > found.above_lower


@pytest.mark.parametrize("df", [4.0, 30.0, np.inf])
def test_equivalent_where_the_interval_lies_within(df: float) -> None:
    rng = np.random.default_rng(3)
    gap, error = rng.normal(0, 0.05, 400), rng.uniform(0.005, 0.05, 400)
    lower, upper = stats.t.interval(0.9, df, gap, error)
    table = equivalence(contrasts(gap.tolist(), error.tolist()), (-0.06, 0.09), degrees_of_freedom=df)
    inside = (lower > -0.06) & (upper < 0.09)
    assert 50 < inside.sum() < 350
    assert ((table["equivalence_p"] < 0.05) == inside).all()
    assert table["lower"].to_numpy() == pytest.approx(lower)
    assert table["upper"].to_numpy() == pytest.approx(upper)
    assert table["difference_p"].to_numpy() == pytest.approx(2 * stats.t.sf(np.abs(gap / error), df))
    within = table["verdict"].isin(["equivalent", "different but within the margin"])
    assert (within == inside).all()
    assert (table["verdict"].str.startswith("different") == (table["difference_p"] < 0.05)).all()
    assert table["verdict"].nunique() == 4


def test_level_at_the_margin() -> None:
    """20,000 studies of 12 items, true difference on the margin: 5 % claims (Monte-Carlo error 0.15 %), where noise is
    small against the margin; fewer where it is not, because both tests must reject."""
    rng = np.random.default_rng(7)
    shares = []
    for sd in (0.05, 0.6):
        data = rng.normal(0.1, sd, (20_000, 12))
        error = data.std(axis=1, ddof=1) / np.sqrt(12)
        shares.append(np.mean(two_one_sided_tests(data.mean(axis=1), error, 11, margin=0.1).p < 0.05))
    assert shares[0] == pytest.approx(0.05, abs=0.005)
    assert shares[1] < 0.01


def test_holm_keeps_the_level_of_the_report() -> None:
    """1,000 reports of 6 contrasts, 3 on the margin and 3 at zero: false claims of equivalence in at most 5 %."""
    rng = np.random.default_rng(8)
    true, report = np.tile([0.1, 0.1, -0.1, 0.0, 0.0, 0.0], 100), np.repeat(np.arange(100), 6)
    wrong = 0
    for _ in range(10):
        gaps = contrasts((true + rng.normal(0, 0.025, 600)).tolist(), [0.025] * 600, report=report)
        table = equivalence(gaps, 0.1, adjust="holm", families="report")
        wrong += table.loc[(true != 0) & (table["adjusted_equivalence_p"] < 0.05), "report"].nunique()
    assert 0.025 < wrong / 1000 < 0.067


def test_adjusted_within_families() -> None:
    gaps = contrasts([0.01, 0.0, 0.02, 0.05], [0.02, 0.04, 0.02, 0.03], system=["a", "a", "b", "b"])
    plain = equivalence(gaps, 0.08)
    apart = equivalence(gaps, 0.08, adjust="bonferroni", families="system")
    together = equivalence(gaps, 0.08, adjust="bonferroni")
    for kind in ("difference_p", "equivalence_p"):
        assert apart[f"adjusted_{kind}"].to_numpy() == pytest.approx(np.minimum(1, 2 * plain[kind].to_numpy()))
        assert together[f"adjusted_{kind}"].to_numpy() == pytest.approx(np.minimum(1, 4 * plain[kind].to_numpy()))
    assert "adjusted_equivalence_p" not in plain
    assert plain["verdict"].tolist() == ["equivalent", "equivalent", "equivalent", "inconclusive"]
    assert together["verdict"].tolist() == ["equivalent", "inconclusive", "equivalent", "inconclusive"]


def test_each_contrast_may_have_its_own_margin() -> None:
    table = equivalence(contrasts([0.0, 0.0], [0.02, 0.02]), np.array([0.01, 0.1]))
    assert table["verdict"].tolist() == ["inconclusive", "equivalent"]
    assert table["margin_upper"].tolist() == [0.01, 0.1]


def test_unknown_and_exact_differences() -> None:
    found = two_one_sided_tests([np.nan, 0.0, 0.2, 0.1, 0.0], [0.1, 0.0, 0.0, 0.0, np.nan], 5, margin=0.1)
    assert np.isnan(found.p[[0, 4]]).all()
    assert found.p[1:4].tolist() == [0.0, 1.0, 1.0]
    unknown = contrasts([np.nan, 0.0], [0.1, 0.001])
    table = equivalence(unknown, 0.05, adjust="holm")
    assert table["verdict"].tolist() == ["inconclusive", "equivalent"]
    assert np.isnan(table["adjusted_equivalence_p"][0])


@pytest.mark.parametrize("margin", [0.0, -0.1, np.nan, np.inf, (0.1, 0.1), (0.2, -0.2), np.array([0.1, 0.0])])
def test_margins_that_hold_nothing(margin: Any) -> None:
    with pytest.raises(ModelError, match="holds nothing"):
        margins_of(margin)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"alpha": 0.5}, "between 0 and 0.5"),
        ({"adjust": "tukey"}, "Unknown adjustment 'tukey'"),
        ({"scale": "link"}, "Unknown scale 'link'"),
        ({"families": "system"}, "not labelled by 'system'"),
        ({"degrees_of_freedom": 0.0}, "degrees of freedom above 0"),
    ],
)
def test_what_cannot_be_tested(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ModelError, match=match):
        equivalence(contrasts([0.0], [0.1]), 0.1, **options)


def test_a_negative_error() -> None:
    with pytest.raises(ModelError, match="from 0 up"):
        two_one_sided_tests(0.0, -0.1, margin=0.1)
