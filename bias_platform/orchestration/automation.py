"""What happens by itself: a nightly schedule (off until turned on), and a watch over the catalog (runs nothing)."""

from collections.abc import Callable, Iterator

import dagster as dg

from bias_platform.catalog import Catalog
from bias_platform.errors import ArtifactError, CatalogError
from bias_platform.orchestration.execution import partition_ranges
from bias_platform.orchestration.house import House
from bias_platform.orchestration.plan import Step, missing_part, observe_recipes, study_plan

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
        description="Fills missing prediction partitions of a study whose systems have been made. Off until turned on; "
        "what is there costs nothing; the report is made on request.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        parts = _missing_parts(house, study, context.instance)
        blocked = [sentence for part in parts for sentence in _blocked(part).values()]
        requests = list(_requests(parts, definitions[0], context.scheduled_execution_time.isoformat()))
        yield from requests[:BUDGET_RUNS]
        if not requests and blocked:
            yield dg.SkipReason(
                f"{len(blocked)} prediction partitions are missing but cannot be made yet: {blocked[0]}"
            )
        elif not requests:
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


def _missing_parts(house: House, study: str, instance: dg.DagsterInstance) -> list[Step]:
    key = house.keys.predictions(study)
    parts = [missing_part(instance, step) for step in study_plan(house, study) if step.key == key]
    return [part for part in parts if part is not None]


def _blocked(part: Step) -> dict[str, str]:
    """Partitions that would fail at once, with the sentence that says what they wait for: no run is spent on them."""
    waiting = {}
    for partition in part.partitions:
        try:
            part.draw(partition)
        except ArtifactError as error:
            waiting[partition] = str(error)
    return waiting


def _requests(parts: list[Step], definitions: dg.Definitions, tick: str) -> Iterator[dg.RunRequest]:
    for part in parts:
        blocked = _blocked(part)
        ready = tuple(partition for partition in part.partitions if partition not in blocked)
        if ready:
            for tags in partition_ranges(definitions, part._replace(partitions=ready)):
                yield dg.RunRequest(run_key=f"{tick}:{'..'.join(tags.values())}", tags=tags)
