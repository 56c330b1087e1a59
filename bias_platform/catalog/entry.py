"""The base of every catalog entry."""

from pydantic import BaseModel, ConfigDict


class Entry(BaseModel):
    """Base of all entries: unknown fields are refused, values are not changed after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)
