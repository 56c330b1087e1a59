"""SBIC.v2 (Social Bias Frames; Sap et al., 2020): three CSV files, one row a judgement x implied stereotype.

The rows of one judgement are counted once. A judgement without an answer on offensiveness is `Incomprehensible`, a
category of its own and never missing data.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bias_platform.catalog.entries import CorpusEntry
from bias_platform.corpora.assembly import GROUP_SEPARATOR, CorpusTables, assemble
from bias_platform.corpora.missing_files import how_to_get
from bias_platform.corpora.raw_files import read_columns, row_examples
from bias_platform.errors import CorpusError, bullet_list

LABELS = {"1": "Yes", "0.5": "Maybe", "0": "No", "": "Incomprehensible"}
"""offensiveYN -> option"""

ATTRIBUTES = {
    "gender": "annotatorGender",
    "race": "annotatorRace",
    "politics": "annotatorPolitics",
    "age": "annotatorAge",
}
OPTIONAL_ATTRIBUTES = {"orientation": "annotatorOrientation"}
"""Not in the published corpus; in the sample corpus and in extended copies."""

COLUMNS = ("post", "offensiveYN", "WorkerId", "HITId", "targetMinority", *ATTRIBUTES.values())
SPLITS = {"trn": "train", "dev": "dev", "tst": "test"}
_SPLIT_NAME = re.compile(r"(?:^|[._-])(trn|dev|tst)\.csv$", re.IGNORECASE)
_MISSING = frozenset({"", "na", "nan"})


def read_sbic(slug: str, entry: CorpusEntry) -> CorpusTables:
    """Reads a folder with SBIC.v2.{trn,dev,tst}.csv, or one such file.

    Raises:
        CorpusError: the path or columns are missing, or offensiveYN holds other codes; all files' problems at once.
    """
    tables: dict[str | None, pd.DataFrame] = {}
    problems: list[str] = []
    for file in sbic_files(slug, entry):
        match = _SPLIT_NAME.search(file.name)
        try:
            tables[SPLITS[match[1].lower()] if match else None] = read_columns(
                file, "csv", COLUMNS, tuple(OPTIONAL_ATTRIBUTES.values())
            )
        except CorpusError as error:
            problems.append(str(error))
    if problems:
        hint = "a file of another shape is read with `reader: table`"
        raise CorpusError(f"corpus '{slug}' cannot be read:\n{bullet_list(problems)}\n{hint}")
    return sbic_tables(slug, entry, tables)


def sbic_files(slug: str, entry: CorpusEntry) -> list[Path]:
    """The split files of a folder (not the aggregated ones beside them), or the one file named."""
    path = Path(entry.path or "")
    if path.is_file():
        return [path]
    files = [file for file in sorted(path.glob("*.csv")) if _SPLIT_NAME.search(file.name) and ".agg." not in file.name]
    if not files:
        wanted = "SBIC.v2.trn.csv, SBIC.v2.dev.csv, SBIC.v2.tst.csv"
        there = f"the folder {path} holds none of {wanted}" if path.is_dir() else f"there is nothing at {path}"
        raise CorpusError(f"corpus '{slug}': {there}; {how_to_get(slug, entry)}")
    return files


def sbic_tables(slug: str, entry: CorpusEntry, tables: Mapping[str | None, pd.DataFrame]) -> CorpusTables:
    """Raw SBIC tables by split (text cells) -> the corpus."""
    width = _age_band_years(slug, entry.parameters)
    raw = _stacked(tables)
    attributes = {name: column for name, column in {**ATTRIBUTES, **OPTIONAL_ATTRIBUTES}.items() if column in raw}
    labels = _labels(slug, raw["offensiveYN"], entry.label_values)
    key = _judgement_key(raw, list(attributes.values()))
    repeated = key.duplicated()
    rows = pd.DataFrame(
        {
            "row": raw.index,
            "text": raw["post"],
            "source_id": _known(raw["HITId"]),
            "target_group": _known(raw["targetMinority"].map(_group_name)),
            "split": raw["split"],
            "annotator": _known(raw["WorkerId"]),
            "label": labels,
            "annotators": 1,
            "source_rows": _rows_of_judgement(key),
        }
    )
    for name, column in attributes.items():
        rows[f"annotator_{name}"] = _known(_ages(raw[column], width) if name == "age" else raw[column].str.strip())
    rows["target_groups"] = _all_named(key, rows["target_group"])
    rows["target_group"] = _first_known(key, rows["target_group"])
    return assemble(slug, rows[~repeated].reset_index(drop=True), entry.decode_html, _facts(key, labels))


def _facts(key: pd.DataFrame, labels: pd.Series) -> dict[str, Any]:
    return {
        "rows": len(key),
        "rows_of_a_judgement_already_counted": int(key.duplicated().sum()),
        "judgements_with_two_answers": _conflicts(key, labels),
    }


def _stacked(tables: Mapping[str | None, pd.DataFrame]) -> pd.DataFrame:
    split = [name for name, table in tables.items() for _ in range(len(table))]
    return pd.concat(list(tables.values()), ignore_index=True).fillna("").assign(split=pd.Series(split, dtype=object))


def _labels(slug: str, codes: pd.Series, label_values: Mapping[str, str]) -> pd.Series:
    plain = codes.str.strip().str.lower().str.replace(r"^([01])\.0+$", r"\1", regex=True)
    plain = plain.where(~plain.isin(_MISSING), "")
    unknown = ~plain.isin(list(LABELS))
    if unknown.any():
        lines = [
            f"'{value}': {row_examples([int(row) + 1 for row in codes.index[unknown & (codes == value)]])}"
            for value in codes[unknown].unique()
        ]
        allowed = "1.0 (Yes), 0.5 (Maybe), 0.0 (No), empty (Incomprehensible)"
        raise CorpusError(f"corpus '{slug}', column 'offensiveYN': allowed are {allowed}; found\n{bullet_list(lines)}")
    options = plain.map(LABELS)
    return options.map(lambda option: label_values.get(option, option)).astype(object)


def _judgement_key(raw: pd.DataFrame, attributes: list[str]) -> pd.DataFrame:
    """Rows that agree in these columns are one judgement. Posts are numbered: pandas compares texts up to a NUL."""
    numbers = {text: number for number, text in enumerate(dict.fromkeys(raw["post"]))}
    return raw[["WorkerId", "HITId", *attributes, "split"]].assign(post=[numbers[text] for text in raw["post"]])


def _rows_of_judgement(key: pd.DataFrame) -> pd.Series:
    """How many rows hold each row's judgement: the weight of a mode over rows, as the study on personas took it."""
    counts: pd.Series = key.groupby(list(key.columns), sort=False, dropna=False)["post"].transform("size")
    return counts


def _conflicts(key: pd.DataFrame, labels: pd.Series) -> int:
    """Judgements whose rows give different answers; the first one counts."""
    return int(key.assign(label=labels).drop_duplicates().duplicated(list(key.columns)).sum())


def _first_known(key: pd.DataFrame, values: pd.Series) -> pd.Series:
    """The first value that is there among the rows of a judgement: its first row alone may lack it."""
    groups = key.groupby(list(key.columns), sort=False, dropna=False).ngroup()
    return _known(values.groupby(groups).transform("first").fillna(""))


def _all_named(key: pd.DataFrame, values: pd.Series) -> pd.Series:
    """Every group that the rows of a judgement name, each once in their order; a row without one is named too."""
    groups = key.groupby(list(key.columns), sort=False, dropna=False).ngroup()
    named = pd.DataFrame({"judgement": groups, "group": values.fillna("")}).drop_duplicates()
    joined = named.groupby("judgement")["group"].agg(GROUP_SEPARATOR.join)
    return groups.map(joined).astype(object)


def _known(values: pd.Series) -> pd.Series:
    missing = values.str.strip().str.lower().isin(_MISSING)
    return values.astype(object).where(~missing, None)


def _group_name(text: str) -> str:
    """Lower case, single spaces, `a, b` between several groups."""
    return ", ".join(part for part in (" ".join(piece.lower().split()) for piece in text.split(",")) if part)


def _age_band_years(slug: str, parameters: Mapping[str, int | float | str]) -> int:
    width = parameters.get("age_band_years", 1)
    unknown = sorted(set(parameters) - {"age_band_years"})
    if unknown or not isinstance(width, int) or width < 1:
        found = ", ".join(f"{name}: {value}" for name, value in parameters.items())
        raise CorpusError(
            f"corpus '{slug}', parameters: allowed is age_band_years (a whole number, 1 or more); found {found}"
        )
    return width


def _ages(values: pd.Series, width: int) -> pd.Series:
    """Whole years as text ("34.0" -> "34"), or bands of `width` years ("30-39"); other text is kept."""
    years = pd.to_numeric(values, errors="coerce")
    whole = years.fillna(0).astype(int)
    start = whole // width * width
    text = whole.astype(str) if width == 1 else start.astype(str) + "-" + (start + width - 1).astype(str)
    return text.where(years.notna(), values.str.strip())
