"""What must hold within a corpus's entry beyond the types of its fields."""

from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from bias_platform.catalog.corpus_settings import CorpusEntry, DownloadFile, LabelPolicy
from bias_platform.catalog.paths import downloaded_names
from bias_platform.catalog.problems import Field, Problem, unknown

READER_ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "sbic": ("gender", "race", "politics", "age", "orientation"),
    "sample": ("gender", "race", "politics", "age", "orientation"),
    "exist": ("gender", "age", "ethnicity", "study_level", "country"),
}
"""Reader -> what it can say of annotators; `table` says what `columns` map, `hatred` what its files hold."""

READER_LABELS: dict[str, tuple[str, ...]] = {
    "sbic": ("Yes", "Maybe", "No", "Incomprehensible"),
    "sample": ("Yes", "Maybe", "No", "Incomprehensible"),
    "exist": ("Yes", "No"),
}
"""Reader -> every label it can give; those of `table` are in its entry where they are renamed or counted."""

ARCHIVES = (".tgz", ".tar.gz", ".zip")
_COUNTING_ROWS = ("sbic", "sample")


def corpus_problems(corpus: CorpusEntry, place: Field) -> Iterator[Problem]:
    """Every broken rule of a corpus; `place` is its entry."""
    yield from _paths(corpus, place)
    yield from _columns(corpus, place)
    yield from _downloads(corpus, place)
    for slug, policy in corpus.label_policies.items():
        yield from _policy(corpus, policy, (*place, "label_policies", slug))


def _paths(corpus: CorpusEntry, place: Field) -> Iterator[Problem]:
    if corpus.reader != "sample" and corpus.path is None and not corpus.download:
        yield Problem((*place, "path"), f"is required by the reader '{corpus.reader}'; name the file or folder")
    if corpus.reader == "hatred" and corpus.pictures is None:
        yield Problem((*place, "pictures"), "is required by the reader 'hatred'; name the folder of the memes")
    if corpus.reader != "hatred" and corpus.pictures is not None:
        yield Problem((*place, "pictures"), f"is not used by the reader '{corpus.reader}'; remove it or use 'hatred'")


def _columns(corpus: CorpusEntry, place: Field) -> Iterator[Problem]:
    if corpus.reader == "table" and corpus.columns is None:
        yield Problem((*place, "columns"), "is required by the reader 'table'; say at least which column is the `text`")
    if corpus.reader != "table" and corpus.columns is not None:
        yield Problem((*place, "columns"), f"is not used by the reader '{corpus.reader}'; remove it or use 'table'")
    if corpus.reader == "table" and corpus.parameters:
        yield Problem((*place, "parameters"), "is not used by the reader 'table'; remove it")
    if corpus.label_values and (corpus.columns is None or corpus.columns.label is None):
        yield Problem((*place, "label_values"), "is used only with `columns.label`; add that column or remove this")
    if corpus.columns is not None and corpus.columns.label is not None and corpus.columns.label_counts:
        yield Problem((*place, "columns", "label_counts"), "cannot stand beside `label`; keep one of them")


def _downloads(corpus: CorpusEntry, place: Field) -> Iterator[Problem]:
    where = (*place, "download")
    if corpus.download and corpus.reader == "sample":
        yield Problem(where, "is not used by the reader 'sample', which generates its posts; remove it")
    for index, file in enumerate(corpus.download):
        yield from _members(file, (*where, index))
    names = downloaded_names(corpus)
    for name, times in Counter(names).items():
        if times > 1:
            yield Problem(where, f"brings {times} files of the name '{name}' into one folder; keep one")
    if corpus.reader == "table" and len(names) > 1:
        yield Problem(where, f"brings {len(names)} files, and the reader 'table' reads one; keep one")


def _members(file: DownloadFile, place: Field) -> Iterator[Problem]:
    name = PurePosixPath(urlsplit(file.url).path).name
    if not name:
        yield Problem((*place, "url"), "names no file: its path ends in /")
    archive = name.lower().endswith(ARCHIVES)
    if archive and not file.members:
        yield Problem((*place, "members"), f"must name the files that are taken out of the archive '{name}'")
    if not archive and file.members:
        known = ", ".join(ARCHIVES)
        yield Problem((*place, "members"), f"is used only with an archive ({known}), and '{name}' is none; remove it")
    for index, member in enumerate(file.members):
        parts = PurePosixPath(member).parts
        if not parts or member.startswith("/") or member.endswith("/") or "\\" in member or ".." in parts:
            message = f"'{member}' is not the plain relative name of a file; write it as the archive lists it"
            yield Problem((*place, "members", index), message)


def _policy(corpus: CorpusEntry, policy: LabelPolicy, place: Field) -> Iterator[Problem]:
    if corpus.reader == "hatred" and policy.rule == "mode":
        yield Problem(
            (*place, "rule"), "'mode' ranks labels, and those of the reader 'hatred' are sentences; use union"
        )
    else:
        yield from _priority(corpus, policy, (*place, "priority"))
    if policy.count == "rows" and corpus.reader not in _COUNTING_ROWS:
        message = f"the reader '{corpus.reader}' has one row a judgement; use annotators"
        yield Problem((*place, "count"), message)
    known = READER_ATTRIBUTES.get(corpus.reader)
    if corpus.columns is not None:
        known = tuple(corpus.columns.annotator_attributes)
    if policy.within is not None and known is not None and policy.within not in known:
        yield unknown((*place, "within"), policy.within, "annotator attribute of this corpus", known)


def _priority(corpus: CorpusEntry, policy: LabelPolicy, where: Field) -> Iterator[Problem]:
    if policy.rule != "mode":
        if policy.priority:
            yield Problem(where, f"is used only with `rule: mode`, and this is '{policy.rule}'; remove it")
        return
    for index, label in enumerate(policy.priority):
        if label in policy.priority[:index]:
            yield Problem((*where, index), f"'{label}' is named twice; keep one")
    labels = _labels(corpus)
    for index, label in enumerate(policy.priority):
        if labels and label not in labels:
            yield unknown((*where, index), label, "label of this corpus", labels)
    missing = [label for label in labels if label not in policy.priority]
    if missing or not policy.priority:
        named = ", ".join(missing) or "every label, the one that wins ties first"
        yield Problem(where, f"is required by `rule: mode` and must name {named}")


def _labels(corpus: CorpusEntry) -> tuple[str, ...]:
    """Every label of the corpus, as far as its entry tells; empty: unknown."""
    if corpus.columns is None:
        return READER_LABELS.get(corpus.reader, ())
    return tuple(dict.fromkeys((*corpus.label_values.values(), *corpus.columns.label_counts.values())))
