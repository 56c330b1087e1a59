"""A fit of the wrong kind, a margin that is none: one sentence each."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bias_platform.statistics import (
    MarginalModelFit,
    MixedModelFit,
    ModelError,
    average_effects,
    average_probabilities,
    bootstrap,
    category_probabilities,
    equivalence,
    fit_gee,
    fit_glm,
    fit_mixed_model,
    marginal_means,
    profile_intervals,
    proportional_odds_test,
    term_tests,
    versus_reference,
)


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    """Two groups on forty items."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"item": np.repeat(np.arange(40), 6), "group": ["a", "b"] * 120})
    return frame.assign(yes=rng.integers(0, 2, len(frame)))


@pytest.fixture(scope="module")
def marginal(data: pd.DataFrame) -> MarginalModelFit:
    return fit_glm("yes ~ group", data, "item")


@pytest.fixture(scope="module")
def mixed(data: pd.DataFrame) -> MixedModelFit:
    return fit_mixed_model("yes ~ group + (1 | item)", data)


@pytest.mark.parametrize(
    "ask",
    [
        lambda fit: average_effects(fit, "group"),
        lambda fit: marginal_means(fit, "group"),
        lambda fit: category_probabilities(fit, "group"),
        term_tests,
        proportional_odds_test,
        profile_intervals,
        lambda fit: bootstrap(fit, lambda one: one.loglik),
    ],
)
def test_a_marginal_model_is_no_mixed_one(ask: Callable[[Any], Any], marginal: MarginalModelFit) -> None:
    with pytest.raises(ModelError, match="takes a fit by fit_mixed_model, not a MarginalModelFit"):
        ask(marginal)


def test_a_mixed_model_is_no_marginal_one(mixed: MixedModelFit) -> None:
    with pytest.raises(ModelError, match="fit_glm or fit_gee, not of a MixedModelFit: a mixed model has"):
        average_probabilities(mixed, "group")


def test_equivalence_of_average_effects_is_that_of_their_estimates(mixed: MixedModelFit) -> None:
    effects = average_effects(mixed, "group")
    pd.testing.assert_frame_equal(equivalence(effects, 0.2), equivalence(effects.estimates, 0.2))
    with pytest.raises(ModelError, match="of contrasts or average effects, not of a DataFrame"):
        equivalence(effects.frame(), 0.2)  # type: ignore[arg-type]


def test_a_margin_is_a_number(mixed: MixedModelFit) -> None:
    gaps = versus_reference(marginal_means(mixed, "group"), "group", "a")
    with pytest.raises(ModelError, match="A margin is a number above 0 or a pair"):
        equivalence(gaps, "5 %")


def test_one_cluster_may_be_named_by_itself(data: pd.DataFrame, marginal: MarginalModelFit) -> None:
    assert marginal.clusters == {"item": 40}
    with pytest.raises(ModelError, match="A GEE has one grouping"):
        fit_gee("yes ~ group", data, ["item", "group"])  # type: ignore[arg-type]
