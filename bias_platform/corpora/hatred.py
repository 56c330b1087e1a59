"""HatReD (Hee et al., 2023): JSONL files that explain in a sentence what a meme says of whom, and a folder of memes.

An explanation is an annotation whose label is the sentence itself. The memes are those of the Facebook Hateful Memes
Challenge, which come under terms of their own and from elsewhere.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from bias_platform.catalog.entries import CorpusEntry
from bias_platform.corpora.assembly import ATTRIBUTE_PREFIX, CorpusTables, assemble
from bias_platform.corpora.missing_files import how_to_get
from bias_platform.corpora.raw_files import read_columns
from bias_platform.errors import CorpusError, bullet_list

COLUMNS = ("id", "img", "target", "reasonings")
ANNOTATORS = "annotators"
"""Optional, not in the published files: parallel to the reasonings, {attribute: value} of whoever wrote each; `id`
names a person"""

TARGETS = ("single", "all")
"""Values of the parameter `targets`: records with exactly one target (as the study on personas has it), or all"""

_FILE_NAME = re.compile(r"(?:^|[._-])(train|test)_reasonings\.jsonl$")
_ATTRIBUTE_NAME = re.compile(r"[a-z][a-z0-9_-]*")


class _Records(NamedTuple):
    """The records of all files, and what is wrong with them."""

    table: pd.DataFrame
    """columns of the files, file, split"""
    problems: list[str]


def read_hatred(slug: str, entry: CorpusEntry) -> CorpusTables:
    """Reads a folder with *_train_reasonings.jsonl and *_test_reasonings.jsonl (or one such file), and its memes.

    A target that is null is kept: the group is then missing. Facts count the records of each split before and after
    the choice by `targets`.

    Raises:
        CorpusError: files, columns or pictures that are missing, records of another shape, ids that occur twice; all
            that can be known is said at once.
    """
    records, kept = _checked(slug, entry)
    if kept.empty:
        raise CorpusError(f"corpus '{slug}': no record of {entry.path} has exactly one target")
    folder = picture_folder(slug, entry)
    rows = pd.DataFrame([row for number, record in enumerate(_each(kept)) for row in _rows(number, record, folder)])
    facts = {"records": _by_split(records), "records_kept": _by_split(kept)}
    return assemble(slug, rows, entry.decode_html, facts, free_labels=True)


def hatred_files(slug: str, entry: CorpusEntry) -> list[Path]:
    """The reasonings of a folder, or the one file named."""
    path = Path(entry.path or "")
    if path.is_file():
        return [path]
    files = [file for file in sorted(path.glob("*.jsonl")) if _FILE_NAME.search(file.name)] if path.is_dir() else []
    if not files:
        wanted = "fhm_train_reasonings.jsonl, fhm_test_reasonings.jsonl"
        there = f"the folder {path} holds none of {wanted}" if path.is_dir() else f"there is nothing at {path}"
        raise CorpusError(f"corpus '{slug}': {there}; {how_to_get(slug, entry)}")
    return files


def picture_files(slug: str, entry: CorpusEntry) -> list[Path]:
    """The pictures of the records that are kept, whether they are there or not."""
    folder = picture_folder(slug, entry)
    return [folder / name for name in dict.fromkeys(_checked(slug, entry)[1]["img"])]


def picture_folder(slug: str, entry: CorpusEntry) -> Path:
    """Where the memes lie.

    Raises:
        CorpusError: there is no such folder; says where memes come from and where to put them.
    """
    folder = Path(entry.pictures or "")
    if entry.pictures is None or not folder.is_dir():
        there = f"there is no folder {folder}" if entry.pictures else "the entry names no folder"
        access = f"{entry.access.strip().rstrip('.')}. Then set" if entry.access else "set"
        raise CorpusError(f"corpus '{slug}': {there} of the memes; {access} `pictures` to where they lie")
    return folder


def _checked(slug: str, entry: CorpusEntry) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All records, and those that the parameter `targets` keeps."""
    targets = _targets(slug, entry.parameters)
    records = _records(hatred_files(slug, entry))
    if records.problems:
        raise CorpusError(f"corpus '{slug}': {entry.path} holds wrong values:\n{bullet_list(records.problems)}")
    single = records.table["target"].map(len) == 1
    return records.table, records.table[single | (targets == "all")].reset_index(drop=True)


def _targets(slug: str, parameters: Mapping[str, int | float | str]) -> str:
    if set(parameters) - {"targets"} or parameters.get("targets", "single") not in TARGETS:
        found = ", ".join(f"{name}: {value}" for name, value in parameters.items())
        raise CorpusError(f"corpus '{slug}', parameters: allowed is targets ({' or '.join(TARGETS)}); found {found}")
    return str(parameters.get("targets", "single"))


def _records(files: list[Path]) -> _Records:
    tables = []
    problems = []
    for file in files:
        try:
            table = read_columns(file, "jsonl", COLUMNS, (ANNOTATORS,))
        except CorpusError as error:
            problems.append(str(error))
            continue
        match = _FILE_NAME.search(file.name)
        table = table if ANNOTATORS in table else table.assign(**{ANNOTATORS: None})
        tables.append(table.assign(split=match[1] if match else None))
        problems += [f"{file.name}, record {n}: {p}" for n, r in enumerate(_each(table), 1) for p in _problems(r)]
    whole = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    if tables and not problems:
        twice = whole["id"][whole["id"].duplicated()].unique()
        problems += [f"the id {name} stands twice" for name in twice]
    return _Records(whole, problems)


def _problems(record: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with one record."""
    if not isinstance(record["id"], int | str) or isinstance(record["id"], bool):
        yield "id is neither a number nor a text"
    img = record["img"]
    if not isinstance(img, str) or not img or img in (".", "..") or re.search(r"[/\\\x00]", img):
        yield "img is not the plain name of a file"
    target = record["target"]
    if not isinstance(target, list) or not target or not all(part is None or isinstance(part, str) for part in target):
        yield "target is no list of texts"
    reasonings = record["reasonings"]
    if not isinstance(reasonings, list) or not all(isinstance(text, str) and text.strip() for text in reasonings):
        yield "reasonings is no list of sentences"
    elif (annotators := record[ANNOTATORS]) is not None:
        if not isinstance(annotators, list) or not all(map(_is_annotator, annotators)):
            yield f"{ANNOTATORS} is no list of objects with small-letter attribute names and texts"
        elif len(annotators) != len(reasonings):
            yield f"{len(reasonings)} reasonings and {len(annotators)} {ANNOTATORS}: the lists must be parallel"


def _is_annotator(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(said, str) and _ATTRIBUTE_NAME.fullmatch(name) for name, said in value.items()
    )


def _each(table: pd.DataFrame) -> list[dict[str, Any]]:
    names = list(table.columns)
    return [dict(zip(names, values, strict=True)) for values in table.itertuples(index=False, name=None)]


def _rows(number: int, record: Mapping[str, Any], folder: Path) -> Iterator[dict[str, Any]]:
    """One row a reasoning; a record without any is a meme nobody has explained."""
    targets = [text for text in record["target"] if text and text.strip()]
    plain = {
        "row": number,
        "text": "",
        "source_id": str(record["id"]),
        "target_group": ", ".join(" ".join(text.lower().split()) for text in targets) or None,
        "split": record["split"],
        "picture": folder / record["img"],
        "annotators": 1,
    }
    reasonings = record["reasonings"] or [None]
    people = record[ANNOTATORS] or [{}] * len(reasonings)
    for reasoning, person in zip(reasonings, people, strict=True):
        known = {name: said.strip() or None for name, said in person.items()}
        attributes = {f"{ATTRIBUTE_PREFIX}{name}": said for name, said in known.items() if name != "id"}
        label = None if reasoning is None else reasoning.strip()
        yield {**plain, "annotator": known.get("id"), "label": label, **attributes}


def _by_split(records: pd.DataFrame) -> dict[str, int]:
    counts = records["split"].fillna("(none)").value_counts()
    return {str(split): int(n) for split, n in counts.sort_index(ascending=False).items()}
