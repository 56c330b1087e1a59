"""Where a corpus lies: variables read from the environment, the rest relative to the YAML file."""

import os
import re
from pathlib import Path

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
    names = _VARIABLE.findall(entry.path)
    missing = [name for name in dict.fromkeys(names) if not os.environ.get(name)]
    if missing:
        variables = " and ".join(missing)
        raise CorpusError(
            f"the corpus path '{entry.path}' ({catalog_origin.name}) needs the environment variable {variables}: "
            f"set it to where the data lies"
        )
    expanded = os.path.expanduser(_VARIABLE.sub(lambda match: os.environ[match[1]], entry.path))
    return Path(os.path.normpath(catalog_origin.parent.absolute() / expanded))


def resolve_corpus(catalog: Catalog, slug: str) -> CorpusEntry:
    """The corpus entry with its path made absolute, as the readers take it.

    Raises:
        CorpusError: there is no such corpus, or its path needs a variable that is not set.
    """
    if slug not in catalog.corpora:
        raise CorpusError(f"there is no corpus '{slug}' in the catalog '{catalog.name}'")
    entry = catalog.corpora[slug]
    if entry.path is None:
        return entry
    return entry.model_copy(update={"path": str(resolve_path(entry, catalog.origins[f"corpora/{slug}"]))})
