"""What a reader says of files that are not there: how one comes by them."""

from bias_platform.catalog.entries import CorpusEntry


def how_to_get(slug: str, entry: CorpusEntry) -> str:
    """The end of a sentence on a corpus whose files are missing.

    >>> how_to_get("mine", CorpusEntry(path="posts.csv"))
    'set `path` to where it lies'
    >>> how_to_get("mine", CorpusEntry(path="posts", access="Ask the authors for it."))
    'Ask the authors for it. Then set `path` to where it lies'
    """
    if entry.download:
        return f"run `bias-platform fetch {slug}`, or set `path` to where it lies"
    if entry.access:
        return f"{entry.access.strip().rstrip('.')}. Then set `path` to where it lies"
    return "set `path` to where it lies"
