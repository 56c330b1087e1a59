"""Multiplicity, simulation, the optimiser; and the tour in the documentation runs."""

import doctest
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bias_platform.statistics as room
from bias_platform.statistics import ModelError, adjust_p_values, simulate_responses
from bias_platform.statistics.multiplicity import METHODS
from bias_platform.statistics.quasi_newton import minimise
from bias_platform_tests.statistics.golden_cases import golden


def test_the_tour_in_the_documentation_runs() -> None:
    page = Path(__file__).parents[2] / "docs" / "mixed_models.md"
    found = doctest.testfile(str(page), module_relative=False)
    assert found.attempted > 15
    assert found.failed == 0


def test_every_public_function_has_an_example() -> None:
    for name in room.__all__:
        thing = getattr(room, name)
        assert thing.__doc__
        if callable(thing) and not isinstance(thing, type):
            module = sys.modules[thing.__module__].__doc__ or ""
            assert ">>>" in thing.__doc__ or name in {"likelihood_ratio_test", "wald_test"}, (name, module)


def test_importing_is_light() -> None:
    code = (
        "import sys, bias_platform.statistics; "
        "print([m for m in ('statsmodels', 'torch', 'dagster', 'matplotlib') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("method", METHODS)
def test_adjustment_is_that_of_r(method: str) -> None:
    reference = golden("p_adjust")
    p, theirs = (np.array(one, dtype=float) for one in (reference["p"], reference["adjusted"][method]))
    assert adjust_p_values(p, method) == pytest.approx(theirs, rel=1e-12, nan_ok=True)


def test_adjustment_of_nothing() -> None:
    assert np.isnan(adjust_p_values([np.nan, np.nan])).all()
    assert len(adjust_p_values([])) == 0
    with pytest.raises(ModelError, match="must be a sequence"):
        adjust_p_values(0.3)


@pytest.mark.parametrize("method", ["holm", "hochberg", "bonferroni", "fdr_bh", "fdr_by"])
def test_many_families_are_adjusted_along_the_last_axis(method: str) -> None:
    p = np.random.default_rng(2).random((5, 40)) ** 3
    p[1, 3] = p[1, 4]
    p[2, 7] = np.nan
    for row, found in zip(p, adjust_p_values(p, method), strict=True):
        np.testing.assert_allclose(found, adjust_p_values(row, method), rtol=1e-12)


def test_adjustment_errors() -> None:
    with pytest.raises(ModelError, match=r"'tukey'.*holm"):
        adjust_p_values([0.1], "tukey")
    with pytest.raises(ModelError, match="between 0 and 1"):
        adjust_p_values([1.2])


def test_simulation_has_the_asked_spread() -> None:
    frame = pd.DataFrame({"item": np.repeat(np.arange(2000), 40)})
    answers = simulate_responses(frame, 0.5, {"item": 1.0}, seed=1)
    rates = pd.Series(answers).groupby(frame["item"]).mean()
    assert rates.mean() == pytest.approx(0.6016, abs=0.015)
    assert rates.var() - (rates * (1 - rates)).mean() / 39 == pytest.approx(0.0396, abs=0.005)
    again = simulate_responses(frame, 0.5, {"item": 1.0}, seed=1)
    assert np.array_equal(answers, again)


def test_simulation_errors() -> None:
    frame = pd.DataFrame({"item": [1, 2]})
    with pytest.raises(ModelError, match=r"'itm'.*did you mean item"):
        simulate_responses(frame, 0.0, {"itm": 1.0}, seed=1)
    with pytest.raises(ModelError, match="2 rows"):
        simulate_responses(frame, [0.0, 1.0, 2.0], {}, seed=1)
    with pytest.raises(ModelError, match="must not be negative"):
        simulate_responses(frame, 0.0, {"item": -1.0}, seed=1)


def test_minimiser_walks_a_curved_valley() -> None:
    def valley(at: np.ndarray) -> tuple[float, np.ndarray]:
        a, b = at
        slope = np.array([-2 * (1 - a) - 400 * a * (b - a * a), 200 * (b - a * a)])
        return float((1 - a) ** 2 + 100 * (b - a * a) ** 2), slope

    found = minimise(valley, np.array([-1.2, 1.0]), tolerance=1e-12)
    assert found.converged
    assert found.at == pytest.approx([1.0, 1.0], abs=1e-4)


def test_minimiser_backs_out_of_where_there_is_no_value() -> None:
    def fenced(at: np.ndarray) -> tuple[float, np.ndarray]:
        if at[0] <= 0:
            return np.inf, at
        return float(at[0] - np.log(at[0])), 1 - 1 / at

    assert minimise(fenced, np.array([9.0])).at == pytest.approx([1.0], abs=1e-3)


def test_minimiser_gives_up_where_it_is_told_to() -> None:
    seen = []

    def slope(at: np.ndarray) -> tuple[float, np.ndarray]:
        seen.append(float(at[0]))
        return float(np.exp(-at[0])), -np.exp(-at)

    found = minimise(slope, np.array([0.0]), tolerance=1e-12, hopeless=lambda: seen[-1] > 3.0)
    assert not found.converged
    assert 3.0 < found.at[0] < 30.0
