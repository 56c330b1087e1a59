"""A study's power as it declares it: the library's numbers for both kinds of items, and sentences that say them."""

from typing import Any

import pandas as pd
import pytest

from bias_platform.analysis.assumed_answers import DecidedItems, GradedItems, StudySize
from bias_platform.analysis.declared_power import DeclaredPower, declared_assumptions, declared_power, looked_at
from bias_platform.analysis.study_power import study_power
from bias_platform.catalog import PowerSettings, StudyEntry
from bias_platform.progress import Progress
from bias_platform.schemas.power import DECIDED, GRADED, POWER_TABLES
from bias_platform.statistics import ModelError
from bias_platform_tests.analysis.simulated_study import study_entry

SYSTEMS = ("small", "small+tuned", "small@int8")
SIZE = StudySize(60, 5, 3, 3)
CELLS = 3 * (6 * 3 + 1)


def _study(systems: tuple[str, ...] = SYSTEMS, margin: float = 0.05, **power: Any) -> StudyEntry:
    settings = PowerSettings(**{"gaps": (0.0, 0.1, 0.2, 0.4), "replicates": 40, **power})
    return study_entry(systems, equivalence_margin=margin).model_copy(update={"power": settings})


@pytest.fixture(scope="module")
def found() -> DeclaredPower:
    return declared_power(_study(), SIZE, CELLS)


def test_the_catalog_assumes_what_the_library_does() -> None:
    assert declared_assumptions(PowerSettings()) == {GRADED: GradedItems(), DECIDED: DecidedItems()}


def test_both_kinds_have_the_numbers_of_the_library(found: DeclaredPower) -> None:
    gaps = (0.0, 0.05, 0.1, 0.2, 0.4)
    for kind, assumed in {GRADED: GradedItems(), DECIDED: DecidedItems()}.items():
        expected = study_power(_study(), SIZE, assumptions=assumed, gaps=gaps, replicates=40, seed=0)
        for name, of_library in (("power_curves", expected.curve), ("smallest_differences", expected.smallest)):
            table = found.tables[name]
            rows = table[table["assumptions"] == kind][list(of_library.columns)].reset_index(drop=True)
            pd.testing.assert_frame_equal(rows, of_library, check_dtype=False)


def test_tables_have_their_shape_and_their_price(found: DeclaredPower) -> None:
    assert set(found.tables) == set(POWER_TABLES)
    assert len(found.tables["power_curves"]) == 2 * 2 * 2 * 4 * 5
    smallest = found.tables["smallest_differences"]
    assert list(smallest["items"].unique()) == [15, 30, 60, 120]
    assert (smallest["cells"] == smallest["items"] * CELLS).all()


def test_the_margin_is_looked_at_where_there_is_room_for_it() -> None:
    assert looked_at(_study(margin=0.05)) == (0.0, 0.05, 0.1, 0.2, 0.4)
    assert looked_at(_study(margin=0.1)) == (0.0, 0.1, 0.2, 0.4)
    assert looked_at(_study(margin=0.6)) == (0.0, 0.1, 0.2, 0.4)
    without = declared_power(_study(margin=0.6, replicates=20), SIZE, CELLS)
    assert not any("margin" in sentence for sentence in without.summary)


def test_the_sentences_say_size_reach_margin_and_price(found: DeclaredPower) -> None:
    assert found.headline.startswith("In 80 % of studies like this one (60 items, 5 personas, 3 wordings, 3 systems), ")
    graded, decided, margin, cost = found.summary
    smallest = found.tables["smallest_differences"]
    own = smallest[smallest["items"] == 60].set_index("assumptions")["gap"]
    for kind, sentence in ((GRADED, graded), (DECIDED, decided)):
        for gap in own[kind].dropna():
            assert f"{100 * gap:.1f} points (" in sentence
    assert "by degrees" in graded
    assert "Yes or No for everybody" in decided
    assert margin.startswith(
        "The study calls a difference none only where it is shown to lie within the margin, 5 points."
    )
    assert cost.startswith("It asks 3,420 cells: 60 items x 19 questions x 3 systems;")
    assert any("within its margin of 5 points" in line for line in found.not_covered)


def test_what_is_beyond_all_gaps_is_said_so() -> None:
    alone = _study(("only",), gaps=(0.0, 0.02), margin=0.01, replicates=20)
    small = declared_power(alone, StudySize(12, 2, 1, 1), 7)
    assert "more than 2.0 points in these wordings" in small.headline
    assert "beyond them" not in small.headline
    assert "a persona is found if it differs by more than 2.0 points in these wordings" in small.summary[0]


def test_own_numbers_of_items_stand_beside_the_studys() -> None:
    asked = declared_power(_study(items=(40,), replicates=20), SIZE, CELLS)
    assert set(asked.tables["power_curves"]["items"]) == {40, 60}


def test_the_title_changes_nothing(found: DeclaredPower) -> None:
    other = declared_power(_study().model_copy(update={"title": "Something else"}), SIZE, CELLS)
    assert other.headline == found.headline
    assert all(other.tables[name].equals(found.tables[name]) for name in found.tables)


def test_progress_runs_once_over_both_kinds() -> None:
    seen: list[Progress] = []
    declared_power(_study(replicates=20), SIZE, CELLS, seen.append)
    assert [step.done for step in seen] == sorted({step.done for step in seen})
    assert {(step.total, step.unit) for step in seen} == {(40, "studies")}
    assert (seen[0].note, seen[-1].note, seen[-1].done) == (GRADED, DECIDED, 40)


def test_one_item_is_too_few() -> None:
    with pytest.raises(ModelError, match="cannot be compared on 1 item: at least 2 are needed"):
        declared_power(_study(), SIZE._replace(items=1), CELLS)
