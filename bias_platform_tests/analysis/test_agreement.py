import numpy as np
import pandas as pd
import pytest

from bias_platform.analysis.agreement import human_agreement
from bias_platform.analysis.answers import prepare_answers
from bias_platform.analysis.item_cube import build_cube
from bias_platform_tests.analysis.simulated_study import Design, SimulatedStudy, simulate_study


def _agreement(study: SimulatedStudy, humans: pd.DataFrame | None):  # type: ignore[no-untyped-def]
    answers = prepare_answers(study.inputs)
    return human_agreement(answers, build_cube(answers), humans, study.inputs.study.analysis)


@pytest.fixture(scope="module")
def small() -> SimulatedStudy:
    return simulate_study(Design(items=30, sizes={"gender": 2}, systems=("only",), intercepts=(0.0,)), 4)


def test_agreement_and_kappa_by_hand(small: SimulatedStudy) -> None:
    humans = small.inputs.humans
    assert humans is not None
    table, _ = _agreement(small, humans)
    row = table[table["persona_id"] == "gender-1"].iloc[0]
    mine = small.inputs.predictions.query("persona_id == 'gender-1'").merge(humans, on="item_id")
    said, people = mine["answer"] == "Yes", mine["yes"] > 1.5
    observed = (said == people).mean()
    chance = said.mean() * people.mean() + (1 - said.mean()) * (1 - people.mean())
    assert row["agreement"] == pytest.approx(observed)
    assert row["kappa"] == pytest.approx((observed - chance) / (1 - chance))
    assert row["agreement_lower"] < observed < row["agreement_upper"]


def test_saying_what_people_say_is_perfect(small: SimulatedStudy) -> None:
    yes = np.arange(30) % 2
    humans = pd.DataFrame({"item_id": [f"item{k:05d}" for k in range(30)], "annotators": 1, "yes": yes})
    predictions = small.inputs.predictions.merge(humans[["item_id", "yes"]], on="item_id")
    predictions["answer"] = np.where(predictions.pop("yes") > 0, "Yes", "No")
    perfect = SimulatedStudy(
        inputs=type(small.inputs)(**{**small.inputs.__dict__, "predictions": predictions}),
        truth=small.truth,
        personas=small.personas,
    )
    table, _ = _agreement(perfect, humans)
    assert (table["agreement"] == 1).all()
    assert (table["kappa"] == 1).all()
    assert table["agreement_lower"].between(0.8, 0.99).all()
    assert table["kappa_lower"].between(0.6, 0.99).all()


def test_ties_are_left_out_and_said(small: SimulatedStudy) -> None:
    humans = pd.DataFrame({"item_id": [f"item{k:05d}" for k in range(30)], "annotators": 2, "yes": [1, 2, 0] * 10})
    table, messages = _agreement(small, humans)
    assert (table["items"] == 20).all()
    assert "10 items have no human majority" in messages[0]


def test_no_people_no_table(small: SimulatedStudy) -> None:
    table, messages = _agreement(small, None)
    assert table.empty
    assert messages == []
