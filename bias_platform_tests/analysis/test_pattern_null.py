import numpy as np

from bias_platform.analysis.answers import prepare_answers
from bias_platform.analysis.item_cube import build_cube
from bias_platform.analysis.pattern_null import pattern_null
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
