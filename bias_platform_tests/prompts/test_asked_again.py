"""Which questions a noise floor asks again, and in which portions."""

import pandas as pd
import pytest

from bias_platform.catalog.noise_settings import NoiseFloor, RepeatSettings
from bias_platform.errors import CatalogError
from bias_platform.prompts.asked_again import SHUFFLED_PORTION, portions, questions_again

AGAIN = RepeatSettings(name="again")
ITEMS = pd.DataFrame({"item_id": [f"{k:016x}" for k in range(40)], "split": None})
PERSONAS = ("man", "woman", "anybody", "no-persona")


def _questions(replicates: int = 1) -> pd.DataFrame:
    ways = [
        (item, persona, template, replicate)
        for persona in PERSONAS
        for template in (("be", "act") if persona != "no-persona" else (None,))
        for item in ITEMS["item_id"]
        for replicate in range(replicates)
    ]
    table = pd.DataFrame(ways, columns=["item_id", "persona_id", "template_id", "replicate"])
    return table.assign(question_id=[f"{k:032x}" for k in range(len(table))], option_order="0-1")


def _again(
    items: int | None = None, personas: tuple[str, ...] = (), seed: int = 0, replicates: int = 1
) -> pd.DataFrame:
    floor = NoiseFloor(items=items, personas=personas, seed=seed, repeats=(AGAIN,))
    return questions_again(_questions(replicates), ITEMS, floor, "anybody")


def test_without_limits_everything_is_asked_again() -> None:
    pd.testing.assert_frame_equal(_again(), _questions())


def test_a_drawn_item_is_asked_again_in_every_persona_and_wording() -> None:
    again = _again(items=10)
    assert again["item_id"].nunique() == 10
    assert len(again) == 10 * (3 * 2 + 1)
    assert set(again["item_id"]) < set(_again(items=15)["item_id"])
    assert set(again["item_id"]) != set(_again(items=10, seed=1)["item_id"])


def test_the_control_is_always_among_the_personas() -> None:
    assert set(_again(personas=("man",))["persona_id"]) == {"man", "anybody"}


def test_only_the_first_of_several_replicates_is_asked_again() -> None:
    again = _again(items=10, replicates=3)
    assert len(again) == 10 * (3 * 2 + 1)
    assert set(again["replicate"]) == {0}


def test_more_items_than_there_are_is_a_sentence() -> None:
    with pytest.raises(
        CatalogError, match=r"noise_floor.items: 41 items are to be asked again, the study has 40; lower"
    ):
        _again(items=41)


def test_in_the_order_of_the_study_a_portion_is_a_persona() -> None:
    parts = list(portions(_questions(), AGAIN, 0))
    assert [set(part["persona_id"]) for part in parts] == [{persona} for persona in PERSONAS]
    pd.testing.assert_frame_equal(pd.concat(parts), _questions())


def test_shuffled_portions_are_small_mixed_and_complete() -> None:
    questions = pd.concat([_questions().assign(option_order=order) for order in ("0-1", "1-0")], ignore_index=True)
    shuffled = RepeatSettings(name="shuffled", order="shuffled")
    parts = list(portions(questions, shuffled, 0))
    assert len(questions) == 560
    assert [len(part) for part in parts] == [SHUFFLED_PORTION, SHUFFLED_PORTION, 48]
    assert all(part["persona_id"].nunique() == len(PERSONAS) for part in parts)
    assert sorted(pd.concat(parts).index) == list(questions.index)
    again = list(portions(questions, shuffled, 0))
    assert all(one.equals(other) for one, other in zip(parts, again, strict=True))
    assert not parts[0].equals(next(iter(portions(questions, shuffled, 1))))
