"""Where a base model is: weights in a folder or at one commit of the model hub, or a name at an endpoint."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from bias_platform.catalog.entries import ModelEntry
from bias_platform.errors import ModelLoadError

Dtype = Literal["float32", "bfloat16", "float16", "auto"]


class ModelSource(BaseModel):
    """What `AutoModelForCausalLM` is pointed at, or which model an endpoint is asked for."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["folder", "hub", "api"]
    location: str = Field(description="absolute folder, `organisation/name` on the hub, or the name at the endpoint")
    revision: str | None = Field(
        None, description="hub commit (40 hex digits), or the declared snapshot of an API model; None for a folder"
    )
    dtype: Dtype = Field("auto", description="number format of the weights in memory; auto: as stored")
    endpoint: str | None = Field(None, description="slug of the endpoint that serves an API model; else None")

    @property
    def title(self) -> str:
        """How a message names it."""
        if self.kind == "api":
            snapshot = f" ({self.revision})" if self.revision else ""
            return f"{self.location}{snapshot} at endpoint '{self.endpoint}'"
        return f"{self.location} at {self.revision[:12]}" if self.revision else self.location


def resolve_base(slug: str, entry: ModelEntry, folder: Path) -> ModelSource:
    """The source of a catalog's base model.

    Args:
        slug: the model's slug, for messages.
        entry: its catalog entry. A hub model is pinned to the commit its revision (or main branch) names today; what
            is in the local cache is used when the hub is not to be asked (`HF_HUB_OFFLINE=1`). An API model is what
            the entry declares: the endpoint is not asked.
        folder: where a reference model is published.

    Raises:
        ModelLoadError: a missing `hub_id` or `api_name`, a repository or revision that is not there, gated without a
            token, or out of reach.
    """
    if entry.kind == "reference":
        return ModelSource(kind="folder", location=str(folder.absolute()), dtype=entry.dtype)
    if entry.kind == "api":
        return _served(slug, entry)
    if entry.hub_id is None:
        raise ModelLoadError(
            f"model '{slug}' is of kind 'hub' but its field 'hub_id' is empty; write `organisation/name` or the path "
            "of a local folder there"
        )
    return _hub_or_local(entry.hub_id, entry)


def _served(slug: str, entry: ModelEntry) -> ModelSource:
    if entry.api_name is None:
        raise ModelLoadError(
            f"model '{slug}' is of kind 'api' but its field 'api_name' is empty; write the name its endpoint "
            f"'{entry.endpoint}' knows it by there"
        )
    return ModelSource(kind="api", location=entry.api_name, revision=entry.revision, endpoint=entry.endpoint)


def _hub_or_local(location: str, entry: ModelEntry) -> ModelSource:
    local = Path(location).expanduser()
    if local.is_dir():
        return ModelSource(kind="folder", location=str(local.absolute()), dtype=entry.dtype)
    if local.is_absolute() or location.startswith((".", "~")):
        raise ModelLoadError(f"the model folder {local} is not there; mend 'hub_id' in the catalog, or put it there")
    from bias_platform.models.hub import commit_of  # asks the hub: only for those who have a hub model

    revision = commit_of(location, entry.revision)
    return ModelSource(kind="hub", location=location, revision=revision, dtype=entry.dtype)
