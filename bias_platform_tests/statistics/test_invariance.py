"""What must not matter to a fit: order of rows, names of levels, coding of X, counts instead of rows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_platform.statistics import MixedModelFit, fit_mixed_model, marginal_means
from bias_platform_tests.statistics.made_designs import MODEL_A, named_personas

SMALL = "yes ~ persona * system + (1 | item) + (1 | item:persona) + (1 | persona:template)"


@pytest.fixture(scope="module")
def fit() -> MixedModelFit:
    return fit_mixed_model(SMALL, named_personas())


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_order_of_rows(fit: MixedModelFit, seed: int) -> None:
    again = fit_mixed_model(SMALL, named_personas().sample(frac=1, random_state=seed))
    assert again.loglik == pytest.approx(fit.loglik, abs=1e-7)
    assert again.fixed_effects["estimate"].to_numpy() == pytest.approx(
        fit.fixed_effects["estimate"].to_numpy(), abs=1e-5
    )


@settings(max_examples=8, deadline=None)
@given(names=st.lists(st.text("abcdefxyz _-é", min_size=1, max_size=6), min_size=18, max_size=18, unique=True))
def test_names_of_levels(fit: MixedModelFit, names: list[str]) -> None:
    frame = named_personas()
    frame["item"] = frame["item"].map(dict(enumerate(names)))
    again = fit_mixed_model(SMALL, frame)
    assert again.loglik == pytest.approx(fit.loglik, abs=1e-7)
    assert again.covariance.to_numpy() == pytest.approx(fit.covariance.to_numpy(), abs=1e-5)


@pytest.mark.parametrize(
    "coded",
    [
        "C(persona, contr.sum) * C(system, contr.sum)",
        "C(persona, contr.treatment('p2')) * system",
        "persona:system - 1",
        "system * persona",
    ],
)
def test_coding_of_x(fit: MixedModelFit, coded: str) -> None:
    again = fit_mixed_model(SMALL.replace("persona * system", coded), named_personas())
    assert again.loglik == pytest.approx(fit.loglik, abs=1e-7)
    ours, theirs = (marginal_means(one, by=["system", "persona"]).frame("probability") for one in (fit, again))
    assert theirs["estimate"].to_numpy() == pytest.approx(ours["estimate"].to_numpy(), abs=1e-5)
    assert theirs["standard_error"].to_numpy() == pytest.approx(ours["standard_error"].to_numpy(), rel=1e-4)


def test_counts_are_the_rows_they_stand_for() -> None:
    frame = named_personas(seed=3)
    keys = ["item", "persona", "system"]
    counts = frame.groupby(keys, as_index=False).agg(won=("yes", "sum"), asked=("yes", "size"))
    formula = "yes ~ persona * system + (1 | item) + (1 | item:persona)"
    by_row = fit_mixed_model(formula, frame)
    by_count = fit_mixed_model(formula.replace("yes", "cbind(won, asked - won)"), counts)
    assert by_count.fixed_effects["estimate"].to_numpy() == pytest.approx(
        by_row.fixed_effects["estimate"].to_numpy(), abs=1e-6
    )
    assert by_count.loglik > by_row.loglik
    assert by_count.n_observations == by_row.n_observations == len(frame)


def test_weights_are_repetitions() -> None:
    frame = named_personas(seed=4)
    often = np.random.default_rng(0).integers(0, 4, len(frame))
    weighted = fit_mixed_model(SMALL, frame.assign(times=often), weights="times")
    repeated = fit_mixed_model(SMALL, frame.loc[frame.index.repeat(often)])
    assert weighted.loglik == pytest.approx(repeated.loglik, abs=1e-7)
    assert weighted.n_observations == repeated.n_observations


def test_categories_and_text_are_the_same() -> None:
    frame = named_personas()
    typed = frame.astype({"persona": "category", "system": "category", "item": "category"})
    typed["persona"] = typed["persona"].cat.add_categories(["never seen"])
    typed["yes"] = typed["yes"].astype(bool)
    plain, other = fit_mixed_model(MODEL_A, frame), fit_mixed_model(MODEL_A, typed)
    assert other.loglik == pytest.approx(plain.loglik, abs=1e-7)
    pd.testing.assert_index_equal(other.fixed_effects.index, plain.fixed_effects.index)
