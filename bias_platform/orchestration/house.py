"""What every asset factory is given: the catalog, the lake, keys, partitions and blueprints, made once."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg

from bias_platform.catalog.entries import Catalog
from bias_platform.errors import UserError
from bias_platform.orchestration.blueprints import Blueprints
from bias_platform.orchestration.keys import Keys
from bias_platform.orchestration.partitions import Partitions
from bias_platform.storage import Lake


@dataclass(frozen=True)
class House:
    """One catalog over one lake, seen from orchestration."""

    catalog: Catalog
    lake: Lake
    keys: Keys
    partitions: Partitions
    blueprints: Blueprints

    @classmethod
    def over(cls, catalog: Catalog, lake: Lake) -> "House":
        """Builds what belongs to a catalog and a lake."""
        return cls(catalog, lake, Keys(catalog.name), Partitions(catalog), Blueprints(catalog, lake))


@contextlib.contextmanager
def sentences_for_users() -> Iterator[None]:
    """A `UserError` fails the step with its sentence and is not tried again: it would end the same way."""
    try:
        yield
    except UserError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
