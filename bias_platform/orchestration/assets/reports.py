"""`reports/<study>_regression`: prediction partitions -> result tables -> one HTML page."""

import dagster as dg

from bias_platform.orchestration.assets.predictions import current_versions
from bias_platform.orchestration.assets.prompts import Checked
from bias_platform.orchestration.assets.repeats import current_repeats
from bias_platform.orchestration.checks import schema_check
from bias_platform.orchestration.code_versions import asset_code_version
from bias_platform.orchestration.compute import Job
from bias_platform.orchestration.house import House
from bias_platform.orchestration.partitioned import AssetFace, Made, Run, reused
from bias_platform.orchestration.unpartitioned import whole_asset
from bias_platform.orchestration.worker_messages import follow_one
from bias_platform.storage import read_manifest
from bias_platform.storage.names import ANNOTATIONS, REPORT_PAGE


def report_assets(house: House, study: str) -> Checked:
    """The regression report of a study, and its check."""
    entry = house.catalog.studies[study]
    partitions = [str(key) for key in house.partitions.whole_keys(study)]
    floor = [entry.noise_floor] if entry.noise_floor is not None else []
    crossed = house.blueprints.crossed(study)
    face = AssetFace(
        key=house.keys.report(study),
        description=f"*{entry.title}* The mixed-effects regression report: one page (its path is `report` under "
        "Metadata) and its tables.",
        code_version=asset_code_version(
            "report", [entry.analysis, house.catalog.tasks[entry.task], *floor, *filter(None, [crossed])]
        ),
        kinds=frozenset({"html", "parquet"}),
    )
    deps = [
        dg.AssetDep(house.keys.index(study)),
        dg.AssetDep(house.keys.predictions(study), partition_mapping=dg.SpecificPartitionsPartitionMapping(partitions)),
        dg.AssetDep(house.keys.questions(study)),
        dg.AssetDep(house.keys.corpus(entry.corpus)),
    ]
    if floor:
        again = dg.SpecificPartitionsPartitionMapping([str(key) for key in house.partitions.repeat_keys(study)])
        deps.append(dg.AssetDep(house.keys.repeats(study), partition_mapping=again))

    def make(run: Run) -> Made:
        versions = current_versions(house, study, whole=True)
        repeats = current_repeats(house, study)
        blueprint = house.blueprints.report(study, versions, repeats)
        manifest = reused(run, blueprint)
        metadata: dict[str, object] = {}
        if manifest is None:
            request = {
                "publication": blueprint.request(),
                "catalog": house.catalog.name,
                "study_slug": study,
                "study": entry.model_dump(mode="json", by_alias=True),
                "task": house.catalog.tasks[entry.task].model_dump(mode="json"),
                "partitions": {key: _path(house, study, key) for key in versions},
                "repeats": {key: str(house.lake.repeat_partition(study, *key.split("|"))) for key in repeats},
                "questions": str(house.lake.questions(study)),
                "annotations": str(house.lake.corpus(entry.corpus) / ANNOTATIONS),
                "templates": dict(house.catalog.template_sets[entry.template_set].templates),
                "corpus": house.catalog.corpora[entry.corpus].model_dump(mode="json"),
                "crossed": crossed,
                "models": {slug: model.model_dump(mode="json") for slug, model in house.catalog.models.items()},
            }
            metadata = follow_one(run, Job("regression_report"), request)
            manifest = read_manifest(blueprint.folder, blueprint.name)
        page = blueprint.folder / REPORT_PAGE
        return Made(manifest, {}, {"report": dg.MetadataValue.path(str(page)), **metadata})

    check = schema_check(face.key, {}, lambda _: house.lake.report(study, "regression"))
    return whole_asset(face, deps, make), check


def _path(house: House, study: str, key: str) -> str:
    system, persona = key.split("|")
    return str(house.lake.prediction_partition(study, system, persona))
