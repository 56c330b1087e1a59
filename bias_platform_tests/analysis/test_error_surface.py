"""Errors by persona and target group: rates, differences, and the test of their interaction."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bias_platform.analysis.answers import Answers, prepare_answers
from bias_platform.analysis.error_models import fit_errors
from bias_platform.analysis.error_surface import ErrorSurface, error_surface
from bias_platform.analysis.fit_records import Records
from bias_platform.analysis.inputs import StudyInputs
from bias_platform.analysis.item_cube import ItemCube, build_cube
from bias_platform_tests.analysis.simulated_people import Sampled, answered, inputs_of
from bias_platform_tests.analysis.simulated_study import CONTROL

TRAITS = {f"{g}-{k}": {"kind": g} for g in "xy" for k in range(4)}
PERSONAS = [CONTROL, *TRAITS]
ITEMS = 120
NAMES = [f"item{k:05d}" for k in range(ITEMS)]
TARGET = np.array(["a", "b", "c"])[np.arange(ITEMS) % 3]
FOUND = dict(zip(NAMES, map(str, TARGET), strict=True))


def study(added: float, seed: int = 3, **settings: object) -> StudyInputs:
    """Personas of the first group say Yes more often (log-odds) to items about the first target."""
    liking = np.zeros((ITEMS, 1, len(PERSONAS), 1))
    liking[TARGET == "a", :, 1:5] = added
    found = answered(Sampled(items=ITEMS, effects={"y-0": 0.3}), PERSONAS, np.random.default_rng(seed), liking)
    yes = np.where(np.arange(ITEMS) % 2 == 0, 3, 0)
    yes[:4] = 2
    humans = pd.DataFrame({"item_id": NAMES, "annotators": [4] * 2 + [3] * (ITEMS - 2), "yes": yes})
    return replace(inputs_of(found, {"who": tuple(TRAITS)}, TRAITS, **settings), humans=humans, target_groups=FOUND)


def _material(inputs: StudyInputs) -> tuple[Answers, ItemCube]:
    answers = prepare_answers(inputs)
    return answers, build_cube(answers)


def found(inputs: StudyInputs) -> tuple[ErrorSurface, Records]:
    (answers, cube), settings = _material(inputs), inputs.study.analysis
    surface = error_surface(answers, cube, inputs.humans, inputs.target_groups, settings)
    return surface, fit_errors(answers, surface, settings)


@pytest.fixture(scope="module")
def planted() -> tuple[StudyInputs, ErrorSurface, Records]:
    """A strong interaction of persona group and target."""
    inputs = study(2.5, groups="kind")
    return inputs, *found(inputs)


def test_rates_are_counted_by_kind_and_ties_left_out(planted: tuple[StudyInputs, ErrorSurface, Records]) -> None:
    inputs, surface, _ = planted
    table = surface.rates
    answers = inputs.predictions.assign(target=inputs.predictions["item_id"].map(FOUND))
    number = answers["item_id"].str[4:].astype(int)
    most_yes = (number % 2 == 0) | (number < 4)
    answers = answers[number >= 2]  # the first two tie
    for kind, wrong, of_kind in (("false alarm", "Yes", ~most_yes), ("miss", "No", most_yes)):
        rows = answers[of_kind.reindex(answers.index)]
        by_hand = (rows["answer"] == wrong).groupby([rows["system"], rows["persona_id"], rows["target"]]).mean()
        own = table[(table["kind"] == kind) & (table["role"] != "group")]
        own = own.set_index(["system", "persona_id", "target"])["rate"]
        pd.testing.assert_series_equal(own.sort_index(), by_hand.sort_index(), check_names=False)
    assert ((table["rate_lower"] <= table["rate"]) & (table["rate"] <= table["rate_upper"])).all()


def test_differences_are_to_the_generic_person_on_the_same_items(
    planted: tuple[StudyInputs, ErrorSurface, Records],
) -> None:
    table = planted[1].rates
    keys = ["kind", "system", "target"]
    control = table[table["role"] == "control"].set_index(keys)
    assert control["difference"].isna().all()
    assert not control["significant"].any()
    rest = table[table["role"] != "control"]
    own = control["rate"].reindex(pd.MultiIndex.from_frame(rest[keys])).to_numpy()
    np.testing.assert_allclose(rest["difference"], rest["rate"] - own, atol=1e-12)
    group = rest[(rest["role"] == "group") & (rest["group"] == "x") & (rest["target"] == "a")]
    assert group.loc[group["kind"] == "false alarm", "significant"].all()
    assert (np.sign(group["difference"]) == np.where(group["kind"] == "false alarm", 1, -1)).all()


def test_the_interaction_has_the_degrees_of_personas_by_targets(
    planted: tuple[StudyInputs, ErrorSurface, Records],
) -> None:
    tests = pd.DataFrame(planted[2].tests)
    rows = tests[tests["term"] == "group × target"]
    assert list(rows["model"]) == ["B, false alarms by target", "B, misses by target"]
    assert (rows["carrier"] == "personas × target").all()
    assert (rows["f_denominator_df"] == (8 - 2) * (3 - 1)).all()
    assert (rows["f_p"] < 0.001).all()


def test_without_an_interaction_none_is_found() -> None:
    tests = pd.DataFrame(found(study(0.0, groups="kind"))[1].tests)
    assert (tests.loc[tests["term"] == "group × target", "f_p"] > 0.05).all()


def test_rare_targets_are_taken_together_and_items_without_one_are_named() -> None:
    inputs = study(0.0)
    targets = {name: "rare" if k < 12 else "usual" for k, name in enumerate(NAMES) if k < 100}
    surface = found(replace(inputs, target_groups=targets))[0]
    assert set(surface.rates["target"]) == {"other", "usual", "no group"}
    for kind in ("false alarm", "miss"):
        assert surface.targets[kind].value_counts()["other"] < 10
    many = {name: f"target {k % 20:02d}" for k, name in enumerate(NAMES)}
    wide = error_surface(*_material(inputs), inputs.humans, many, inputs.study.analysis)
    assert wide.rates.empty  # three items each and kind
    assert wide.messages == ["No target group has 10 items of a kind of error: errors are not shown by target group."]
    assert found(replace(inputs, target_groups={}))[0].rates.empty
    assert found(replace(inputs, humans=None))[0].rates.empty


def test_what_cannot_be_tested_is_said() -> None:
    assert found(study(0.0))[1] == Records()  # no attribute: nothing was asked for
    one_each = found(study(0.0, groups="colour"))[1]
    assert any("fewer than two target groups" in m or "fewer than two values" in m for m in one_each.messages)
    never = study(0.0, groups="kind")
    predictions = never.predictions.assign(answer="No")
    records = found(replace(never, predictions=predictions))[1]
    assert not records.tests
    assert any("leaves out the targets a, b, c" in message for message in records.messages)
    assert any("is not tested for misses: fewer than two target groups" in message for message in records.messages)


def test_the_commonest_targets_are_shown_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bias_platform.analysis.error_surface.MOST_TARGETS", 2)
    surface = found(study(0.0))[0]
    assert set(surface.rates.loc[surface.rates["kind"] == "miss", "target"]) == {"a", "b", "other"}
