"""Puts the definitions of a catalog together."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from bias_platform.catalog import Catalog, load_catalog
from bias_platform.catalog.recipes import learner_data, learners
from bias_platform.catalog.report_kinds import AGREEMENT, REGRESSION, report_kinds
from bias_platform.orchestration.assets.agreement import agreement_assets
from bias_platform.orchestration.assets.corpora import corpus_assets
from bias_platform.orchestration.assets.models import (
    adapter_assets,
    base_assets,
    checkpoint_assets,
    recipe_assets,
    system_assets,
)
from bias_platform.orchestration.assets.power import power_assets
from bias_platform.orchestration.assets.predictions import index_asset, prediction_assets
from bias_platform.orchestration.assets.prompts import Checked, example_assets, persona_assets, question_assets
from bias_platform.orchestration.assets.repeats import repeat_assets
from bias_platform.orchestration.assets.reports import report_assets
from bias_platform.orchestration.automation import catalog_watch, nightly_schedule
from bias_platform.orchestration.compute import LocalCompute
from bias_platform.orchestration.house import House
from bias_platform.orchestration.plain_log import PLAIN, plain_logger
from bias_platform.storage.paths import Lake, lake_root


def build_definitions(
    catalog: Catalog | str | Path | None = None,
    lake: Lake | None = None,
    resource_overrides: Mapping[str, Any] | None = None,
) -> dg.Definitions:
    """All assets, checks, schedules and sensors of a catalog.

    Args:
        catalog: a loaded catalog, or the name or folder of one; default: what `BIAS_PLATFORM_CATALOG` names, or the
            demo.
        lake: default: `data/lake/<catalog>`, or under `BIAS_PLATFORM_LAKE`.
        resource_overrides: replaces resources by name (`compute`), for tests and other machines.
    """
    chosen = catalog if isinstance(catalog, Catalog) else load_catalog(catalog)
    house = House.over(chosen, lake or Lake(lake_root(), chosen.name))
    checked = _checked_assets(house)
    finished: list[dg.Definitions] = []
    definitions = dg.Definitions(
        assets=[*recipe_assets(house), *(asset for asset, _ in checked)],
        asset_checks=[check for _, check in checked],
        schedules=[nightly_schedule(house, study, finished) for study in chosen.studies],
        sensors=[] if isinstance(catalog, Catalog) else [catalog_watch(house, lambda: load_catalog(catalog))],
        loggers={"console": dg.colored_console_logger, PLAIN: plain_logger},
        resources={"compute": LocalCompute(), **(resource_overrides or {})},
        # a step starts its own worker where work is heavy: a process per step would only add seconds
        executor=dg.in_process_executor,
    )
    finished.append(definitions)
    return definitions


_REPORTS = {REGRESSION: report_assets, AGREEMENT: agreement_assets}


def _checked_assets(house: House) -> list[Checked]:
    catalog, partitions = house.catalog, house.partitions
    checked: list[Checked] = [corpus_assets(house, slug) for slug in shown(catalog, "corpora", "corpus")]
    checked += [persona_assets(house, slug) for slug in shown(catalog, "persona_sets", "persona_set")]
    checked += [question_assets(house, study) for study in catalog.studies]
    checked += [example_assets(house), base_assets(house)]
    if partitions.adapted.get_partition_keys():
        checked.append(adapter_assets(house))
    if partitions.quantized.get_partition_keys():
        checked.append(checkpoint_assets(house))
    checked.append(system_assets(house))
    for study in catalog.studies:
        if REGRESSION in report_kinds(catalog, study):  # what could be found is told of shares of Yes
            checked.append(power_assets(house, study))
        checked += [prediction_assets(house, study), index_asset(house, study)]
        if catalog.studies[study].noise_floor is not None:
            checked.append(repeat_assets(house, study))
        checked += [_REPORTS[kind](house, study) for kind in report_kinds(catalog, study)]
    return checked


def shown(catalog: Catalog, section: str, field: str) -> list[str]:
    """Slugs of a section worth an asset: all in use, and the catalog's own; not what it inherits and leaves alone."""
    users = [*catalog.studies.values(), *(learner_data(catalog, learner) for learner in learners(catalog))]
    used = {getattr(user, field) for user in users}
    own = {slug for slug in getattr(catalog, section) if catalog.origins[f"{section}/{slug}"].parent == catalog.folder}
    return [slug for slug in getattr(catalog, section) if slug in used | own]
