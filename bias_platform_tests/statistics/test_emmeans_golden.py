"""Marginal means and contrasts against emmeans, on both scales."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from bias_platform.statistics import (
    EstimateSet,
    adjust_p_values,
    all_pairs,
    difference_of_differences,
    marginal_means,
    versus_reference,
)
from bias_platform_tests.statistics.golden_cases import fit_of, golden

SCALES = ("link", "conditional")


@pytest.fixture(scope="module")
def means() -> EstimateSet:
    return marginal_means(fit_of("model_a"), by=["system", "persona"])


def reference(scale: str, kind: str) -> pd.DataFrame:
    frame = pd.DataFrame(golden("model_a")["emmeans"][scale][kind])
    value = next(name for name in ("emmean", "prob", "response", "estimate") if name in frame)
    return frame.rename(columns={value: "theirs"})


def compare(ours: pd.DataFrame, theirs: pd.DataFrame, keys: list[str]) -> None:
    both = ours.merge(theirs, on=keys, validate="one_to_one")
    assert len(both) == len(theirs) == len(ours)
    assert np.abs((both["estimate"] - both["theirs"]) / both["SE"]).max() < 0.005
    assert np.abs(both["standard_error"] / both["SE"] - 1).max() < 0.005
    assert np.abs(both["p"] - both["p.value"]).max() < 2e-4


@pytest.mark.parametrize("scale", SCALES)
def test_means(means: EstimateSet, scale: str) -> None:
    compare(means.frame(scale), reference(scale, "means"), ["system", "persona"])


@pytest.mark.parametrize("scale", SCALES)
def test_versus_the_control(means: EstimateSet, scale: str) -> None:
    ours = versus_reference(means, "persona", "control", within="system").frame(scale)
    compare(ours, reference(scale, "versus_control"), ["system", "contrast"])


@pytest.mark.parametrize("scale", SCALES)
def test_all_pairs(means: EstimateSet, scale: str) -> None:
    compare(
        all_pairs(means, "persona", within="system").frame(scale), reference(scale, "pairs"), ["system", "contrast"]
    )


@pytest.mark.parametrize("scale", SCALES)
def test_change_between_systems(means: EstimateSet, scale: str) -> None:
    gaps = versus_reference(means, "persona", "control", within="system")
    change = difference_of_differences(gaps, "system", "tuned", "base").frame(scale)
    compare(change, reference(scale, "change"), ["contrast"])


def test_holm_over_all_systems_and_personas(means: EstimateSet) -> None:
    gaps = versus_reference(means, "persona", "control", within="system").frame("link")
    theirs: list[Any] = golden("model_a")["emmeans"]["holm"]
    assert np.abs(adjust_p_values(gaps["p"], "holm") - np.array(theirs)).max() < 2e-4
