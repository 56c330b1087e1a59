"""The last step of every reader: raw rows, in the platform's own columns, become the two tables and their facts."""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bias_platform.corpora.cleaning import clean_posts
from bias_platform.corpora.pictures import content_names
from bias_platform.corpora.pseudonyms import pseudonymise
from bias_platform.errors import CorpusError, counted
from bias_platform.schemas import Annotations, Items, validate_table

ATTRIBUTE_PREFIX = "annotator_"
GROUP_SEPARATOR = " | "
"""Between the groups that one judgement names."""
SPLIT_PRIORITY = ("test", "dev", "train")
"""A text in several splits belongs to the first of these: what is tested must not have been learnt."""


class CorpusTables(NamedTuple):
    """A corpus as the rest of the platform sees it."""

    items: pd.DataFrame
    """table `Items`"""
    annotations: pd.DataFrame
    """table `Annotations`, with one text column `annotator_<attribute>` an attribute"""
    facts: dict[str, Any]
    """counts of what was read, merged, dropped and changed; JSON values only"""
    pictures: Mapping[str, Path] = MappingProxyType({})
    """file name in the column `picture` of items -> the source's file; empty for a corpus of texts"""

    def without(self, item_ids: Collection[str]) -> "CorpusTables":
        """The same corpus without some posts and the pictures only they have; the facts are those of what is left."""
        items, annotations = (
            table[~table["item_id"].isin(list(item_ids))].reset_index(drop=True)
            for table in (self.items, self.annotations)
        )
        gone = len(self.items) - len(items)
        if not gone:
            return self
        counts = _table_facts(items, annotations, free_labels="labels" not in self.facts)
        facts = {**self.facts, **counts, "withdrawn_posts": gone}
        left = set(items["picture"].dropna()) if "picture" in items else set()
        pictures = {name: file for name, file in self.pictures.items() if name in left}
        return CorpusTables(items, annotations, facts, pictures)


def item_ids(corpus: str, texts: Iterable[str], pictures: Iterable[str | None]) -> list[str]:
    """16 hex digits each: the corpus, the cleaned text and what the picture holds make the id, nothing else.

    Args:
        corpus: its slug.
        texts: cleaned, so that no NUL is in them.
        pictures: names by content, aligned with the texts; None where there is none.
    """
    prefix = hashlib.blake2b(f"{corpus}\x00".encode(), digest_size=8)
    ids = []
    for text, picture in zip(texts, pictures, strict=True):
        digest = prefix.copy()
        digest.update(text.encode() if picture is None else f"{text}\x00{picture}".encode())
        ids.append(digest.hexdigest())
    return ids


def assemble(
    corpus: str, rows: pd.DataFrame, decode_html: bool, facts: dict[str, Any], *, free_labels: bool = False
) -> CorpusTables:
    """Makes the tables of a corpus.

    Args:
        corpus: its slug.
        rows: one row a judgement (or an unlabelled post): row (number in the source), text (raw), source_id,
            target_group, split, annotator, label (object; None where missing), annotators (int: how many people the
            row stands for) and `annotator_<attribute>` columns (text; None where missing). Where the source has
            them also picture (path of a file; None where missing), source_rows (int: rows that hold the judgement)
            and target_groups (text: all groups they name, between GROUP_SEPARATOR).
        decode_html: turn HTML entities of the posts into characters.
        facts: what the reader already knows; extended here.
        free_labels: labels are what people wrote: facts, which everybody sees, then do not show them.

    Raises:
        CorpusError: no post is left, or pictures cannot be read.
    """
    read = int(rows["row"].nunique())
    rows, pictures = _named_pictures(corpus, rows)
    cleaned = clean_posts(rows["text"], decode_html)
    empty = (cleaned.texts == "") & (rows["picture"].isna() if "picture" in rows else True)
    dropped = int(rows.loc[empty, "row"].nunique())
    rows = rows.assign(text=cleaned.texts)[~empty].reset_index(drop=True)
    if rows.empty:
        raise CorpusError(f"corpus '{corpus}' holds no post: {counted(read, 'row')} read, all with an empty text")
    rows.insert(0, "item_id", _item_id_column(corpus, rows))
    items, in_several = _items(rows)
    annotations = _annotations(corpus, rows)
    counts = {
        "rows": read,
        "dropped_empty_posts": dropped,
        "posts_in_several_splits": in_several,
        "posts_changed_by_cleaning": {rule: n for rule, n in cleaned.changed.items() if n},
    }
    validate_table(items, Items, f"items of {corpus}")
    validate_table(annotations, Annotations, f"annotations of {corpus}")
    facts = {**counts, **facts, **_table_facts(items, annotations, free_labels=free_labels)}
    return CorpusTables(items, annotations, facts, pictures)


def _named_pictures(corpus: str, rows: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Path]]:
    """The rows with pictures named by content, and the first file of each name; rows of a corpus of texts as is."""
    if "picture" not in rows:
        return rows, {}
    names = content_names(corpus, rows["picture"].dropna())
    column = rows["picture"].map(names).astype(object)
    files: dict[str, Path] = {}
    for file, name in names.items():
        files.setdefault(name, file)
    return rows.assign(picture=column.where(column.notna(), None)), files


def _item_id_column(corpus: str, rows: pd.DataFrame) -> list[str]:
    """The id of each row's item; each distinct text and picture is hashed once."""
    pictures = rows["picture"] if "picture" in rows else [None] * len(rows)
    shown = list(zip(rows["text"], pictures, strict=True))
    distinct = list(dict.fromkeys(shown))
    ids = item_ids(corpus, (text for text, _ in distinct), (picture for _, picture in distinct))
    known = dict(zip(distinct, ids, strict=True))
    return [known[key] for key in shown]


def attribute_columns(annotations: pd.DataFrame) -> list[str]:
    """The columns that hold what is known of annotators, `annotator_<attribute>`."""
    return [name for name in annotations.columns if name.startswith(ATTRIBUTE_PREFIX) and name != "annotator_id"]


def _items(rows: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    first_rows = rows.drop_duplicates("item_id").reset_index(drop=True)
    items = first_rows[["item_id", "text"]].copy()
    items["target_group"] = _most_frequent(rows, "target_group", items["item_id"])
    rank = {split: place for place, split in enumerate(SPLIT_PRIORITY)}
    splits = rows[["item_id", "split"]].dropna().drop_duplicates()
    order = splits.assign(rank=splits["split"].map(rank).fillna(len(rank))).sort_values(["rank", "split"])
    items["split"] = _aligned(order.drop_duplicates("item_id").set_index("item_id")["split"], items["item_id"])
    first = rows[["item_id", "source_id"]].dropna().drop_duplicates("item_id").set_index("item_id")["source_id"]
    items["source_id"] = _aligned(first, items["item_id"])
    if "picture" in rows:
        items["picture"] = first_rows["picture"]
    return items, int(splits["item_id"].duplicated().sum())


def _most_frequent(rows: pd.DataFrame, column: str, ids: pd.Series) -> pd.Series:
    """The commonest value of each item, weighted by annotators; ties go to the alphabetically first."""
    known = rows[rows[column].notna()]
    counts = known.groupby(["item_id", column], sort=False)["annotators"].sum().rename("n").reset_index()
    best = counts.sort_values(["n", column], ascending=[False, True]).drop_duplicates("item_id")
    return _aligned(best.set_index("item_id")[column], ids)


def _aligned(values: pd.Series, ids: pd.Series) -> pd.Series:
    found = ids.map(values).astype(object)
    return found.where(found.notna(), None)


def _annotations(corpus: str, rows: pd.DataFrame) -> pd.DataFrame:
    judged = rows[rows["label"].notna() & (rows["annotators"] > 0)].reset_index(drop=True)
    attributes = attribute_columns(judged)
    table = pd.DataFrame(
        {
            "item_id": judged["item_id"].astype(object),
            "annotator_id": pseudonymise(corpus, judged["annotator"]),
            "label": judged["label"].astype(object),
            "annotators": judged["annotators"].astype(np.int64),
        }
    )
    if "source_rows" in judged:
        table["source_rows"] = judged["source_rows"].astype(np.int64)
    if "target_groups" in judged:
        table["target_groups"] = judged["target_groups"].astype(object)
    for name in attributes:
        column = judged[name].astype(object)
        table[name] = column.where(column.notna(), None)
    return table


def _table_facts(items: pd.DataFrame, annotations: pd.DataFrame, *, free_labels: bool) -> dict[str, Any]:
    weights = annotations["annotators"]
    labels = {} if free_labels else {"labels": shown_counts(weights.groupby(annotations["label"]).sum())}
    pictured = {"pictures": int(items["picture"].nunique())} if "picture" in items else {}
    return {
        "items": len(items),
        **pictured,
        "annotations": int(weights.sum()),
        "items_without_annotation": int((~items["item_id"].isin(annotations["item_id"])).sum()),
        "annotators": int(annotations["annotator_id"].nunique()),
        **labels,
        "splits": shown_counts(items["split"].fillna("(none)").value_counts()),
        "target_groups": int(items["target_group"].nunique()),
        "annotator_attributes": {
            name.removeprefix(ATTRIBUTE_PREFIX): shown_counts(annotations[name].fillna("(missing)").value_counts())
            for name in attribute_columns(annotations)
        },
    }


def shown_counts(counts: pd.Series) -> dict[str, int]:
    """At most 40 values, the commonest first, so that facts stay readable in the UI."""
    ordered = counts.sort_index().sort_values(ascending=False, kind="stable")
    shown = {str(name): int(n) for name, n in ordered.head(40).items()}
    rest = len(ordered) - len(shown)
    return {**shown, f"({rest} more values)": int(ordered.iloc[40:].sum())} if rest else shown
