"""What happens by itself: the nightly schedule asks for what is missing and no more; the watch starts nothing."""

import datetime as dt
import shutil

import dagster as dg
import pytest
from dagster._core.definitions.schedule_definition import ScheduleExecutionData

from bias_platform.orchestration import automation
from bias_platform.orchestration.build import build_definitions
from bias_platform.orchestration.execution import RANGE_END, RANGE_START
from bias_platform.orchestration.keys import Keys
from bias_platform.orchestration.recording import latest_record, record_version
from bias_platform_tests.wiring.conftest import STUDY, Workplace

SCHEDULE, SENSOR = "nightly_small_offence", "catalog_watch_small"
NIGHT = dt.datetime(2025, 1, 2, 2, tzinfo=dt.UTC)


def _tick(place: Workplace, instance: dg.DagsterInstance, at: dt.datetime = NIGHT) -> ScheduleExecutionData:
    schedule = place.definitions().resolve_schedule_def(SCHEDULE)
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=at)
    return schedule.evaluate_tick(context)


def _ranges(tick: ScheduleExecutionData) -> list[tuple[str, str]]:
    return [(request.tags[RANGE_START], request.tags[RANGE_END]) for request in tick.run_requests]


def _lose(place: Workplace, *partitions: str) -> None:
    lake = place.house().lake
    for system, persona in (partition.split("|") for partition in partitions):
        shutil.rmtree(lake.prediction_partition(STUDY, system, persona))


def test_nothing_runs_by_itself_until_it_is_turned_on(workplace: Workplace) -> None:
    definitions = build_definitions(workplace.catalog_file.parent, workplace.house().lake)
    schedules = list(definitions.schedules)
    assert [schedule.name for schedule in schedules] == [SCHEDULE]
    assert all(schedule.default_status == dg.DefaultScheduleStatus.STOPPED for schedule in schedules)
    assert [sensor.name for sensor in definitions.sensors] == [SENSOR]
    graph = definitions.resolve_asset_graph()
    assert all(graph.get(key).automation_condition is None for key in graph.materializable_asset_keys)


def test_a_complete_study_is_skipped_with_its_reason(workplace: Workplace, instance: dg.DagsterInstance) -> None:
    tick = _tick(workplace, instance)
    assert tick.run_requests == []
    assert tick.skip_message == "every prediction partition is there and current"


def test_one_request_a_stretch_and_only_for_what_is_missing(workplace: Workplace, instance: dg.DagsterInstance) -> None:
    _lose(workplace, "tiny|anybody", "tiny|no-persona", "tiny+people|man", "tiny+people|anybody")
    _lose(workplace, "tiny+people@nf4|man", "tiny+people@nf4|woman")
    keys = list(map(str, workplace.house().partitions.study_keys(STUDY)))
    assert keys[:4] == ["tiny|man", "tiny|woman", "tiny|anybody", "tiny|no-persona"]
    tick = _tick(workplace, instance)
    assert _ranges(tick) == [
        ("tiny|anybody", "tiny|no-persona"),
        ("tiny+people|man", "tiny+people|man"),
        ("tiny+people|anybody", "tiny+people|anybody"),
        ("tiny+people@nf4|man", "tiny+people@nf4|woman"),
    ]
    assert tick.skip_message is None


def test_run_keys_are_of_one_tick(workplace: Workplace, instance: dg.DagsterInstance) -> None:
    """A key seen before launches nothing, so that a partition lost again must get a new one the next night."""
    _lose(workplace, "tiny|man", "tiny|anybody")
    tonight, again, tomorrow = (
        [request.run_key for request in _tick(workplace, instance, at).run_requests]
        for at in (NIGHT, NIGHT, NIGHT + dt.timedelta(days=1))
    )
    assert tonight == again
    assert len(set(tonight)) == len(tonight) == 2
    assert not set(tonight) & set(tomorrow)


def test_the_budget_is_kept_and_the_rest_waits(
    workplace: Workplace, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    _lose(workplace, "tiny|man", "tiny|anybody", "tiny+people|man")
    monkeypatch.setattr(automation, "BUDGET_RUNS", 2)
    assert _ranges(_tick(workplace, instance)) == [("tiny|man", "tiny|man"), ("tiny|anybody", "tiny|anybody")]


def test_a_requested_run_makes_just_its_partitions(workplace: Workplace, instance: dg.DagsterInstance) -> None:
    _lose(workplace, "tiny|woman", "tiny|anybody")
    (request,) = _tick(workplace, instance).run_requests
    definitions = workplace.definitions()
    job = definitions.resolve_job_def("small_offence_predictions")
    result = job.execute_in_process(instance=instance, tags=request.tags)
    made = [e.step_materialization_data.materialization.partition for e in result.get_asset_materialization_events()]
    assert made == ["tiny|woman", "tiny|anybody"]
    assert _tick(workplace, instance).run_requests == []


def test_no_run_is_spent_on_what_would_fail(workplace: Workplace, instance: dg.DagsterInstance) -> None:
    """A system that is not there yet, or no longer the catalog's, is for a person to make."""
    _lose(workplace, "tiny|man")
    workplace.edit("rank: 2", "rank: 3")
    assert _ranges(_tick(workplace, instance)) == [("tiny|man", "tiny|man")]
    shutil.rmtree(workplace.house().lake.system("tiny"))
    tick = _tick(workplace, instance)
    assert tick.run_requests == []
    assert "12 prediction partitions are missing but cannot be made yet" in tick.skip_message
    assert "small/models/systems[tiny]' is not there" in tick.skip_message


def _watch(place: Workplace, instance: dg.DagsterInstance, definitions: dg.Definitions) -> str:
    context = dg.build_sensor_context(instance=instance, definitions=definitions)
    tick = definitions.resolve_sensor_def(SENSOR).evaluate_tick(context)
    assert not tick.run_requests
    assert not tick.dynamic_partitions_requests
    return str(tick.skip_message)


def test_the_watch_observes_changed_recipes_and_runs_nothing(
    workplace: Workplace, instance: dg.DagsterInstance
) -> None:
    house, runs = workplace.house(), instance.get_runs_count()
    definitions = build_definitions(workplace.catalog_file.parent, house.lake)
    before = {slug: _recipe(instance, slug) for slug in ("tiny", "tiny+people", "tiny+people@nf4")}
    assert _watch(workplace, instance, definitions) == "no recipe changed"
    workplace.edit("rank: 2", "rank: 3")
    assert _watch(workplace, instance, definitions) == "4 recipes changed"
    after = {slug: _recipe(instance, slug) for slug in before}
    assert {slug for slug in before if before[slug] != after[slug]} == {"tiny+people", "tiny+people@nf4"}
    assert _watch(workplace, instance, definitions) == "no recipe changed"
    assert instance.get_runs_count() == runs


def test_the_watch_says_that_the_catalog_is_broken(workplace: Workplace, instance: dg.DagsterInstance) -> None:
    definitions = build_definitions(workplace.catalog_file.parent, workplace.house().lake)
    recipe = _recipe(instance, "tiny+people")
    workplace.edit("rank: 2", "rank: many")
    reason = _watch(workplace, instance, definitions)
    assert reason.startswith("the catalog cannot be read: ")
    assert "catalog.yaml" in reason
    assert "adapters.people.rank" in reason
    assert _recipe(instance, "tiny+people") == recipe


def _recipe(instance: dg.DagsterInstance, slug: str) -> str | None:
    return record_version(latest_record(instance, Keys("small").recipes, slug))
