"""Where catalogs lie: the shipped ones by name, the user's own by folder."""

import os
from pathlib import Path

from bias_platform.catalog.problems import suggestion
from bias_platform.errors import CatalogError

ENVIRONMENT_VARIABLE = "BIAS_PLATFORM_CATALOG"
DEFAULT = "demo"
SHIPPED = Path(__file__).parent / "shipped"
_SHARED = "common"  # building blocks of the shipped catalogs: to be extended, without a study of its own


def shipped_catalogs() -> tuple[str, ...]:
    """Names of the catalogs that come with the package."""
    return tuple(sorted(folder.name for folder in SHIPPED.iterdir() if folder.is_dir() and folder.name != _SHARED))


def catalog_folder(name_or_folder: str | Path | None = None, beside: Path | None = None) -> Path:
    """The folder of a catalog.

    Args:
        name_or_folder: a shipped name or a folder; None: `BIAS_PLATFORM_CATALOG`, else `demo`.
        beside: what a relative folder is relative to; None: the current folder.

    Raises:
        CatalogError: neither a shipped name nor a folder with YAML files.
    """
    wanted = name_or_folder or os.environ.get(ENVIRONMENT_VARIABLE) or DEFAULT
    if isinstance(wanted, str) and wanted in (*shipped_catalogs(), _SHARED):
        return SHIPPED / wanted
    folder = (beside or Path.cwd()) / os.path.expanduser(wanted)
    if not folder.is_dir():
        raise CatalogError(
            f"there is no catalog '{wanted}': neither a shipped one ({', '.join(shipped_catalogs())}) nor a folder"
            f"{suggestion(shipped_catalogs(), wanted)}"
        )
    if not yaml_paths(folder):
        raise CatalogError(f"the folder {folder} is no catalog: it holds no .yaml file")
    return folder.resolve()


def yaml_paths(folder: Path) -> tuple[Path, ...]:
    """The YAML files directly in a folder, by name."""
    return tuple(sorted(path for path in folder.iterdir() if path.suffix in {".yaml", ".yml"} and path.is_file()))
