"""Any CSV, JSONL or Parquet file whose columns a catalog entry names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bias_platform.catalog.entries import ColumnMapping, CorpusEntry
from bias_platform.corpora.assembly import ATTRIBUTE_PREFIX, CorpusTables, assemble
from bias_platform.corpora.raw_files import as_texts, read_columns, row_examples
from bias_platform.errors import CorpusError, bullet_list, counted


class _Texts(NamedTuple):
    """The mapped columns as text, and what is wrong in them."""

    columns: dict[str, pd.Series]
    problems: list[str]


def read_table_corpus(slug: str, entry: CorpusEntry) -> CorpusTables:
    """Reads one file as its `columns` say.

    A row is one judgement (`label`), one post with counts of judgements (`label_counts`), or one post without any.

    Raises:
        CorpusError: a missing file or columns; or all wrong values of the file at once, with their rows.
    """
    mapping = entry.columns
    if mapping is None:
        raise CorpusError(f"corpus '{slug}': the reader 'table' needs `columns`: at least which column is the `text`")
    path = Path(entry.path or "")
    try:
        raw = read_columns(path, entry.format, _mapped(mapping))
    except CorpusError as error:
        source = f" (it comes from {entry.source})" if entry.source and not path.exists() else ""
        raise CorpusError(f"corpus '{slug}' cannot be read: {error}{source}") from None
    if raw.empty:
        raise CorpusError(f"corpus '{slug}': {path} has a header but no row")
    texts = _texts(raw, mapping)
    judged, label_problems = _judged(texts.columns, mapping, entry.label_values)
    if problems := texts.problems + label_problems:
        raise CorpusError(f"corpus '{slug}': {path} holds wrong values:\n{bullet_list(problems)}")
    facts: dict[str, Any] = {**_unlabelled(judged, mapping), **_id_facts(texts.columns, mapping)}
    return assemble(slug, _rows(texts.columns, judged, mapping), entry.decode_html, facts)


def _mapped(mapping: ColumnMapping) -> list[str]:
    single = (mapping.text, mapping.id, mapping.label, mapping.target_group, mapping.annotator, mapping.split)
    named = [name for name in single if name is not None]
    return [*named, *mapping.label_counts, *mapping.annotator_attributes.values()]


def _texts(raw: pd.DataFrame, mapping: ColumnMapping) -> _Texts:
    columns: dict[str, pd.Series] = {}
    problems: list[str] = []
    for name in raw.columns:
        is_post = name == mapping.text
        columns[name], wrong = as_texts(raw[name], strict=is_post)
        if wrong:
            what = "text" if is_post else "a text, number or truth value"
            problems.append(f"column '{name}': {row_examples(wrong)} do not hold {what}")
    return _Texts(columns, problems)


def _judged(
    columns: Mapping[str, pd.Series], mapping: ColumnMapping, label_values: Mapping[str, str]
) -> tuple[pd.DataFrame, list[str]]:
    """Columns row (of the file, from 0), label, annotators; rows without a judgement have label None."""
    n = len(columns[mapping.text])
    if mapping.label_counts:
        return _counted(columns, mapping.label_counts)
    label = pd.Series([None] * n, dtype=object)
    problems: list[str] = []
    if mapping.label is not None:
        label, problems = _options(mapping.label, columns[mapping.label], label_values)
    return pd.DataFrame({"row": np.arange(n), "label": label, "annotators": 1}), problems


def _options(name: str, raw: pd.Series, label_values: Mapping[str, str]) -> tuple[pd.Series, list[str]]:
    plain = raw.map(_plain)
    if not label_values:
        return plain.where(plain != "", None), []
    known = {_plain(value): option for value, option in label_values.items()}
    label = plain.map(known).astype(object)
    counts = plain[label.isna() & (plain != "")].value_counts().sort_index()
    problems = [
        f"column '{name}': the value '{value}' ({counted(n, 'row')}) is not in `label_values`"
        for value, n in counts.items()
    ]
    if problems:
        problems[-1] += f" (there are: {', '.join(repr(value) for value in label_values)})"
    return label.where(label.notna(), None), problems


def _plain(text: str) -> str:
    """A label without surrounding space; `1`, `1.0` and `01` are one label."""
    text = text.strip()
    try:
        return format(float(text), "g") if text[:1] in "+-.0123456789" and text else text
    except ValueError:
        return text


def _counted(columns: Mapping[str, pd.Series], label_counts: Mapping[str, str]) -> tuple[pd.DataFrame, list[str]]:
    problems: list[str] = []
    parts = []
    for name, option in label_counts.items():
        texts = columns[name].str.strip()
        numbers = pd.to_numeric(texts.where(texts != "", "0"), errors="coerce")
        wrong = numbers.isna() | (numbers < 0) | (numbers % 1 != 0)
        if wrong.any():
            rows = [int(row) + 1 for row in numbers.index[wrong]]
            problems.append(f"column '{name}': {row_examples(rows)} hold no count (a whole number, 0 or more)")
        counts = numbers.where(~wrong, 0).astype(np.int64)
        parts.append(pd.DataFrame({"row": np.arange(len(counts)), "label": option, "annotators": counts}))
    every = pd.concat(parts).groupby(["row", "label"], sort=False)["annotators"].sum().reset_index()
    every = every.sort_values("row", kind="stable")
    silent = every.groupby("row")["annotators"].transform("sum") == 0
    rest = every[silent].drop_duplicates("row").assign(label=None, annotators=1)
    kept = pd.concat([every[every["annotators"] > 0], rest]).sort_values("row", kind="stable")
    return kept.reset_index(drop=True), problems


def _unlabelled(judged: pd.DataFrame, mapping: ColumnMapping) -> dict[str, int]:
    if mapping.label is None and not mapping.label_counts:
        return {}
    return {"rows_without_label": int(judged["label"].isna().sum())}


def _id_facts(columns: Mapping[str, pd.Series], mapping: ColumnMapping) -> dict[str, int]:
    """Running numbers with gaps and repeated ids hint at rows lost or doubled before they came here."""
    if mapping.id is None:
        return {}
    ids = columns[mapping.id].str.strip()
    facts = {"rows_without_id": int((ids == "").sum())}
    if len(ids) and ids.str.fullmatch(r"\d{1,15}").all():
        numbers = np.unique(ids.astype(np.int64).to_numpy())
        facts["missing_running_numbers"] = int(numbers[-1] - numbers[0] + 1 - len(numbers))
    return facts


def _rows(columns: Mapping[str, pd.Series], judged: pd.DataFrame, mapping: ColumnMapping) -> pd.DataFrame:
    row = judged["row"].to_numpy()

    def column(name: str | None) -> pd.Series:
        if name is None:
            return pd.Series([None] * len(row), dtype=object)
        stripped = columns[name].str.strip().take(row).reset_index(drop=True).astype(object)
        return stripped.where(stripped != "", None)

    rows = pd.DataFrame(
        {
            "row": row,
            "text": columns[mapping.text].take(row).to_numpy(object),
            "source_id": column(mapping.id),
            "target_group": column(mapping.target_group),
            "split": column(mapping.split),
            "annotator": column(mapping.annotator),
            "label": judged["label"].to_numpy(object),
            "annotators": judged["annotators"].to_numpy(np.int64),
        }
    )
    for attribute, name in mapping.annotator_attributes.items():
        rows[f"{ATTRIBUTE_PREFIX}{attribute}"] = column(name)
    return rows
