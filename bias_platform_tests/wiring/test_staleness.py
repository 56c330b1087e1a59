"""What the UI calls stale is what the catalog changed, no more and no less; a report refuses what is out of date."""

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from bias_platform.errors import UserError
from bias_platform.orchestration.plan import observe_recipes
from bias_platform_tests.wiring.conftest import STUDY, Workplace


def _stale(place: Workplace, instance: dg.DagsterInstance) -> set[str]:
    graph = place.definitions().resolve_asset_graph()
    resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    stale = set()
    # a study's power is made on request, not by the plan
    for key in graph.materializable_asset_keys - {place.house().keys.report(STUDY, "power")}:
        definition = graph.get(key).partitions_def
        for partition in definition.get_partition_keys() if definition else [None]:
            if resolver.get_status(key, partition) != StaleStatus.FRESH:
                stale.add("/".join(key.path[1:]) + (f"[{partition}]" if partition else ""))
    return stale


def test_after_the_plan_everything_is_fresh(workplace: Workplace, instance: dg.DagsterInstance) -> None:
    assert _stale(workplace, instance) == set()


def test_a_changed_adapter_recipe_makes_exactly_its_partitions_stale(
    workplace: Workplace, instance: dg.DagsterInstance
) -> None:
    workplace.edit("rank: 2", "rank: 3")
    assert observe_recipes(workplace.house(), instance) == 4
    personas = ("man", "woman", "anybody", "no-persona")
    tuned = ("tiny+people", "tiny+people@nf4")
    assert _stale(workplace, instance) == {
        "models/adapters[tiny+people]",
        "models/checkpoints[tiny+people@nf4]",
        *(f"models/systems[{system}]" for system in tuned),
        *(f"predictions/offence[{system}|{persona}]" for system in tuned for persona in personas),
    }


def test_the_report_refuses_and_names_the_partitions(workplace: Workplace, instance: dg.DagsterInstance) -> None:
    workplace.edit("rank: 2", "rank: 3")
    house = workplace.house()
    result = dg.materialize(
        [asset for asset in workplace.definitions().assets if getattr(asset, "key", None) == house.keys.report(STUDY)],
        instance=instance,
        resources=workplace.definitions().resources,
        raise_on_error=False,
    )
    assert not result.success
    sentence = result.get_step_failure_events()[0].step_failure_data.user_failure_data.description
    assert "8 of its partitions" in sentence
    assert "tiny+people|man" in sentence
    assert "tiny|man" not in sentence


def test_the_plan_makes_it_all_right_again(workplace: Workplace, instance: dg.DagsterInstance) -> None:
    workplace.edit("rank: 2", "rank: 3")
    workplace.run_plan(instance)
    assert _stale(workplace, instance) == set()


def test_a_damaged_checkpoint_is_named_before_it_is_used(workplace: Workplace, instance: dg.DagsterInstance) -> None:
    house = workplace.house()
    weights = house.lake.checkpoint("tiny+people@nf4") / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    workplace.edit("n: 12", "n: 13")
    with pytest.raises(UserError, match=r"(?s)tiny\+people@nf4.*model\.safetensors"):
        workplace.run_plan(instance)
