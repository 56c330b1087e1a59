"""EXIST 2024 (sexism in tweets): JSON files, one record a tweet, with parallel lists of what six annotators said.

The labels of the test split are not public, so what a study tests on is the split DEV. A file is taken whole or not at
all: lists that do not fit each other are never cut to the shorter one.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from bias_platform.catalog.entries import CorpusEntry
from bias_platform.corpora.assembly import ATTRIBUTE_PREFIX, CorpusTables, assemble
from bias_platform.corpora.json_records import read_json_object
from bias_platform.corpora.missing_files import how_to_get
from bias_platform.errors import CorpusError, bullet_list

FILES = ("EXIST2024_training.json", "EXIST2024_dev.json")
SPLITS = {"TRAIN": "train", "DEV": "dev"}
"""First part of a record's `split` -> split; the second is the language"""
LANGUAGES = ("es", "en")
LABELS = {1: {"YES": "Yes", "NO": "No"}}
"""Task -> raw label -> option. Task 1: whether the tweet is sexist or tells of something that is."""

ATTRIBUTES = {
    "gender": "gender_annotators",
    "age": "age_annotators",
    "ethnicity": "ethnicities_annotators",
    "study_level": "study_levels_annotators",
    "country": "countries_annotators",
}
GENDERS = {"F": "woman", "M": "man"}
"""The corpus's code -> the word that other corpora have for it, so that one set of personas matches all of them."""

_TEXTS = ("tweet", "split")
_PARAMETERS = {"language": (*LANGUAGES, "all"), "task": tuple(LABELS)}


class _Choice(NamedTuple):
    """What the entry's parameters say."""

    language: str
    task: int

    @property
    def labels_field(self) -> str:
        return f"labels_task{self.task}"

    @property
    def splits(self) -> dict[str, str]:
        """Every split there can be -> whether it is train or dev."""
        return {f"{part}_{lang.upper()}": split for part, split in SPLITS.items() for lang in LANGUAGES}

    def wants(self, split: str) -> bool:
        return self.language == "all" or split.endswith(f"_{self.language.upper()}")


class _Records(NamedTuple):
    """The records of all files by id, and what is wrong with them."""

    by_id: dict[str, Mapping[str, Any]]
    problems: list[str]


def read_exist(slug: str, entry: CorpusEntry) -> CorpusTables:
    """Reads a folder with EXIST2024_training.json and EXIST2024_dev.json (or one of them), or one such file.

    The parameter `language` (es, en or all) keeps the records of the splits TRAIN_ES and DEV_ES, say; `task` (1) tells
    which labels are read. Annotators' genders become `woman` and `man`; other attributes keep the corpus's words.

    Raises:
        CorpusError: files or fields that are missing, lists of unequal length, unknown labels or splits, ids that
            occur twice; all of them at once.
    """
    choice = _choice(slug, entry.parameters)
    records = _records(exist_files(slug, entry))
    problems = list(records.problems)
    for name, record in records.by_id.items():
        problems += [f"record '{name}': {problem}" for problem in _record_problems(record, choice)]
    if problems:
        raise CorpusError(f"corpus '{slug}': {entry.path} holds wrong values:\n{bullet_list(problems)}")
    kept = {name: record for name, record in records.by_id.items() if choice.wants(record["split"])}
    if not kept:
        raise CorpusError(f"corpus '{slug}': {entry.path} holds no tweet of language '{choice.language}'")
    facts = {
        "tweets": len(records.by_id),
        "tweets_of_the_language": len(kept),
        "tweets_repeated_under_another_id": _repeated(kept),
    }
    return assemble(slug, _rows(kept, choice), entry.decode_html, facts)


def exist_files(slug: str, entry: CorpusEntry) -> list[Path]:
    """The files of a folder that have the published names, or the one file named."""
    path = Path(entry.path or "")
    if path.is_file():
        return [path]
    files = [path / name for name in FILES if (path / name).is_file()]
    if not files:
        there = (
            f"the folder {path} holds none of {', '.join(FILES)}" if path.is_dir() else f"there is nothing at {path}"
        )
        raise CorpusError(f"corpus '{slug}': {there}; {how_to_get(slug, entry)}")
    return files


def _choice(slug: str, parameters: Mapping[str, int | float | str]) -> _Choice:
    wrong = [f"{name}: {value}" for name, value in parameters.items() if value not in _PARAMETERS.get(name, ())]
    if wrong:
        known = ", ".join(f"{name} ({' or '.join(map(str, values))})" for name, values in _PARAMETERS.items())
        raise CorpusError(f"corpus '{slug}', parameters: allowed are {known}; found {', '.join(wrong)}")
    return _Choice(str(parameters.get("language", "all")), int(parameters.get("task", 1)))


def _records(files: list[Path]) -> _Records:
    by_id: dict[str, Mapping[str, Any]] = {}
    problems = []
    for file in files:
        for name, record in read_json_object(file):
            if name in by_id:
                problems.append(f"record '{name}' stands twice (again in {file.name})")
            elif not isinstance(record, dict):
                problems.append(f"record '{name}' is no JSON object but a {type(record).__name__}")
            else:
                by_id[name] = record
    return _Records(by_id, problems)


def _record_problems(record: Mapping[str, Any], choice: _Choice) -> Iterator[str]:
    lists = ("annotators", *ATTRIBUTES.values(), choice.labels_field)
    missing = [name for name in (*_TEXTS, *lists) if name not in record]
    if missing:
        yield f"has no {', '.join(missing)}"
        return
    for name in _TEXTS:
        if not isinstance(record[name], str):
            yield f"{name} is no text but a {type(record[name]).__name__}"
    if isinstance(record["split"], str) and record["split"] not in choice.splits:
        yield f"split '{record['split']}' is unknown; allowed: {', '.join(choice.splits)}"
    no_lists = [name for name in lists if not _is_text_list(record[name])]
    if no_lists:
        yield f"{', '.join(no_lists)}: no list of texts"
        return
    lengths = {name: len(record[name]) for name in lists}
    if len(set(lengths.values())) > 1:
        yield "lists of unequal length: " + ", ".join(f"{name} {length}" for name, length in lengths.items())
    elif not record["annotators"]:
        yield "has no annotator"
    known = LABELS[choice.task]
    unknown = dict.fromkeys(label for label in record[choice.labels_field] if label not in known)
    if unknown:
        yield f"{choice.labels_field}: {', '.join(map(repr, unknown))} unknown; allowed: {', '.join(known)}"


def _is_text_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(part, str) for part in value)


def _repeated(records: Mapping[str, Mapping[str, Any]]) -> int:
    """Tweets whose very text an earlier id has: they become one item with the judgements of both."""
    return len(records) - len({record["tweet"] for record in records.values()})


def _rows(records: Mapping[str, Mapping[str, Any]], choice: _Choice) -> pd.DataFrame:
    rows = [
        _judgement(number, name, record, place, choice)
        for number, (name, record) in enumerate(records.items())
        for place in range(len(record["annotators"]))
    ]
    return pd.DataFrame(rows)


def _judgement(number: int, name: str, record: Mapping[str, Any], place: int, choice: _Choice) -> dict[str, Any]:
    attributes = {
        f"{ATTRIBUTE_PREFIX}{attribute}": _attribute(attribute, record[field][place])
        for attribute, field in ATTRIBUTES.items()
    }
    return {
        "row": number,
        "text": record["tweet"],
        "source_id": name,
        "target_group": None,
        "split": choice.splits[record["split"]],
        "annotator": record["annotators"][place].strip() or None,
        "label": LABELS[choice.task][record[choice.labels_field][place]],
        "annotators": 1,
        **attributes,
    }


def _attribute(attribute: str, raw: str) -> str | None:
    plain = raw.replace("\u2019", "'").strip()  # "Bachelor’s" and "Bachelor's" are one level
    return (GENDERS.get(plain, plain) if attribute == "gender" else plain) or None
