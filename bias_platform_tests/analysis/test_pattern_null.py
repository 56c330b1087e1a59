from dataclasses import replace

import numpy as np

from bias_platform.analysis.answers import prepare_answers
from bias_platform.analysis.item_cube import build_cube
from bias_platform.analysis.pattern_null import _permuted, pattern_null
from bias_platform_tests.analysis.simulated_study import Design, simulate_study

PLAIN = Design(items=30, sizes={"gender": 3, "race": 3}, wording_sd=0.0, wording_system_sd=0.0)


def _null(design: Design, seed: int, draws: int = 200):  # type: ignore[no-untyped-def]
    inputs = simulate_study(design, seed).inputs
    answers = prepare_answers(inputs)
    return pattern_null(answers, build_cube(answers), inputs.study.analysis, draws)


def test_without_a_difference_frequencies_are_even() -> None:
    quiet = Design(**{**PLAIN.__dict__, "persona_sd": 0.0, "item_persona_sd": 1.0})
    largest = [_null(quiet, seed, 99)["frequency"].iloc[0] for seed in range(40)]
    assert 0.35 < np.mean(largest) < 0.65
    assert np.mean(np.array(largest) <= 0.1) < 0.25


def test_a_planted_difference_is_rare_without_difference() -> None:
    loud = Design(**{**PLAIN.__dict__, "persona_sd": 1.5})
    table = _null(loud, 1)
    top = table.iloc[0]
    assert top["observed"] > top["quantile_95"]
    assert top["frequency"] < 0.02
    pairs = table[table["pattern"] == "share of pairs that differ"]
    assert pairs["expected"].between(0.0, 0.15).all()


def test_the_same_seed_gives_the_same_null() -> None:
    assert _null(PLAIN, 2, 50).equals(_null(PLAIN, 2, 50))


def test_personas_without_answers_stay_out_of_the_null() -> None:
    inputs = simulate_study(Design(**{**PLAIN.__dict__, "persona_sd": 1.5, "lost": 0.3, "templates": 1}), 3).inputs
    predictions = inputs.predictions.copy()
    gone = (predictions["persona_id"] == "race-1") & (predictions["system"] == "small")
    predictions.loc[gone, "answer"], predictions.loc[gone, "outcome"] = None, "refused"
    answers = prepare_answers(replace(inputs, predictions=predictions))
    cube = build_cube(answers)
    table = pattern_null(answers, cube, inputs.study.analysis, 50)
    means = np.array([np.nanmean(cube.mean[:, cube.persona(f"race-{k}"), 0]) for k in (0, 2)])
    spread = table.query("pattern == 'spread of a dimension' and system == 'small' and dimension == 'race'").iloc[0]
    assert spread["observed"] == np.ptp(means)
    assert table["expected"].notna().all()


def test_only_judged_cells_move() -> None:
    rng = np.random.default_rng(0)
    shares = rng.random((20, 5, 2))
    shares[rng.random(shares.shape) < 0.3] = np.nan
    moved = _permuted(shares, rng.random((3, 20, 5)))
    assert (np.isfinite(moved) == np.isfinite(shares)).all()
    assert np.allclose(np.sort(moved, axis=2), np.sort(shares, axis=1), equal_nan=True)
    whole = rng.random((20, 5, 1)).repeat(2, axis=2)
    together = _permuted(whole, rng.random((3, 20, 5)))
    assert (together[..., 0] == together[..., 1]).all()
