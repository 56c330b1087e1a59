"""Where a report's numbers come from."""

from pydantic import BaseModel, ConfigDict, Field


class Provenance(BaseModel):
    """What a report says of its making."""

    model_config = ConfigDict(frozen=True)

    study: str = Field(description="slug of the study")
    catalog: str = Field(description="name of the catalog")
    code_version: str = Field(description="version of the analysis code")
    inputs: dict[str, str] = Field(default_factory=dict, description="upstream asset -> data version (hash)")
    packages: dict[str, str] = Field(default_factory=dict, description="package -> version")
    seeds: dict[str, int] = Field(default_factory=dict, description="what is random -> seed")
    parameters: dict[str, str] = Field(default_factory=dict, description="further settings, as text")
    created_at: str = Field("", description="ISO time; empty leaves it off the page, which is then reproducible")
