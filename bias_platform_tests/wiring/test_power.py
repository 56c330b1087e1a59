"""A study's power stands alone: made with nothing else there, stale when what it rests on changes, never half there."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import psutil
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from bias_platform.analysis.study_power import study_size
from bias_platform.orchestration.execution import execute_plan
from bias_platform.orchestration.plan import missing_part, power_plan, study_plan
from bias_platform.orchestration.recording import latest_record, record_version
from bias_platform.orchestration.withdrawal import forget_items
from bias_platform.storage import read_manifest, read_table, verify_artifact
from bias_platform_tests.wiring.conftest import STUDY, Workplace, make_workplace

ALL_ITEMS = ("items: {n: 12, split: test}", "items: {split: test}")


@pytest.fixture
def bare(tmp_path: Path) -> Workplace:
    """A workplace in which nothing has been made."""
    return make_workplace(tmp_path / "bare")


@pytest.fixture
def records() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


class Made(NamedTuple):
    """A workplace in which nothing but the study's power has been made, by one run."""

    place: Workplace
    records: dg.DagsterInstance
    result: dg.ExecuteInProcessResult


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """Once for all tests that leave it as it is."""
    place = make_workplace(tmp_path_factory.mktemp("made") / "place")
    with dg.DagsterInstance.ephemeral() as instance:
        yield Made(place, instance, _make(place, instance))


def _make(place: Workplace, records: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """As the button of this one asset does in the UI, its check included."""
    key = place.house().keys.report(STUDY, "power")
    job = place.definitions().resolve_implicit_global_asset_job_def()
    return job.get_subset(asset_selection={key}).execute_in_process(instance=records, raise_on_error=False)


def _status(place: Workplace, records: dg.DagsterInstance) -> StaleStatus:
    graph = place.definitions().resolve_asset_graph()
    resolver = CachingStaleStatusResolver(records, graph, LoadingContextForTest(records))
    return resolver.get_status(place.house().keys.report(STUDY, "power"), None)


def _sentence(result: dg.ExecuteInProcessResult) -> str:
    assert not result.success
    return str(result.get_step_failure_events()[0].step_failure_data.user_failure_data.description)


def test_it_is_made_with_nothing_else_there_and_shows_itself(made: Made) -> None:
    result, house = made.result, made.place.house()
    assert result.success
    folder = house.lake.report(STUDY, "power")
    assert {path.name for path in house.lake.home.iterdir()} == {"reports"}
    manifest = verify_artifact(folder, "power")
    (event,) = result.get_asset_materialization_events()
    shown = event.step_materialization_data.materialization
    assert shown.tags["dagster/data_version"] == manifest.data_version
    assert shown.metadata["report"].value == str(folder / "report.html")
    assert shown.metadata["headline"].value == manifest.facts["headline"]
    assert "| cells to ask " in shown.metadata["summary"].value
    assert shown.metadata["power_curves"].value.startswith("![power_curves](data:image/png;base64,")
    assert (shown.metadata["cells"].value, shown.metadata["items"].value) == (252, 12)
    (check,) = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == ("schema", True)


def test_what_is_current_is_kept_and_still_shown(made: Made) -> None:
    folder = made.place.house().lake.report(STUDY, "power")
    before = (folder / "manifest.json").stat().st_mtime_ns
    (event,) = _make(made.place, made.records).get_asset_materialization_events()
    assert (folder / "manifest.json").stat().st_mtime_ns == before
    assert {"summary", "power_curves", "report"} <= set(event.step_materialization_data.materialization.metadata)


def test_it_is_stale_after_what_it_rests_on_has_changed(made: Made) -> None:
    place, told = made.place, made.place.catalog_file.read_text()
    with dg.DagsterInstance.ephemeral() as nothing:
        assert _status(place, nothing) == StaleStatus.MISSING
    assert _status(place, made.records) == StaleStatus.FRESH
    edits = [
        ("n: 12", "n: 13"),
        ("      gender:\n", "      gender:\n        - {id: x, phrase: somebody else}\n"),
        ("[tiny, tiny+people, tiny+people@nf4]", "[tiny, tiny+people]"),
        ('act: "Act as {persona}."', 'act: "Act as {persona}.", play: "Play {persona}."'),
        ("power: {replicates: 20}", "power: {replicates: 20, seed: 1}"),
        ("power: {replicates: 20}", "power: {replicates: 20, graded: {item_sd: 2}}"),
        *(
            ("power: {replicates: 20}", f"power: {{replicates: 20}}\n    analysis: {{{setting}}}")
            for setting in ("confidence: 0.9", "equivalence_margin: 0.1", "multiplicity: fdr_bh")
        ),
        ("power: {replicates: 20}", "power: {replicates: 20}\n    option_orders: 2"),
        ALL_ITEMS,
    ]
    for old, new in edits:
        place.edit(old, new)
        assert _status(place, made.records) == StaleStatus.STALE, new
        place.catalog_file.write_text(told)


def test_it_is_fresh_after_what_it_does_not_rest_on_has_changed(made: Made) -> None:
    place, told = made.place, made.place.catalog_file.read_text()
    for old, new in (
        ("Who takes offence?", "Who is offended?"),
        ("phrase: a woman", "phrase: some woman"),
        ("rank: 2", "rank: 3"),
        ("seed: 5", "seed: 6"),
        ("power: {replicates: 20}", "power: {replicates: 20}\n    analysis: {minimum_minority: 10}"),
    ):
        place.edit(old, new)
        assert _status(place, made.records) == StaleStatus.FRESH, new
    (step,) = power_plan(place.house(), STUDY)
    assert missing_part(made.records, step) is None
    place.catalog_file.write_text(told)


def test_what_is_assumed_beforehand_leaves_the_report_alone(workplace: Workplace, instance: dg.DagsterInstance) -> None:
    workplace.edit("power: {replicates: 20}", "power: {replicates: 30}")
    lines = workplace.run_plan(instance)
    assert all(line.endswith("current") for line in lines)
    keys = {step.key for step in study_plan(workplace.house(), STUDY)}
    assert workplace.house().keys.report(STUDY, "power") not in keys


def test_all_items_are_counted_in_the_corpus(bare: Workplace, records: dg.DagsterInstance) -> None:
    bare.edit(*ALL_ITEMS)
    sentence = _sentence(_make(bare, records))
    assert sentence.startswith("'small/corpora/posts' is not there (")
    assert sentence.endswith("materialize it first")
    house = bare.house()
    execute_plan(bare.definitions(), house, power_plan(house, STUDY), records, lambda _: None)
    manifest = read_manifest(house.lake.report(STUDY, "power"), "power")
    assert manifest.facts["items"] == 30
    assert manifest.inputs == {"corpora/posts[number of items]": "30"}
    bare.edit("items: {split: test}", "items: {split: tset}")
    assert "the corpus has no item in the split 'tset'" in _sentence(_make(bare, records))


def test_other_posts_of_the_same_number_change_nothing(bare: Workplace, records: dg.DagsterInstance) -> None:
    bare.edit(*ALL_ITEMS)
    house = bare.house()
    execute_plan(bare.definitions(), house, power_plan(house, STUDY), records, lambda _: None)
    bare.edit("seed: 5", "seed: 6")
    house = bare.house()
    lines: list[str] = []
    execute_plan(bare.definitions(), house, power_plan(house, STUDY), records, lines.append)
    assert lines[-1].endswith("small/reports/offence_power: current")


def test_the_size_is_that_of_the_library(bare: Workplace) -> None:
    catalog = bare.house().catalog
    parameters = bare.house().blueprints.power(STUDY).parameters
    assert parameters["size"] == study_size(catalog, catalog.studies[STUDY])._asdict()


def test_settings_that_cannot_be_simulated_end_in_a_sentence(bare: Workplace, records: dg.DagsterInstance) -> None:
    impossible = "power: {replicates: 20, base_rate: 0.05, decided: {own_share: 0.3}}"
    bare.edit("power: {replicates: 20}", impossible)
    assert "no share of Yes items gives a base_rate of 0.05" in _sentence(_make(bare, records))
    assert not bare.house().lake.report(STUDY, "power").exists()


def test_a_damaged_table_is_found_by_the_check(made: Made, records: dg.DagsterInstance, tmp_path: Path) -> None:
    place = Workplace(tmp_path / "place")
    shutil.copytree(made.place.folder, place.folder)
    table = place.house().lake.report(STUDY, "power") / "tables" / "power_curves.parquet"
    table.write_bytes(table.read_bytes()[:-20])
    key = dg.AssetCheckKey(place.house().keys.report(STUDY, "power"), "schema")
    job = place.definitions().resolve_implicit_global_asset_job_def()
    subset = job.get_subset(asset_selection=set(), asset_check_selection={key})
    (check,) = subset.execute_in_process(instance=records, raise_on_error=False).get_asset_check_evaluations()
    assert not check.passed
    assert "power_curves.parquet has" in str(check.metadata["problems"].value)


def test_forgetting_a_post_leaves_it(workplace: Workplace, instance: dg.DagsterInstance) -> None:
    house = workplace.house()
    execute_plan(workplace.definitions(), house, power_plan(house, STUDY), instance, lambda _: None)
    item = read_table(house.lake.questions(STUDY) / "items.parquet", STUDY).loc[0, "item_id"]
    list(forget_items(house.lake, [item]))
    assert [folder.name for folder in house.lake.home.glob("reports/*")] == ["offence_power"]
    verify_artifact(house.lake.report(STUDY, "power"), "power")


def test_a_killed_run_leaves_nothing_half_there_and_a_new_one_makes_it(bare: Workplace) -> None:
    bare.edit("power: {replicates: 20}", "power: {replicates: 5000}")
    program = "from bias_platform.command import app; app()"
    command = [sys.executable, "-c", program, "power"]
    with (bare.folder / "log").open("ab") as log:
        run = subprocess.Popen(command, env=bare.environment, stdout=log, stderr=log)
    _until(lambda: b"studies/s" in (bare.folder / "log").read_bytes(), 120, "the simulation did not begin")
    (worker,) = [child for child in psutil.Process(run.pid).children() if "study_power" in " ".join(child.cmdline())]
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    _until(lambda: not psutil.pid_exists(worker.pid), 15, "the worker outlived its run")
    lake = bare.house().lake
    assert not list(lake.home.rglob("manifest.json"))
    bare.edit("power: {replicates: 5000}", "power: {replicates: 20}")
    assert subprocess.run(command, env=bare.environment, check=False, capture_output=True).returncode == 0
    assert [path.name for path in (lake.home / "reports").iterdir()] == ["offence_power"]
    made = verify_artifact(lake.report(STUDY, "power"), "power")
    record = latest_record(bare.instance(), bare.house().keys.report(STUDY, "power"), None)
    assert record is not None
    assert record_version(record) == made.data_version


def _until(true: Callable[[], bool], seconds: float, complaint: str) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, complaint
        time.sleep(0.05)
