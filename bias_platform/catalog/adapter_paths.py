"""Where an adapter that was trained elsewhere lies."""

from pathlib import Path

from bias_platform.catalog.entries import Catalog
from bias_platform.catalog.paths import expanded_path
from bias_platform.errors import CatalogError


def resolve_adapter_folder(catalog: Catalog, slug: str) -> Path:
    """The absolute folder of an adapter trained elsewhere; whether it is there is for its reader to say.

    Raises:
        CatalogError: the adapter is not declared by a folder.
        CorpusError: the folder needs a variable that is not set.
    """
    elsewhere = catalog.adapters[slug].trained_elsewhere
    if elsewhere is None or elsewhere.folder is None:
        raise CatalogError(f"adapter '{slug}' of the catalog '{catalog.name}' has no `trained_elsewhere.folder`")
    origin = catalog.origins.get(f"adapters/{slug}", Path())
    return expanded_path(elsewhere.folder, f"the folder of adapter '{slug}'", origin)
