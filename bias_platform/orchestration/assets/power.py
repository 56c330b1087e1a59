"""`reports/<study>_power`: which differences a study could find, by simulation, before any model is asked."""

from pathlib import Path
from typing import Any

import dagster as dg

from bias_platform.orchestration.assets.prompts import Checked
from bias_platform.orchestration.blueprint import Blueprint
from bias_platform.orchestration.checks import schema_check
from bias_platform.orchestration.code_versions import asset_code_version
from bias_platform.orchestration.column_schemas import column_schema_metadata
from bias_platform.orchestration.compute import Job
from bias_platform.orchestration.house import House
from bias_platform.orchestration.partitioned import AssetFace, Made, Run, reused
from bias_platform.orchestration.unpartitioned import whole_asset
from bias_platform.orchestration.worker_messages import follow_one, ui_metadata
from bias_platform.schemas.power import POWER_TABLES, PowerCurves, SmallestDifferences
from bias_platform.storage import read_manifest
from bias_platform.storage.names import REPORT_PAGE, SUMMARY
from bias_platform.workers.session import as_base64


def power_assets(house: House, study: str) -> Checked:
    """What a study could find, and its check. It stands alone unless a corpus says how many items there are."""
    entry = house.catalog.studies[study]
    key = house.keys.report(study, "power")
    face = AssetFace(
        key=key,
        description=f"*{entry.title}* Which differences the study could find, by simulation: no model is needed. Make "
        "it before any is asked.",
        code_version=asset_code_version("power", house.blueprints.power_parameters(study)),
        kinds=frozenset({"html", "parquet"}),
        metadata=column_schema_metadata(SmallestDifferences, power_curves=PowerCurves),
    )

    def make(run: Run) -> Made:
        blueprint = house.blueprints.power(study)
        manifest = reused(run, blueprint)
        if manifest is None:
            follow_one(run, Job("study_power"), _request(house, study, blueprint))
            manifest = read_manifest(blueprint.folder, blueprint.name)
        return Made(manifest, {}, _shown(blueprint.folder))

    deps = [house.keys.corpus(entry.corpus)] if entry.items.n is None else []
    tables = {f"tables/{name}.parquet": schema for name, schema in POWER_TABLES.items()}
    check = schema_check(key, tables, lambda _: house.lake.report(study, "power"))
    return whole_asset(face, deps, make), check


def _request(house: House, study: str, blueprint: Blueprint) -> dict[str, Any]:
    return {
        "publication": blueprint.request(),
        "catalog": house.catalog.name,
        "study_slug": study,
        "study": house.catalog.studies[study].model_dump(mode="json", by_alias=True),
    }


def _shown(folder: Path) -> dict[str, Any]:
    """The page, its summary and its plots for the UI, whether they were made now or before."""
    pictures = {f"{path.stem}_png": as_base64(path.read_bytes()) for path in sorted((folder / "plots").glob("*.png"))}
    return {
        "report": dg.MetadataValue.path(str(folder / REPORT_PAGE)),
        "summary": dg.MetadataValue.md((folder / SUMMARY).read_text("utf-8")),
        **ui_metadata(pictures),
    }
