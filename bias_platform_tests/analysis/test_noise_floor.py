"""What asking again is said to move, held against planted flips, and against simulated studies of known truth."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from bias_platform.analysis import RegressionResults, StudyInputs, analyse_study, noise_floor
from bias_platform.analysis.answers import prepare_answers
from bias_platform.analysis.asked_twice import AskedTwice, join_repeats
from bias_platform.analysis.item_pairs import paired_differences
from bias_platform.analysis.noise_findings import noise_finding
from bias_platform.analysis.noise_floor import noise_tables, system_flips
from bias_platform.catalog.entries import AnalysisSettings
from bias_platform.errors import TableError
from bias_platform.schemas.results import RESULT_TABLES
from bias_platform_tests.analysis.simulated_repeats import with_repeats
from bias_platform_tests.analysis.simulated_study import CONTROL, Design, simulate_study

FloatArray = NDArray[np.float64]
NOISE = ("noise_floor", "repeated_contrasts", "system_flips")
RATES = {
    "again": {"small": 0.0, "small+tuned": 0.0},
    "shuffled": {"small": 0.03, "small+tuned": 0.1},
    "vllm": {"small": 0.03},
}
STUDIES = 300


@pytest.fixture(scope="module")
def bare() -> StudyInputs:
    """Two scored systems, three personas; 3 % of the questions without a judgement."""
    return simulate_study(Design(items=30, sizes={"gender": 3}, scales=(1.0, 0.3), lost=0.03), seed=21).inputs


@pytest.fixture(scope="module")
def inputs(bare: StudyInputs) -> StudyInputs:
    """The same, asked again."""
    return with_repeats(bare, RATES, seed=4)


@pytest.fixture(scope="module")
def results(inputs: StudyInputs) -> RegressionResults:
    """Its report."""
    return analyse_study(inputs)


def _tables(inputs: StudyInputs) -> dict[str, pd.DataFrame]:
    return noise_tables(join_repeats(inputs), prepare_answers(inputs), inputs.study)


def test_there_is_a_row_for_each_system_that_was_asked_again(results: RegressionResults) -> None:
    table = results.tables["noise_floor"]
    asked = [("small", "again"), ("small", "shuffled"), ("small", "vllm")]
    asked += [("small+tuned", "again"), ("small+tuned", "shuffled")]
    assert list(table[["system", "repeat"]].itertuples(index=False, name=None)) == asked
    assert (table["items"] == 30).all()
    assert (table["questions"] == 30 * (4 * 3 + 1)).all()
    for name in NOISE:
        RESULT_TABLES[name].validate(results.tables[name], lazy=True)


def test_flips_are_those_that_were_planted(inputs: StudyInputs, results: RegressionResults) -> None:
    table = results.tables["noise_floor"].set_index(["system", "repeat"])
    for (system, repeat), row in table.iterrows():
        first = inputs.predictions[inputs.predictions["system"] == system].set_index("question_id")["answer"]
        again = inputs.repeats[(inputs.repeats["system"] == system) & (inputs.repeats["repeat"] == repeat)]
        again = again.set_index("question_id")["answer"]
        both = first.notna() & again.reindex(first.index).notna()
        flipped = both & (first != again.reindex(first.index))
        assert (row["answered_twice"], row["flipped"]) == (both.sum(), flipped.sum())
        assert row["flipped_share"] == pytest.approx(flipped.sum() / both.sum())
        assert row["coverage"] == pytest.approx(both.mean())


def test_margins_are_compared_by_question(results: RegressionResults) -> None:
    """They were moved by 0.01 times a normal number, on the side of Yes alone."""
    table = results.tables["noise_floor"]
    assert (table["scored_twice"] == table["answered_twice"]).all()
    assert table["margin_mean"].to_numpy() == pytest.approx(0.01 * np.sqrt(2 / np.pi), rel=0.1)
    assert table["margin_95"].to_numpy() == pytest.approx(0.0196, rel=0.15)
    assert (table["margin_largest"] >= table["margin_95"]).all()


def test_where_nothing_flipped_no_difference_moved(results: RegressionResults) -> None:
    table = results.tables["noise_floor"].set_index("repeat").loc["again"]
    assert (table["flipped"] == 0).all()
    assert (table["upper"] > 3 / 30).all()
    assert (table[["contrast_sd", "contrast_largest"]] == 0).all(axis=None)
    assert table["contrast_label"].isna().all()
    moved = results.tables["repeated_contrasts"].set_index("repeat").loc["again"]
    assert (moved["difference"] == 0).all()
    assert ((moved["lower"] < 0) & (moved["upper"] > 0)).all()


def test_a_difference_moves_by_what_its_items_move(inputs: StudyInputs, results: RegressionResults) -> None:
    """Counted by hand for one persona of one repeat."""
    shown = results.tables["repeated_contrasts"].set_index(["system", "repeat", "persona_id"])
    shown = shown.loc["small+tuned", "shuffled", "gender-1"]
    keys = ["system", "question_id"]
    again = inputs.repeats[inputs.repeats["repeat"] == "shuffled"].set_index(keys)["answer"]
    table = inputs.predictions[inputs.predictions["system"] == "small+tuned"].assign(
        again=lambda rows: again.reindex(pd.MultiIndex.from_frame(rows[keys])).to_numpy()
    )
    aside = [None, "Incomprehensible"]
    table = table[~table["answer"].isin(aside) & ~table["again"].isin(aside)]
    means = {
        side: (table[side] == "Yes").groupby([table["item_id"], table["persona_id"]]).mean().unstack()
        for side in ("answer", "again")
    }
    gaps = {side: mean["gender-1"] - mean[CONTROL] for side, mean in means.items()}
    assert [shown["first"], shown["again"]] == pytest.approx([gaps["answer"].mean(), gaps["again"].mean()])
    moved = (gaps["again"] - gaps["answer"]).to_numpy()[:, None]
    expected = paired_differences(moved, 0.95, 2.0)
    found = [shown["difference"], shown["lower"], shown["upper"], shown["items"]]
    assert found == pytest.approx([expected.difference[0], expected.lower[0], expected.upper[0], expected.items[0]])
    assert moved.any()


def test_the_largest_move_is_named(results: RegressionResults) -> None:
    floor = results.tables["noise_floor"].set_index(["system", "repeat"]).loc[("small+tuned", "shuffled")]
    moves = results.tables["repeated_contrasts"]
    moves = moves[(moves["system"] == "small+tuned") & (moves["repeat"] == "shuffled")].set_index("label")["difference"]
    assert len(moves) == 3
    assert floor["contrast_label"] == moves.abs().idxmax()
    assert floor["contrast_largest"] == moves[moves.abs().idxmax()]
    assert floor["contrast_sd"] == pytest.approx(np.sqrt((moves**2).mean()))


def test_flips_between_systems_stand_beside_the_mean_of_their_floors(results: RegressionResults) -> None:
    table = results.tables["system_flips"].set_index("repeat")
    assert table["floor_of"].to_dict() == {
        "again": "both systems",
        "shuffled": "both systems",
        "vllm": "the system before",
    }
    assert table.loc["again", "floor_share"] == 0
    floors = results.tables["noise_floor"].set_index(["repeat", "system"])["flipped_share"]
    assert table.loc["shuffled", "floor_share"] == pytest.approx(floors["shuffled"].mean(), abs=0.004)
    assert table.loc["vllm", "floor_share"] == pytest.approx(floors["vllm", "small"], abs=0.004)
    assert (table["difference"] - (table["flipped_share"] - table["floor_share"])).abs().max() < 1e-12
    assert ((table["lower"] < table["difference"]) & (table["difference"] < table["upper"])).all()
    assert (table["coverage"] < 1).all()


def test_the_rest_of_the_report_does_not_change(bare: StudyInputs, results: RegressionResults) -> None:
    without = analyse_study(bare)
    assert results.headline == without.headline
    assert [line for line in results.summary if line not in without.summary] == [
        line for line in results.summary if "sked again" in line
    ]
    assert all(without.tables[name].empty for name in NOISE)
    for name in set(RESULT_TABLES) - set(NOISE):
        pd.testing.assert_frame_equal(results.tables[name], without.tables[name])


def test_the_summary_says_it_in_a_sentence(bare: StudyInputs, results: RegressionResults) -> None:
    (flips, change) = (line for line in results.summary if "sked again" in line)
    assert flips.startswith("Asked again in 3 ways, at most 1")
    assert "of a system’s answers flipped (small+tuned, repeat “shuffled”; 95 % interval" in flips
    assert "difference to the generic person the largest was" in flips
    assert change.startswith("From small to small+tuned ")
    assert "when the same is asked again (repeat “shuffled”): a difference of +" in change
    quiet = with_repeats(bare, {"again": {"small": 0.0}}, seed=4)
    said = noise_finding({**results.tables, **_tables(quiet)}, quiet.study.analysis)
    assert said.startswith("Asked again in the same way, no answer of small flipped (1")
    largest = _tables(quiet)["noise_floor"]["margin_largest"].iloc[0]
    assert said.endswith(
        " % at most, 95 % interval), and no persona’s difference to the generic person moved; margins moved by "
        f"up to {largest:.2g}."
    )


def test_a_refusal_is_another_outcome_and_no_flip(inputs: StudyInputs) -> None:
    repeats = inputs.repeats.copy()
    mine = np.flatnonzero(((repeats["repeat"] == "again") & repeats["answer"].notna()).to_numpy())[:25]
    repeats.loc[mine, ["outcome", "answer"]] = ["refused", None]
    row = _tables(replace(inputs, repeats=repeats))["noise_floor"].iloc[0]
    assert (row["system"], row["repeat"]) == ("small", "again")
    assert (row["flipped"], row["outcome_changed"]) == (0, 25)
    before = _tables(inputs)["noise_floor"].iloc[0]
    assert row["answered_twice"] == before["answered_twice"] - 25


def test_a_flip_between_two_kinds_of_no_is_none_of_yes(inputs: StudyInputs) -> None:
    repeats = inputs.repeats.copy()
    no = np.flatnonzero(((repeats["repeat"] == "again") & (repeats["answer"] == "No")).to_numpy())[:30]
    repeats.loc[no[:20], "answer"] = "Maybe"
    repeats.loc[no[20:], "answer"] = "Yes"
    row = _tables(replace(inputs, repeats=repeats))["noise_floor"].iloc[0]
    assert (row["flipped"], row["yes_flipped"]) == (30, 10)


def test_without_the_control_no_difference_is_told(inputs: StudyInputs) -> None:
    answers = prepare_answers(inputs)
    control = inputs.predictions.loc[inputs.predictions["persona_id"] == CONTROL, "question_id"]
    left = inputs.repeats[~inputs.repeats["question_id"].isin(control)]
    tables = noise_tables(join_repeats(replace(inputs, repeats=left)), answers, inputs.study)
    assert tables["repeated_contrasts"].empty
    assert tables["noise_floor"]["contrast_sd"].isna().all()
    assert (tables["noise_floor"]["questions"] == 30 * (3 * 3 + 1)).all()


def test_every_misfit_is_named_at_once(inputs: StudyInputs) -> None:
    repeats = inputs.repeats.copy()
    repeats.loc[repeats.index[:2], "question_id"] = ["f" * 32, "e" * 32]
    repeats.loc[repeats.index[5], "question_id"] = repeats.loc[repeats.index[6], "question_id"]
    repeats.loc[repeats.index[-1], "repeat"] = "yesterday"
    with pytest.raises(TableError) as caught:
        join_repeats(replace(inputs, repeats=repeats))
    for part in ("'yesterday' is no repeat", "2 questions asked again but not in the study", "1 question twice in one"):
        assert part in str(caught.value)


def _asked_twice(rng: np.random.Generator, distributions: list[FloatArray]) -> AskedTwice:
    """Answers drawn from P(Yes) of each system (items, questions), in the study and again."""
    items, questions = distributions[0].shape
    keys = pd.DataFrame(
        {
            "question_id": [f"{k:05d}" for k in range(items * questions)],
            "item_id": np.repeat([f"i{k:04d}" for k in range(items)], questions),
        }
    )
    parts = []
    for name, chance in zip("ab", distributions, strict=True):
        said = {side: np.where(rng.random(chance.size) < chance.ravel(), "Yes", "No") for side in ("first", "again")}
        parts.append(keys.assign(system=name, **{f"{side}_answer": answers for side, answers in said.items()}))
    frame = pd.concat(parts, ignore_index=True)
    return AskedTwice(frame.assign(repeat="again"), frame.drop(columns="again_answer"))


def _two_systems(rng: np.random.Generator, items: int, turned: float) -> list[FloatArray]:
    """Decided items with 2 % of single answers flipped, a tenth near a tie; a share is decided otherwise by the second
    system."""
    tie, yes = rng.random(items) < 0.1, rng.random(items) < 0.5
    decided = np.where(yes, 0.98, 0.02)
    first = np.where(tie, 0.4, decided)
    second = np.where(~tie & (rng.random(items) < turned / 0.9), 1 - decided, first)
    return [np.repeat(chance[:, None], 12, axis=1) for chance in (first, second)]


@pytest.mark.parametrize("turned", [0.0, 0.1])
def test_what_is_left_between_systems_is_their_own(turned: float) -> None:
    """60 studies each: no bias. Systems that are the same flip as often between them as by themselves: without the
    floor, 8.3 points would be left. (That intervals hold is in `test_item_pairs`.)"""
    rng = np.random.default_rng(round(100 * turned))
    settings = AnalysisSettings.model_validate({"changes": [{"from": "a", "to": "b"}]})
    truth = turned * 0.96**2  # half the sum over two answers of the squared difference of their probabilities
    rows = pd.concat([system_flips(_asked_twice(rng, _two_systems(rng, 60, turned)), settings) for _ in range(60)])
    error = rows["difference"].std() / np.sqrt(60)
    assert rows["difference"].mean() == pytest.approx(truth, abs=4 * error)
    assert rows["floor_share"].mean() == pytest.approx(0.9 * 2 * 0.98 * 0.02 + 0.1 * 2 * 0.4 * 0.6, abs=0.01)
    assert rows["flipped_share"].mean() == pytest.approx(0.083 + truth, abs=0.02)


@pytest.mark.parametrize("drift", [0.0, 0.08])
def test_intervals_hold_how_far_a_difference_truly_moves(drift: float) -> None:
    """300 studies: answers of one persona drift to Yes when asked again. Held in 92 % or more."""
    rng = np.random.default_rng(round(100 * drift))
    held, found = [], []
    for _ in range(STUDIES):
        yes = {name: np.clip(rng.normal(0.4, 0.35, (60, 1)), 0.02, 0.9) for name in ("persona", "control")}
        first = {name: rng.binomial(3, chance) / 3 for name, chance in yes.items()}
        yes["persona"] = yes["persona"] + drift
        again = {name: rng.binomial(3, chance) / 3 for name, chance in yes.items()}
        moved = (again["persona"] - again["control"]) - (first["persona"] - first["control"])
        bounds = paired_differences(moved, 0.95, noise_floor._CONTRAST_BOUND)
        held.append(bounds.lower[0] <= drift <= bounds.upper[0])
        found.append(bounds.difference[0])
    assert np.mean(held) >= 0.92
    assert np.mean(found) == pytest.approx(drift, abs=4 * np.std(found) / np.sqrt(STUDIES))
