"""What a fit says about itself."""

import numpy as np
import pandas as pd
import pytest

from bias_platform.statistics import fit_mixed_model, simulate_responses
from bias_platform_tests.statistics.made_designs import FOUR_NESTED, MODEL_A, named_personas


def test_a_variance_that_is_zero_is_reported() -> None:
    frame = named_personas()
    frame["shadow"] = frame.groupby("yes").cumcount() % 7
    fit = fit_mixed_model("yes ~ persona + (1 | item) + (1 | shadow)", frame)
    table = fit.variance_components.set_index("term")
    assert table.loc["shadow", "singular"]
    assert table.loc["shadow", "sd"] == 0.0
    assert fit.diagnostics.singular_terms == ("shadow",)
    assert any("shadow" in text and "zero" in text for text in fit.messages)
    assert fit.converged


def test_separation_is_flagged() -> None:
    frame = named_personas()
    frame.loc[frame["persona"] == "p2", "yes"] = 0
    fit = fit_mixed_model("yes ~ persona + (1 | item)", frame)
    assert fit.diagnostics.separated == ("persona[T.p2]",)
    assert "persona=p2" in fit.diagnostics.degenerate_cells
    assert any("No finite estimate" in text for text in fit.messages)


def test_answers_that_items_separate_are_given_up_early() -> None:
    frame = named_personas(items=40)
    item = np.random.default_rng(2).normal(0, 2, 40)
    frame["yes"] = (item[frame["item"]] + 0.1 * frame["persona"].str[1:].astype(int) > 0.4).astype(int)
    frame.loc[frame["item"] == 3, "yes"] = (frame["template"] == "t1").astype(int)
    fit = fit_mixed_model(FOUR_NESTED, frame)
    assert not fit.converged
    assert fit.diagnostics.runaway_terms == ("item",)
    assert fit.variance_components["sd"].max() > 20
    assert fit.diagnostics.evaluations < 25
    assert fit.standard_errors == "joint"
    assert [text for text in fit.messages if "do not report this fit" in text.lower()] == [
        text for text in fit.messages if "deviation of item passed 20" in text
    ]


def test_a_large_but_finite_deviation_is_not_given_up() -> None:
    rng = np.random.default_rng(8)
    frame = pd.DataFrame({"item": np.repeat(np.arange(150), 60), "group": ["a", "b"] * 4500})
    frame["yes"] = simulate_responses(frame, 0.3 * (frame["group"] == "b").to_numpy(), {"item": 8.0}, 5)
    frame = frame[rng.random(len(frame)) < 0.9]
    fit = fit_mixed_model("yes ~ group + (1 | item)", frame)
    assert fit.converged
    assert fit.diagnostics.runaway_terms == ()
    assert 5 < fit.variance_components["sd"][0] < 12


def test_sparse_cells_and_few_levels_are_named() -> None:
    frame = named_personas(items=6)
    fit = fit_mixed_model("yes ~ persona + (1 | item) + (1 | template)", frame)
    assert fit.diagnostics.few_levels == ("template",)
    assert (fit.diagnostics.cells["state"] == "sparse").any()


def test_sizes_and_criteria() -> None:
    frame = named_personas()
    fit = fit_mixed_model(MODEL_A, frame)
    assert (fit.n_rows, fit.n_observations) == (len(frame), len(frame))
    assert fit.n_levels["item:persona"] == 18 * 4
    assert fit.df_model == 4 * 2 + 2 + 5
    assert fit.aic == pytest.approx(-2 * fit.loglik + 2 * fit.df_model)
    assert fit.covariance.loc["Intercept", "Intercept"] == pytest.approx(
        fit.fixed_effects.loc["Intercept", "standard_error"] ** 2
    )


def test_conditional_modes_belong_to_their_levels() -> None:
    frame = named_personas(items=30)
    modes = fit_mixed_model("yes ~ persona + (1 | item)", frame).conditional_modes["item"]
    rates = frame.groupby(frame["item"].astype(str))["yes"].mean()
    assert pd.concat([modes, rates], axis=1).corr(method="spearman").iloc[0, 1] > 0.97


def test_joint_standard_errors_are_near_and_not_larger_than_full_ones() -> None:
    frame = named_personas()
    full, joint = (fit_mixed_model(MODEL_A, frame, standard_errors=kind) for kind in ("full", "joint"))
    ratio = joint.fixed_effects["standard_error"] / full.fixed_effects["standard_error"]
    assert ((ratio > 0.85) & (ratio < 1.01)).all()
    assert (joint.standard_errors, full.standard_errors) == ("joint", "full")


def test_transforms_see_all_rows() -> None:
    frame = named_personas()
    centered = fit_mixed_model("yes ~ center(x) + persona + (1 | item)", frame)
    plain = fit_mixed_model("yes ~ x + persona + (1 | item)", frame)
    shift = plain.fixed_effects["estimate"]["Intercept"] + plain.fixed_effects["estimate"]["x"] * frame["x"].mean()
    assert centered.fixed_effects["estimate"]["Intercept"] == pytest.approx(shift, abs=1e-5)
