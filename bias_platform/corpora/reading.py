"""From a catalog entry to the tables of a corpus."""

from pathlib import Path
from typing import Any

import pandas as pd

from bias_platform.catalog.entries import CorpusEntry
from bias_platform.corpora.assembly import CorpusTables
from bias_platform.corpora.exist import exist_files, read_exist
from bias_platform.corpora.hatred import hatred_files, picture_files, read_hatred
from bias_platform.corpora.missing_files import how_to_get
from bias_platform.corpora.pictures import content_hashes
from bias_platform.corpora.pseudonyms import key_fingerprint
from bias_platform.corpora.sbic import read_sbic, sbic_files, sbic_tables
from bias_platform.corpora.table import read_table_corpus
from bias_platform.errors import CorpusError
from bias_platform.storage.hashing import file_hash, value_hash

READING_VERSION = 2
"""Raised when the same file gives other tables: part of the data version."""


def read_corpus(slug: str, entry: CorpusEntry) -> CorpusTables:
    """Reads (or generates) a corpus.

    Args:
        slug: the corpus's slug; part of its item ids and pseudonyms.
        entry: with a path that is absolute or relative to the current folder.

    Raises:
        CorpusError: a missing file, column or option, wrong values, undecodable bytes, no posts; all that can be
            known of a file is said at once.
    """
    readers = {
        "exist": read_exist,
        "hatred": read_hatred,
        "sample": _generated,
        "sbic": read_sbic,
        "table": read_table_corpus,
    }
    return readers[entry.reader](slug, entry)


def source_hash(slug: str, entry: CorpusEntry) -> str:
    """A hash that changes when the tables of the corpus may: file bytes, how they are read, pseudonym key.

    Where the file lies does not count, so that two machines agree; the names of split files do.
    """
    counting = {"reader", "format", "columns", "label_values", "decode_html", "parameters"}
    what = entry.model_dump(mode="json", include=counting)
    parts: dict[str, Any] = {"slug": slug, "entry": what, "reading": READING_VERSION, "key": key_fingerprint()}
    if entry.reader == "sample":
        from bias_platform.corpora.sample import GENERATOR_VERSION

        parts["generator"] = GENERATOR_VERSION
    else:
        parts["files"] = {file.name: file_hash(file) for file in _files(slug, entry)}
    if entry.reader == "hatred":
        pictures = content_hashes(slug, picture_files(slug, entry))
        parts["pictures"] = {file.name: digest for file, digest in pictures.items()}
    return value_hash(parts)


def _generated(slug: str, entry: CorpusEntry) -> CorpusTables:
    # imported late: `python -m bias_platform.corpora.sample` must not find itself imported already
    from bias_platform.corpora.sample import generate, raw_tables, sample_settings

    settings = sample_settings(entry.parameters)
    tables: dict[str | None, pd.DataFrame] = dict(raw_tables(generate(settings)).items())
    return sbic_tables(slug, entry.model_copy(update={"parameters": {}}), tables)


def _files(slug: str, entry: CorpusEntry) -> list[Path]:
    folders = {"exist": exist_files, "hatred": hatred_files, "sbic": sbic_files}
    if entry.reader in folders:
        return folders[entry.reader](slug, entry)
    path = Path(entry.path or "")
    if not path.is_file():
        raise CorpusError(f"corpus '{slug}': there is no file {path}; {how_to_get(slug, entry)}")
    return [path]
