"""A noise floor through Dagster: asked once, kept in the ledger, exact lineage, gone with a withdrawn post."""

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from typer.testing import CliRunner

from bias_platform.command import app
from bias_platform.errors import ArtifactError, UserError
from bias_platform.orchestration.assets.repeats import current_repeats
from bias_platform.orchestration.execution import execute_plan
from bias_platform.orchestration.plan import study_plan
from bias_platform.orchestration.recording import latest_record, record_version
from bias_platform.schemas import Repeats
from bias_platform.storage import read_manifest, read_table
from bias_platform_tests.wiring.conftest import STUDY, Workplace
from bias_platform_tests.wiring.test_staleness import _stale

FLOOR = """    power: {replicates: 20}
    noise_floor:
      items: 6
      repeats:
        - {name: shuffled, order: shuffled, systems: [tiny]}
        - {name: bf16, dtype: bfloat16, systems: [tiny]}
    analysis: {changes: [{from: tiny, to: tiny+people}]}
"""
KEYS = ("tiny|shuffled", "tiny|bf16")
CELLS = 6 * (3 * 2 + 1)
"""Of one system and repeat: items x (personas and the control in two wordings, and once without any)."""


@pytest.fixture(scope="module")
def asked_again(finished_workplace: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """The finished study, then told to measure its noise floor."""
    folder = tmp_path_factory.mktemp("again") / "place"
    shutil.copytree(finished_workplace.folder, folder)
    place = Workplace(folder)
    place.edit("    power: {replicates: 20}\n", FLOOR)
    instance = place.instance()
    lines = [line.split("] ", 1)[1] for line in place.run_plan(instance) if line.endswith("...")]
    instance.dispose()
    # the report has a noise floor to show; nothing else is made again
    assert lines == ["small/predictions/offence_repeats [tiny x 2 repeats] ...", "small/reports/offence_regression ..."]
    return place


@pytest.fixture
def place(asked_again: Workplace, tmp_path: Path) -> Workplace:
    """A copy of it."""
    shutil.copytree(asked_again.folder, tmp_path / "place")
    return Workplace(tmp_path / "place")


@pytest.fixture
def instance(place: Workplace) -> Iterator[dg.DagsterInstance]:
    """The copy's Dagster instance."""
    made = place.instance()
    yield made
    made.dispose()


def _repeats(place: Workplace) -> pd.DataFrame:
    folders = [place.house().lake.repeat_partition(STUDY, *key.split("|")) for key in KEYS]
    return pd.concat([read_table(folder / "part.parquet", "p") for folder in folders], ignore_index=True)


def _ledger(place: Workplace, system: str = "tiny") -> pd.DataFrame:
    path = place.house().lake.ledger(system, "offence")
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        return pd.read_sql("select * from cells order by cell_id", connection)


def test_the_same_questions_are_other_cells(asked_again: Workplace) -> None:
    table = _repeats(asked_again)
    Repeats.validate(table[table["repeat"] == "bf16"], lazy=True)
    assert len(table) == 2 * CELLS
    lake = asked_again.house().lake
    first = pd.concat(
        read_table(lake.prediction_partition(STUDY, "tiny", persona) / "part.parquet", "p")
        for persona in ("man", "woman", "anybody", "no-persona")
    )
    assert set(table["question_id"]) < set(first["question_id"])
    assert not set(table["cell_id"]) & set(first["cell_id"])
    assert not table["cell_id"].duplicated().any()
    both = table.merge(first, on="question_id", suffixes=("", "_first"))
    apart = pd.Series(
        [abs(new - old).max() for new, old in zip(both["option_logprobs"], both["option_logprobs_first"], strict=True)]
    )
    bf16 = (both["repeat"] == "bf16").to_numpy()
    assert 1e-3 < apart[bf16].max() < 1
    assert apart[~bf16].max() < 1e-4
    assert len(_ledger(asked_again)) == len(first) + len(table)


def test_the_report_says_what_asking_again_moved(asked_again: Workplace) -> None:
    folder = asked_again.house().lake.report(STUDY, "regression")
    table = pd.read_parquet(folder / "tables" / "noise_floor.parquet")
    assert table[["system", "repeat", "questions", "items"]].to_numpy().tolist() == [
        ["tiny", "shuffled", CELLS, 6],
        ["tiny", "bf16", CELLS, 6],
    ]
    assert table["margin_mean"].iloc[0] < 1e-4 < table["margin_mean"].iloc[1]
    flips = pd.read_parquet(folder / "tables" / "system_flips.parquet")
    assert flips["floor_of"].tolist() == ["the system before"] * 2
    page = (folder / "report.html").read_text("utf-8")
    assert "Asked again in 2 ways" in page
    inputs = read_manifest(folder, "report").inputs
    assert "predictions/offence_repeats" in inputs


def test_a_study_without_one_has_neither_asset_nor_step(finished_workplace: Workplace) -> None:
    house = finished_workplace.house()
    key = house.keys.repeats(STUDY)
    assert key not in finished_workplace.definitions().resolve_asset_graph().get_all_asset_keys()
    assert all(step.key != key for step in study_plan(house, STUDY))
    assert current_repeats(house, STUDY) == {}
    manifest = read_manifest(house.lake.report(STUDY, "regression"), "report")
    assert "noise_floor" not in manifest.parameters["study"]
    assert "predictions/offence_repeats" not in manifest.inputs


def test_lineage_is_exact_and_everything_is_fresh(place: Workplace, instance: dg.DagsterInstance) -> None:
    house = place.house()
    key = house.keys.repeats(STUDY)
    for partition in KEYS:
        record = latest_record(instance, key, partition)
        assert record is not None
        tags = record.asset_materialization.tags
        upstream = latest_record(instance, house.keys.systems, "tiny")
        assert tags[f"dagster/input_data_version/{house.keys.systems.to_user_string()}"] == record_version(upstream)
        assert record.asset_materialization.metadata["cells_asked"].value == CELLS
    history = instance.event_log_storage.get_asset_check_execution_history(dg.AssetCheckKey(key, "schema"), limit=9)
    assert {one.event.dagster_event.event_specific_data.partition for one in history} == set(KEYS)
    node = place.definitions().resolve_asset_graph().get(house.keys.report(STUDY))
    assert node.partition_mappings[key].partition_keys == list(KEYS)
    # partitions of the grid that the study does not ask for stay unmade
    unasked = {
        f"predictions/offence_repeats[{s}|{r}]"
        for s in ("tiny+people", "tiny+people@nf4")
        for r in ("shuffled", "bf16")
    }
    assert _stale(place, instance) <= unasked
    assert all(line.endswith("current") for line in place.run_plan(instance))


def test_only_a_repeat_that_was_changed_is_out_of_date(place: Workplace) -> None:
    def current() -> dict[str, bool]:
        blueprints = place.house().blueprints
        return {
            key: blueprints.repeat(STUDY, *key.split("|")).current_manifest() is not None
            for key in map(str, place.house().partitions.repeat_keys(STUDY))
        }

    assert current() == dict.fromkeys(KEYS, True)
    place.edit("{name: bf16, dtype: bfloat16, systems: [tiny]}", "{name: bf16, dtype: bfloat16}")
    others = {f"{system}|bf16": False for system in ("tiny+people", "tiny+people@nf4")}
    assert current() == {**dict.fromkeys(KEYS, True), **others}
    place.edit("order: shuffled", "order: shuffled, batch_tokens: 256")
    assert current() == {"tiny|shuffled": False, "tiny|bf16": True, **others}
    with pytest.raises(ArtifactError) as caught:
        current_repeats(place.house(), STUDY)
    for said in (
        "3 of the partitions of its noise floor",
        "tiny|shuffled is out of date",
        "tiny+people|bf16 is missing",
    ):
        assert said in str(caught.value)
    assert "tiny|bf16" not in str(caught.value)


def test_what_is_lost_comes_back_from_the_ledger(place: Workplace, instance: dg.DagsterInstance) -> None:
    before, ledger = _repeats(place), _ledger(place)
    shutil.rmtree(place.house().lake.repeat_partition(STUDY, "tiny", "shuffled"))
    place.run_plan(instance)
    pd.testing.assert_frame_equal(_repeats(place), before)
    pd.testing.assert_frame_equal(_ledger(place), ledger)
    record = latest_record(instance, place.house().keys.repeats(STUDY), "tiny|shuffled")
    assert record.asset_materialization.metadata["cells_asked"].value == 0
    assert record.asset_materialization.metadata["cells_from_ledger"].value == CELLS


def test_a_withdrawn_post_is_gone_from_it_too(place: Workplace) -> None:
    item = _repeats(place)["item_id"].iloc[0]
    result = CliRunner().invoke(app, ["forget", "--item-id", item], env=place.environment)
    assert result.exit_code == 0, result.output
    left = _repeats(place)
    assert item not in set(left["item_id"])
    assert len(left) == 2 * CELLS * 5 // 6
    assert item not in set(_ledger(place)["item_id"])


def test_more_items_than_the_study_has_is_a_sentence(place: Workplace, instance: dg.DagsterInstance) -> None:
    """A study that takes all items is only known by its questions."""
    place.edit("items: {n: 12, split: test}", "items: {split: test}")
    place.edit("      items: 6\n", "      items: 31\n")
    house = place.house()
    steps = study_plan(house, STUDY)
    wanted = [step for step in steps if step.key in (house.keys.questions(STUDY), house.keys.repeats(STUDY))]
    with pytest.raises(
        UserError, match=r"noise_floor.items: 31 items are to be asked again, the study has 30; lower it"
    ):
        execute_plan(place.definitions(), house, wanted, instance, lambda line: None)
