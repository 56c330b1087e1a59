"""What happens by itself: a nightly schedule (off until turned on), and a watch over the catalog (runs nothing)."""

from collections.abc import Callable, Iterator

import dagster as dg

from bias_platform.catalog import Catalog
from bias_platform.errors import CatalogError
from bias_platform.orchestration.execution import partition_ranges
from bias_platform.orchestration.house import House
from bias_platform.orchestration.plan import missing_part, observe_recipes, study_plan

BUDGET_RUNS = 50
"""No tick asks for more runs than this; the rest waits for the next night."""


def nightly_schedule(house: House, study: str, definitions: list[dg.Definitions]) -> dg.ScheduleDefinition:
    """Requests the study's missing prediction partitions, one run a gapless stretch of a system's personas.

    Args:
        house: catalog and lake.
        study: whose predictions.
        definitions: a list that will hold the finished definitions by the time of the first tick.
    """
    key = house.keys.predictions(study)
    job = dg.define_asset_job(
        f"{key.path[0]}_{key.path[-1]}_predictions",
        selection=dg.AssetSelection.assets(key),
        description=f"Answers of study `{study}`.",
        tags={"bias_platform/study": study},
    )

    @dg.schedule(
        name=f"nightly_{key.path[0]}_{key.path[-1]}",
        job=job,
        cron_schedule="0 2 * * *",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Asks for what is missing of the study's predictions. Off until turned on; what is there costs "
        "nothing.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        requests = list(_requests(house, study, definitions[0], context))
        yield from requests[:BUDGET_RUNS]
        if not requests:
            yield dg.SkipReason("every prediction partition is there and current")

    return schedule


def catalog_watch(house: House, reload: Callable[[], Catalog]) -> dg.SensorDefinition:
    """Observes recipes that changed in the catalog, so that the UI shows what became stale. Launches nothing."""

    @dg.sensor(
        name=f"catalog_watch_{house.keys.recipes.path[0]}",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Notices changed recipes in the catalog's files; starts no run.",
    )
    def watch(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        try:
            now = reload()
        except CatalogError as error:
            return dg.SkipReason(f"the catalog cannot be read: {error}")
        changed = observe_recipes(House.over(now, house.lake), context.instance)
        return dg.SkipReason(f"{changed} recipes changed" if changed else "no recipe changed")

    return watch


def _requests(
    house: House, study: str, definitions: dg.Definitions, context: dg.ScheduleEvaluationContext
) -> Iterator[dg.RunRequest]:
    tick = context.scheduled_execution_time.isoformat()
    for step in study_plan(house, study):
        if step.key != house.keys.predictions(study):
            continue
        part = missing_part(context.instance, step)
        if part is None:
            continue
        for tags in partition_ranges(definitions, part):
            yield dg.RunRequest(run_key=f"{tick}:{'..'.join(tags.values())}", tags=tags)
