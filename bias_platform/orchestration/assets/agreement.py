"""`reports/<study>_agreement`: personas against the model without persona, each other, and people of their group."""

from typing import Any

import dagster as dg

from bias_platform.catalog.report_kinds import AGREEMENT
from bias_platform.orchestration.assets.predictions import current_versions
from bias_platform.orchestration.assets.prompts import Checked
from bias_platform.orchestration.assets.repeats import current_repeats
from bias_platform.orchestration.blueprint import Blueprint
from bias_platform.orchestration.checks import schema_check
from bias_platform.orchestration.code_versions import asset_code_version
from bias_platform.orchestration.compute import Job
from bias_platform.orchestration.house import House
from bias_platform.orchestration.partitioned import AssetFace, Made, Run, reused
from bias_platform.orchestration.unpartitioned import whole_asset
from bias_platform.orchestration.worker_messages import follow_one
from bias_platform.schemas.results_of_agreement import AGREEMENT_TABLES
from bias_platform.storage import read_manifest
from bias_platform.storage.names import REPORT_PAGE


def agreement_assets(house: House, study: str) -> Checked:
    """The agreement report of a study, and its check."""
    entry = house.catalog.studies[study]
    key = house.keys.report(study, AGREEMENT)
    declared = [entry.agreement, entry.group_systems, house.catalog.tasks[entry.task]]
    face = AssetFace(
        key=key,
        description=f"*{entry.title}* Agreement of every persona with the model without persona, of personas with each "
        "other and with people of their own group: one page (its path is `report` under Metadata), its tables and "
        f"plots. `bias-platform trace {study} <table:row> --catalog {house.catalog.name}` leads from a number of the "
        "page to the posts behind it.",
        code_version=asset_code_version(AGREEMENT, declared),
        kinds=frozenset({"html", "parquet"}),
    )

    def make(run: Run) -> Made:
        versions, repeats = current_versions(house, study), current_repeats(house, study)
        blueprint = house.blueprints.agreement(study, versions, repeats)
        manifest = reused(run, blueprint)
        metadata: dict[str, Any] = {}
        if manifest is None:
            request = _request(house, study, blueprint, list(versions), list(repeats))
            metadata = follow_one(run, Job("agreement_report"), request)
            manifest = read_manifest(blueprint.folder, blueprint.name)
        page = dg.MetadataValue.path(str(blueprint.folder / REPORT_PAGE))
        return Made(manifest, {}, {"report": page, **metadata})

    tables = {f"tables/{name}.parquet": schema for name, schema in AGREEMENT_TABLES.items()}
    check = schema_check(key, tables, lambda _: house.lake.report(study, AGREEMENT))
    return whole_asset(face, _deps(house, study), make), check


def _deps(house: House, study: str) -> list[dg.AssetDep]:
    keys, partitions = house.keys, house.partitions
    asked = dg.SpecificPartitionsPartitionMapping([str(key) for key in partitions.study_keys(study)])
    deps = [
        dg.AssetDep(keys.index(study)),
        dg.AssetDep(keys.predictions(study), partition_mapping=asked),
        dg.AssetDep(keys.questions(study)),
        dg.AssetDep(keys.corpus(house.catalog.studies[study].corpus)),
    ]
    if house.catalog.studies[study].noise_floor is not None:
        again = dg.SpecificPartitionsPartitionMapping([str(key) for key in partitions.repeat_keys(study)])
        deps.append(dg.AssetDep(keys.repeats(study), partition_mapping=again))
    return deps


def _request(
    house: House, study: str, blueprint: Blueprint, partitions: list[str], repeats: list[str]
) -> dict[str, Any]:
    entry, lake = house.catalog.studies[study], house.lake
    policies = house.catalog.corpora[entry.corpus].label_policies
    return {
        "publication": blueprint.request(),
        "catalog": house.catalog.name,
        "study_slug": study,
        "study": entry.model_dump(mode="json", by_alias=True),
        "task": house.catalog.tasks[entry.task].model_dump(mode="json"),
        "attributes": {slug: policy.within for slug, policy in policies.items()},
        "templates": list(house.catalog.template_sets[entry.template_set].templates),
        "partitions": {key: str(lake.prediction_partition(study, *key.split("|"))) for key in partitions},
        "repeats": {key: str(lake.repeat_partition(study, *key.split("|"))) for key in repeats},
        "questions": str(lake.questions(study)),
        "corpus": str(lake.corpus(entry.corpus)),
        "home": str(lake.home),
    }
