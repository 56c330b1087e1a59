"""Where a corpus lies: variables read from the environment, the rest relative to the YAML file."""

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from bias_platform.catalog.entries import Catalog, CorpusEntry
from bias_platform.errors import CorpusError

_VARIABLE = re.compile(r"\$\{([^}]*)\}")


def resolve_path(entry: CorpusEntry, catalog_origin: Path) -> Path:
    """The absolute path of a corpus's file or folder; whether it is there is for the reader to say.

    Args:
        entry: the corpus.
        catalog_origin: the YAML file it was read from, `catalog.origins["corpora/<slug>"]`.

    Raises:
        CorpusError: the entry has no path, or an environment variable of it is not set.
    """
    if entry.path is None:
        raise CorpusError(f"a corpus of {catalog_origin} has no `path`: name its file or folder there")
    return expanded_path(entry.path, "the corpus path", catalog_origin)


def resolve_corpus(catalog: Catalog, slug: str) -> CorpusEntry:
    """The corpus entry with its paths made absolute, as the readers take it.

    A corpus that can be downloaded lies in the download folder where its entry has no path, or one that needs a
    variable that is not set.

    Raises:
        CorpusError: there is no such corpus, or a path needs a variable that is not set.
    """
    if slug not in catalog.corpora:
        raise CorpusError(f"there is no corpus '{slug}' in the catalog '{catalog.name}'")
    entry = catalog.corpora[slug]
    try:
        resolved = _resolved(slug, entry, catalog.origins.get(f"corpora/{slug}", Path()))
    except CorpusError as error:
        access = f". {entry.access.strip()}" if entry.access else ""
        raise CorpusError(f"corpus '{slug}': {error}{access}") from None
    return entry.model_copy(update=resolved)


def _resolved(slug: str, entry: CorpusEntry, origin: Path) -> dict[str, str]:
    """The fields of an entry that are paths, made absolute."""
    resolved: dict[str, str] = {}
    if entry.download and (entry.path is None or _unset(entry.path)):
        resolved["path"] = str(download_path(slug, entry))
    elif entry.path is not None:
        resolved["path"] = str(resolve_path(entry, origin))
    if entry.pictures is not None:
        resolved["pictures"] = str(expanded_path(entry.pictures, "the folder of pictures", origin))
    return resolved


def download_path(slug: str, entry: CorpusEntry) -> Path:
    """Where `bias-platform fetch` puts a corpus whose entry does not say: `downloads/<slug>` beside the lake.

    A table is one file in that folder, every other corpus the folder.
    """
    # imported late: the rest of `storage` brings in pandas, and loading a catalog must stay light
    from bias_platform.storage.paths import lake_root

    folder = lake_root().parent / "downloads" / slug
    return folder / downloaded_names(entry)[0] if entry.reader == "table" else folder


def downloaded_names(entry: CorpusEntry) -> tuple[str, ...]:
    """Names of the files that a corpus's downloads bring, in the order of the entry.

    >>> from bias_platform.catalog.corpus_settings import DownloadFile
    >>> archive = DownloadFile(url="https://example.org/a.tgz", members=("a/posts.csv",))
    >>> downloaded_names(CorpusEntry(download=(archive, DownloadFile(url="https://example.org/b.csv?v=2"))))
    ('posts.csv', 'b.csv')
    """
    return tuple(
        name.rpartition("/")[2] for file in entry.download for name in (file.members or (urlsplit(file.url).path,))
    )


def expanded_path(written: str, what: str, catalog_origin: Path) -> Path:
    """A path as a catalog writes it, made absolute: ${VARIABLES} from the environment, the rest beside the YAML file.

    Raises:
        CorpusError: a variable is not set; `what` names the thing that needs it.
    """
    missing = _unset(written)
    if missing:
        variables = " and ".join(missing)
        raise CorpusError(
            f"{what} '{written}' ({catalog_origin.name}) needs the environment variable {variables}: "
            f"set it to where the data lies"
        )
    expanded = os.path.expanduser(_VARIABLE.sub(lambda match: os.environ[match[1]], written))
    return Path(os.path.normpath(catalog_origin.parent.absolute() / expanded))


def _unset(written: str) -> list[str]:
    return [name for name in dict.fromkeys(_VARIABLE.findall(written)) if not os.environ.get(name)]
