"""Separate logits against the joint multinomial model of statsmodels, and where a category has no model."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.discrete.discrete_model import MNLogit

from bias_platform.statistics import ModelError, fit_separate_logits


@pytest.fixture(scope="module")
def outcomes() -> pd.DataFrame:
    """Three outcomes that depend on the group; items do not matter, so that the joint model is right."""
    rng = np.random.default_rng(4)
    data = pd.DataFrame({"item": np.repeat(np.arange(100), 60), "group": np.tile(list("abc"), 2000)})
    shares = {"a": (0.8, 0.15, 0.05), "b": (0.6, 0.2, 0.2), "c": (0.75, 0.05, 0.2)}
    came = [rng.choice(["judged", "refused", "unreadable"], p=shares[group]) for group in data["group"]]
    return data.assign(came=came)


def test_the_joint_multinomial_model_is_estimated(outcomes: pd.DataFrame) -> None:
    found = fit_separate_logits("came ~ group + (1 | item)", outcomes, baseline="judged")
    matrix = pd.DataFrame({"a": 1.0, "b": outcomes["group"] == "b", "c": outcomes["group"] == "c"}).astype(float)
    codes = outcomes["came"].map({"judged": 0, "refused": 1, "unreadable": 2})
    joint = MNLogit(codes, matrix).fit(disp=0)
    for column, category in enumerate(["refused", "unreadable"]):
        own = found.fits[category].fixed_effects
        error = joint.bse.to_numpy()[:, column]
        assert np.abs(own["estimate"].to_numpy() - joint.params.to_numpy()[:, column]).max() < 0.2 * error.min()
        assert own["standard_error"].to_numpy() == pytest.approx(error, rel=0.05)


def test_a_category_without_a_model_says_why_and_leaves_the_others(outcomes: pd.DataFrame) -> None:
    few = outcomes.copy()
    few.loc[few.index[0], "came"] = "truncated"
    few = few[(few["came"] != "truncated") | (few.index == few.index[0])]
    only = few[few["item"] == 0].assign(item=0)
    found = fit_separate_logits("came ~ group + (1 | item)", few, baseline="judged")
    assert {"refused", "unreadable"} <= set(found.fits)
    lonely = fit_separate_logits("came ~ group + (1 | item)", only, baseline="judged")
    assert not lonely.fits
    assert "single level" in lonely.impossible["refused"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"baseline": "answered"}, "needs the baseline 'answered'"),
        ({"formula": "outcome ~ group + (1 | item)"}, "has no column 'outcome'"),
    ],
)
def test_bad_input_is_one_sentence(outcomes: pd.DataFrame, change: dict[str, str], sentence: str) -> None:
    asked = {"formula": "came ~ group + (1 | item)", "baseline": "judged"} | change
    with pytest.raises(ModelError, match=sentence):
        fit_separate_logits(asked["formula"], outcomes, baseline=asked["baseline"])


def test_missing_outcomes_are_refused(outcomes: pd.DataFrame) -> None:
    with pytest.raises(ModelError, match="1 missing value"):
        fit_separate_logits(
            "came ~ group + (1 | item)", outcomes.assign(came=[None, *outcomes["came"][1:]]), baseline="judged"
        )
