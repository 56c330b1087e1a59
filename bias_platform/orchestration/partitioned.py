"""The one mechanism of all partitioned assets: make each partition, record it at once, go on past a failed one."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import dagster as dg

from bias_platform.errors import UserError, bullet_list
from bias_platform.orchestration.blueprint import Blueprint
from bias_platform.orchestration.compute import Compute
from bias_platform.orchestration.keys import group_name
from bias_platform.orchestration.recording import forced, record_partition, recorded_output, tag_run
from bias_platform.storage import Manifest


class Made(NamedTuple):
    """A partition that is published: what it is, what went in, and what more the UI shows."""

    manifest: Manifest
    upstream: Mapping[dg.AssetKey, str | None]
    metadata: Mapping[str, Any] = {}


class Run(NamedTuple):
    """What making a partition may use of the run it happens in."""

    context: dg.AssetExecutionContext
    compute: Compute
    force: bool


Make = Callable[[Run, str], Made]


class AssetFace(NamedTuple):
    """How an asset presents itself."""

    key: dg.AssetKey
    description: str
    code_version: str
    kinds: frozenset[str]
    metadata: Mapping[str, Any] = {}
    pool: str | None = None

    def arguments(self) -> dict[str, Any]:
        """What `dagster.asset` is told of it."""
        return {
            "key": self.key,
            "group_name": group_name(self.key),
            "description": self.description,
            "code_version": self.code_version,
            "kinds": set(self.kinds),
            "metadata": dict(self.metadata),
            "pool": self.pool,
        }


def as_asset(face: AssetFace, **settings: Any) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """`dagster.asset` with an asset's face and further settings."""
    decorate: Callable[[Callable[..., Any]], dg.AssetsDefinition] = dg.asset(**face.arguments(), **settings)
    return decorate


def partitioned_asset(
    face: AssetFace,
    partitions: dg.PartitionsDefinition,
    deps: Sequence[dg.AssetDep],
    make: Make,
) -> dg.AssetsDefinition:
    """An asset whose partitions are made one by one by `make`, in one run for a whole selection.

    A partition that fails does not keep the others from being made; the step then fails with all their sentences.
    """

    @as_asset(
        face,
        partitions_def=partitions,
        deps=list(deps),
        dagster_type=dg.Nothing,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def body(context: dg.AssetExecutionContext, compute: Compute) -> Iterator[Any]:
        tag_run(context, face.key.path[0])
        run = Run(context, compute, forced(context))
        failures = Failures()
        for partition in context.partition_keys:
            with failures.collected(partition):
                made = make(run, partition)
                record_partition(context, partition, made.manifest, made.upstream, made.metadata)
        failures.raise_any()
        yield recorded_output()

    return body


class Failures:
    """Failures of several partitions, raised together at the end."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    @contextlib.contextmanager
    def collected(self, partition: str) -> Iterator[None]:
        """A block in which a user's error is kept instead of raised."""
        try:
            yield
        except UserError as error:
            self._lines.append(f"{partition}: {error}")

    def raise_any(self) -> None:
        """Raises one `Failure` that names all."""
        if self._lines:
            message = f"{len(self._lines)} could not be made:\n{bullet_list(self._lines)}"
            raise dg.Failure(message, allow_retries=False)


def reused(run: Run, blueprint: Blueprint) -> Manifest | None:
    """The published manifest if it is current and the run was not told to make it again; says so in the log."""
    manifest = None if run.force else blueprint.current_manifest()
    if manifest is not None:
        run.context.log.info(f"{blueprint.name} is current: kept as it is")
    return manifest
