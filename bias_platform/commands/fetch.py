"""`bias-platform fetch`: downloads what may be had without asking, and says how one comes by the rest."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from bias_platform.catalog import Catalog, load_catalog
from bias_platform.catalog.entries import CorpusEntry
from bias_platform.catalog.problems import allowed
from bias_platform.commands.sentences import CatalogOption, sentences
from bias_platform.errors import UserError


def fetch(
    corpus: Annotated[str, typer.Argument(help="the corpus's slug in the catalog")],
    catalog: CatalogOption = None,
) -> None:
    """Downloads the files of a corpus, checked against their checksums; says where they are and under what terms."""
    with sentences():
        chosen = load_catalog(catalog)
        if corpus not in chosen.corpora:
            known = allowed(chosen.corpora, corpus)
            raise UserError(f"there is no corpus '{corpus}' in the catalog '{chosen.name}'; {known}")
        for line in fetched_lines(chosen, corpus):
            typer.echo(line)


def fetched_lines(catalog: Catalog, slug: str) -> Iterator[str]:
    """Fetches a corpus; yields a line for each file and each thing to know.

    Raises:
        UserError: the corpus is had neither by download nor otherwise, or a download failed.
    """
    entry = catalog.corpora[slug]
    if entry.reader == "sample":
        raise UserError(f"corpus '{slug}' is generated: there is nothing to fetch")
    if not entry.download:
        yield from _by_hand(slug, entry)
        return
    path = _target(catalog, slug)
    single = entry.reader == "table"
    yield from _downloads(entry, path.parent if single else path, path.name if single else None)
    yield f"licence: {entry.licence or 'not stated'}" + (f"; source: {entry.source}" if entry.source else "")
    if entry.sensitivity != "mild":
        yield f"the texts are {entry.sensitivity}: keep them out of git and of what you publish"
    if entry.access:
        yield entry.access


def _downloads(entry: CorpusEntry, folder: Path, name: str | None) -> Iterator[str]:
    from bias_platform.corpora.download import fetch_file
    from bias_platform.progress import ProgressPrinter

    for file in entry.download:
        printer = ProgressPrinter(lambda line: typer.echo(line, err=True), file.url)
        for fetched in fetch_file(file, folder, printer, name=name):
            yield f"{fetched.path}" + ("" if fetched.new else " (was there already, unchanged)")


def _target(catalog: Catalog, slug: str) -> Path:
    """The path of a corpus, its pictures aside: they are not what is fetched."""
    from bias_platform.catalog.paths import resolve_corpus

    entry = catalog.corpora[slug].model_copy(update={"pictures": None})
    alone = catalog.model_copy(update={"corpora": {slug: entry}})
    path = Path(resolve_corpus(alone, slug).path or "")
    if entry.reader != "table" and path.is_file():
        raise UserError(f"corpus '{slug}': {path} is a file, a folder is needed; name one in `path`")
    return path


def _by_hand(slug: str, entry: CorpusEntry) -> Iterator[str]:
    if entry.access is None:
        source = f"; it comes from {entry.source}" if entry.source else ""
        raise UserError(
            f"corpus '{slug}' declares neither `download` nor `access`: put its files at {entry.path}{source}"
        )
    yield f"corpus '{slug}' cannot be downloaded. {entry.access}"
    yield f"its path in the catalog: {entry.path}"
