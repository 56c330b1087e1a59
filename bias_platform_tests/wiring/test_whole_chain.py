"""Raw posts in, a report out, through Dagster; a second run asks nothing; lineage is exact to the partition."""

import json
import shutil
import sqlite3
from html import escape

import dagster as dg
import pandas as pd

from bias_platform.orchestration.recording import latest_record, record_version
from bias_platform.storage import read_manifest, read_table
from bias_platform_tests.wiring.conftest import STUDY, Workplace

SYSTEMS = ["tiny", "tiny+people", "tiny+people@nf4"]
PERSONAS = ["man", "woman", "anybody", "no-persona"]


def _predictions(place: Workplace) -> pd.DataFrame:
    lake = place.house().lake
    parts = [
        read_table(lake.prediction_partition(STUDY, system, persona) / "part.parquet", "p")
        for system in SYSTEMS
        for persona in PERSONAS
    ]
    return pd.concat(parts, ignore_index=True)


def test_every_question_is_answered_by_every_system(workplace: Workplace) -> None:
    table = _predictions(workplace)
    assert len(table) == 3 * (12 * 3 * 2 + 12)
    assert not table["cell_id"].duplicated().any()
    assert (table.groupby("question_id")["system"].nunique() == 3).all()
    assert (table["outcome"] == "answered").all()
    assert set(table["answer"]) <= {"Yes", "Maybe", "No", "Incomprehensible"}


def test_the_report_is_one_page_that_names_all_systems_and_personas(workplace: Workplace) -> None:
    folder = workplace.house().lake.report(STUDY, "regression")
    page = (folder / "report.html").read_text()
    assert all(name in page for name in [*SYSTEMS, *PERSONAS])
    assert 'src="http' not in page
    assert 'href="http' not in page
    assert escape(read_manifest(folder, "report").facts["headline"], quote=False) in page


def test_each_partition_has_its_event_its_version_and_its_green_check(
    workplace: Workplace, instance: dg.DagsterInstance
) -> None:
    house = workplace.house()
    key = house.keys.predictions(STUDY)
    versions = {}
    for partition in map(str, house.partitions.study_keys(STUDY)):
        record = latest_record(instance, key, partition)
        assert record is not None
        versions[partition] = record_version(record)
        tags = record.asset_materialization.tags
        system = partition.split("|")[0]
        upstream = latest_record(instance, house.keys.systems, system)
        assert tags[f"dagster/input_data_version/{house.keys.systems.to_user_string()}"] == record_version(upstream)
        assert tags[f"dagster/input_event_pointer/{house.keys.systems.to_user_string()}"] == str(upstream.storage_id)
    assert len(set(versions.values())) == len(versions) == 12
    history = instance.event_log_storage.get_asset_check_execution_history(dg.AssetCheckKey(key, "schema"), limit=50)
    passed = {record.event.dagster_event.event_specific_data.partition for record in history}
    assert passed == set(versions)
    assert all(record.status.value == "SUCCEEDED" for record in history)


def test_only_the_tuned_systems_come_from_the_adapter(workplace: Workplace, instance: dg.DagsterInstance) -> None:
    house = workplace.house()
    pointer = f"dagster/input_event_pointer/{house.keys.adapters.to_user_string()}"
    have = {
        system: pointer in latest_record(instance, house.keys.systems, system).asset_materialization.tags
        for system in SYSTEMS
    }
    assert have == {"tiny": False, "tiny+people": True, "tiny+people@nf4": True}


def test_a_second_run_starts_no_run_at_all(workplace: Workplace, instance: dg.DagsterInstance) -> None:
    before = instance.get_runs_count()
    lines = workplace.run_plan(instance)
    assert instance.get_runs_count() == before
    assert all(line.endswith("current") for line in lines)


def test_lost_tables_are_rebuilt_from_the_ledger_without_asking(
    workplace: Workplace, instance: dg.DagsterInstance
) -> None:
    house = workplace.house()
    before = _predictions(workplace)
    ledger = house.lake.ledger("tiny+people", "offence")
    asked = _ledger_rows(ledger)
    for persona in PERSONAS:
        shutil.rmtree(house.lake.prediction_partition(STUDY, "tiny+people", persona))
    workplace.run_plan(instance)
    pd.testing.assert_frame_equal(_predictions(workplace), before)
    assert _ledger_rows(ledger) == asked


def test_adding_a_system_asks_only_its_cells(workplace: Workplace, instance: dg.DagsterInstance) -> None:
    house = workplace.house()
    known = {system: _ledger_rows(house.lake.ledger(system, "offence")) for system in SYSTEMS}
    workplace.edit("[tiny, tiny+people, tiny+people@nf4]", "[tiny, tiny+people, tiny+people@nf4, tiny@nf4]")
    lines = workplace.run_plan(instance, until=STUDY)
    ran = [line for line in lines if line.endswith("...")]
    assert [line.split("] ", 1)[1] for line in ran] == [
        "small/models/checkpoints [tiny@nf4] ...",
        "small/models/systems [tiny@nf4] ...",
        "small/predictions/offence [tiny@nf4 x 4 personas] ...",
    ]
    assert {system: _ledger_rows(house.lake.ledger(system, "offence")) for system in SYSTEMS} == known
    assert len(_ledger_rows(house.lake.ledger("tiny@nf4", "offence"))) == 84


def test_manifests_say_what_went_in(workplace: Workplace) -> None:
    lake = workplace.house().lake
    manifest = read_manifest(lake.adapter("tiny+people"), "adapter")
    assert set(manifest.inputs) == {"models/base[tiny]", "prompts/examples[people]"}
    system = json.loads((lake.system("tiny+people@nf4") / "system.json").read_text())
    assert system["quantization"] == "nf4"


def _ledger_rows(path: object) -> list[tuple[object, ...]]:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        return connection.execute("select * from cells order by cell_id").fetchall()
