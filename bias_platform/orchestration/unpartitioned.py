"""The one mechanism of all assets without partitions."""

from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg

from bias_platform.orchestration.compute import Compute
from bias_platform.orchestration.house import sentences_for_users
from bias_platform.orchestration.partitioned import AssetFace, Made, Run, as_asset
from bias_platform.orchestration.recording import forced, manifest_metadata, tag_run


def whole_asset(
    face: AssetFace, deps: Sequence[dg.AssetDep | dg.AssetKey], make: Callable[[Run], Made]
) -> dg.AssetsDefinition:
    """An asset made as a whole by `make`, recorded with the data version of its manifest."""

    @as_asset(face, deps=list(deps))
    def body(context: dg.AssetExecutionContext, compute: Compute) -> dg.MaterializeResult[Any]:
        tag_run(context, face.key.path[0])
        with sentences_for_users():
            made = make(Run(context, compute, forced(context)))
        return dg.MaterializeResult(
            data_version=dg.DataVersion(made.manifest.data_version),
            metadata={**made.metadata, **manifest_metadata(made.manifest)},
        )

    return body
