"""Any selection of partitions ends right: one persona of every system, and a selection with a gap."""

import shutil

import dagster as dg

from bias_platform.orchestration.assets.predictions import keys_by_system
from bias_platform.orchestration.execution import RANGE_END, RANGE_START, partition_ranges, prepare_instance
from bias_platform.orchestration.plan import Step
from bias_platform.orchestration.recording import latest_record
from bias_platform_tests.wiring.conftest import STUDY, Workplace

SYSTEMS = ["tiny", "tiny+people", "tiny+people@nf4"]


def _run(place: Workplace, instance: dg.DagsterInstance, start: str, end: str) -> dg.ExecuteInProcessResult:
    job = place.definitions().resolve_implicit_global_asset_job_def()
    subset = job.get_subset(asset_selection={place.house().keys.predictions(STUDY)})
    return subset.execute_in_process(instance=instance, tags={RANGE_START: start, RANGE_END: end})


def test_one_persona_of_three_systems_in_one_run(workplace: Workplace, instance: dg.DagsterInstance) -> None:
    house = workplace.house()
    for system in SYSTEMS:
        shutil.rmtree(house.lake.prediction_partition(STUDY, system, "woman"))
    result = _run(workplace, instance, "tiny|woman", "tiny+people@nf4|woman")
    events = result.get_asset_materialization_events()
    made = [event.step_materialization_data.materialization.partition for event in events]
    assert made == [f"{system}|woman" for system in SYSTEMS]
    assert all(house.lake.prediction_partition(STUDY, system, "woman").exists() for system in SYSTEMS)


def test_a_selection_with_a_gap_becomes_stretches_without_one(workplace: Workplace) -> None:
    house = workplace.house()
    step = Step(house.keys.predictions(STUDY), house.blueprints.prediction, ("tiny|man", "tiny|anybody", "tiny|woman"))
    assert list(partition_ranges(workplace.definitions(), step)) == [
        {RANGE_START: "tiny|man", RANGE_END: "tiny|anybody"}
    ]
    step = step._replace(partitions=("tiny|man", "tiny|anybody", "tiny+people|man"))
    assert list(partition_ranges(workplace.definitions(), step)) == [
        {RANGE_START: "tiny|man", RANGE_END: "tiny|man"},
        {RANGE_START: "tiny|anybody", RANGE_END: "tiny|anybody"},
        {RANGE_START: "tiny+people|man", RANGE_END: "tiny+people|man"},
    ]


def test_assets_with_equal_partition_keys_are_made_one_after_the_other_in_one_run(workplace: Workplace) -> None:
    """As "Materialize all" in the UI does where a study has one system."""
    workplace.edit("[tiny, tiny+people, tiny+people@nf4]", "[tiny]")
    house = workplace.house()
    keys = house.keys
    chain = [keys.examples, keys.base, keys.systems]
    for folder in (house.lake.examples("tiny"), house.lake.base("tiny"), house.lake.system("tiny")):
        shutil.rmtree(folder)
    home = workplace.folder / "fresh_home"
    shutil.copytree(workplace.home, home, ignore=shutil.ignore_patterns("storage", "history", "schedules"))
    instance = prepare_instance(home)
    job = workplace.definitions().resolve_implicit_global_asset_job_def().get_subset(asset_selection=set(chain))
    result = job.execute_in_process(instance=instance, partition_key="tiny")
    made = [event.step_materialization_data.materialization for event in result.get_asset_materialization_events()]
    assert [(each.asset_key, each.partition) for each in made] == [(key, "tiny") for key in chain]
    assert len({each.tags["dagster/data_version"] for each in made}) == len(chain)
    instance.dispose()


def test_keys_are_grouped_by_system_whatever_their_order() -> None:
    keys = ["a|p1", "b+x@q|p1", "a|p2", "b+x@q|p3"]
    assert keys_by_system(keys) == {"a": ["p1", "p2"], "b+x@q": ["p1", "p3"]}


def test_a_wrong_system_does_not_keep_the_others_from_being_made(
    workplace: Workplace, instance: dg.DagsterInstance
) -> None:
    house = workplace.house()
    before = {
        system: latest_record(instance, house.keys.predictions(STUDY), f"{system}|man").storage_id for system in SYSTEMS
    }
    shutil.rmtree(house.lake.system("tiny+people"))
    job = workplace.definitions().resolve_implicit_global_asset_job_def()
    subset = job.get_subset(asset_selection={house.keys.predictions(STUDY)})
    tags = {RANGE_START: "tiny|man", RANGE_END: "tiny+people@nf4|man"}
    result = subset.execute_in_process(instance=instance, tags=tags, raise_on_error=False)
    assert not result.success
    after = {
        system: latest_record(instance, house.keys.predictions(STUDY), f"{system}|man").storage_id for system in SYSTEMS
    }
    assert {system for system in SYSTEMS if after[system] > before[system]} == {"tiny", "tiny+people@nf4"}
    sentence = result.get_step_failure_events()[0].step_failure_data.user_failure_data.description
    assert "small/models/systems[tiny+people]" in sentence
