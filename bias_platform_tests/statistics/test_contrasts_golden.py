"""Adjusted contrasts and interaction contrasts against emmeans and mvtnorm."""

import json
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bias_platform.statistics import (
    EstimateSet,
    all_pairs,
    interaction_contrasts,
    largest_statistic,
    marginal_means,
    versus_reference,
)
from bias_platform_tests.statistics.golden_cases import GOLDEN, fit_of, linear_fit_of

CONTROL = ("reference", "control")
OUTER_AND_MIDDLE = {"outer": {"t1": -1.0, "t3": 1.0}, "middle": {"t1": -0.5, "t2": 1.0, "t3": -0.5}}
CASES = [
    ("model_a", name)
    for name in (
        "pairs",
        "pairs_by_system",
        "control_by_system",
        "control_together",
        "pairs_by_pairs",
        "control_by_pairs",
    )
] + [
    ("scores", name)
    for name in ("pairs", "pairs_by_template", "control_by_template", "pairs_by_pairs", "control_by_weights")
]
SPELLED = {"BH": "fdr_bh", "dunnettx": "mvt"}


@cache
def golden(case: str) -> dict[str, Any]:
    return json.loads((GOLDEN / "contrasts.json").read_text())[case]


@cache
def means(case: str, *by: str) -> EstimateSet:
    return marginal_means(fit_of(case) if case == "model_a" else linear_fit_of(case), by=list(by))


@cache
def contrasts(case: str, name: str) -> EstimateSet:
    other = "system" if case == "model_a" else "template"
    if name == "pairs":
        return all_pairs(means(case, "persona"), "persona")
    cells = means(case, other, "persona")
    if name.startswith("pairs_by_") and name != "pairs_by_pairs":
        return all_pairs(cells, "persona", within=other)
    if name in {"control_by_system", "control_by_template", "control_together"}:
        return versus_reference(cells, "persona", "control", within=other)
    factors = {"persona": "pairs" if name == "pairs_by_pairs" else CONTROL}
    return interaction_contrasts(
        cells, factors | {other: OUTER_AND_MIDDLE if name == "control_by_weights" else "pairs"}
    )


def both(case: str, name: str, adjust: str = "none") -> tuple[pd.DataFrame, pd.DataFrame]:
    """Our table and theirs (with the columns of one adjustment), in the same order."""
    reference = golden(case)[name]
    adjusted = {} if adjust == "none" else reference[adjust]
    theirs = pd.DataFrame({key: value for key, value in reference.items() if not isinstance(value, dict)})
    theirs = theirs.assign(**{f"adjusted_{key}": value for key, value in adjusted.items()})
    theirs.columns = [column.split("_")[0] if is_factor(column) else column for column in theirs]
    frame = contrasts(case, name).frame(
        "link",
        adjust=SPELLED.get(adjust, adjust),
        degrees_of_freedom=golden(case).get("df", np.inf),
        families=name.split("_by_")[1] if name.endswith(("_by_system", "_by_template")) else (),
    )
    keys = [key for key in ("system", "template", "persona", "contrast") if key in theirs]
    assert len(theirs) == len(frame)
    return frame.set_index(keys).sort_index(), theirs.set_index(keys).sort_index()


def is_factor(column: str) -> bool:
    return column.split("_", maxsplit=1)[0] in {"persona", "system", "template"}


@pytest.mark.parametrize(("case", "name"), CASES)
def test_estimates_and_errors(case: str, name: str) -> None:
    ours, theirs = both(case, name)
    assert list(ours.index) == list(theirs.index)
    assert np.abs((ours["estimate"] - theirs["estimate"]) / theirs["SE"]).max() < 0.005
    assert np.abs(ours["standard_error"] / theirs["SE"] - 1).max() < 0.005
    assert np.abs(ours["p"] - theirs["p"]).max() < 2e-4


@pytest.mark.parametrize(
    ("case", "name", "adjust"),
    [
        (case, name, adjust)
        for case, name in CASES
        for adjust in ("mvt", "tukey", "bonferroni", "holm", "BH")
        if adjust in golden(case)[name]
    ],
)
def test_adjusted_p_and_simultaneous_bounds(case: str, name: str, adjust: str) -> None:
    ours, theirs = both(case, name, adjust)
    assert np.abs(ours["adjusted_p"] - theirs["adjusted_p"]).max() < 2e-4
    for side in ("lower", "upper"):
        difference = (ours[f"simultaneous_{side}"] - theirs[f"adjusted_{side}"]) / theirs["SE"]
        assert difference.isna().all() if adjust in {"holm", "BH"} else difference.abs().max() < 0.01


@pytest.mark.parametrize(("case", "name"), [("model_a", "control_by_system"), ("scores", "control_by_template")])
def test_one_sided(case: str, name: str) -> None:
    ours, theirs = both(case, name, "mvt")
    found, other = contrasts(case, name), name.split("_by_")[1]
    for key in found.labels[other].unique():
        rows = (found.labels[other] == key).to_numpy()
        covariance = found.subset(rows).on("link").covariance
        largest = largest_statistic(covariance, golden(case).get("df", np.inf), one_sided=True)
        p = largest.p_values(ours.loc[key, "statistic"])
        assert np.abs(p - theirs.loc[key, "adjusted_greater"]).max() < 2e-4


@pytest.mark.parametrize(("case", "name"), CASES)
def test_what_emmeans_says_itself_at_its_precision(case: str, name: str) -> None:
    ours, theirs = both(case, name, "mvt")
    assert np.abs(ours["adjusted_p"] - theirs["adjusted_emmeans_p"]).max() < 2e-3
    assert np.abs((ours["simultaneous_upper"] - theirs["adjusted_emmeans_upper"]) / theirs["SE"]).max() < 0.02


@pytest.mark.parametrize(("case", "name"), [("model_a", "control_by_system"), ("scores", "control_by_template")])
def test_the_approximation_of_emmeans_for_contrasts_against_a_control_is_near(case: str, name: str) -> None:
    ours, theirs = both(case, name, "dunnettx")
    assert np.abs(ours["adjusted_p"] - theirs["adjusted_p"]).max() < 0.05
