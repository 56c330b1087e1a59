"""The last step of every reader: raw rows, in the platform's own columns, become the two tables and their facts."""

import hashlib
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bias_platform.corpora.cleaning import clean_posts
from bias_platform.corpora.pseudonyms import pseudonymise
from bias_platform.errors import CorpusError, counted
from bias_platform.schemas import Annotations, Items, validate_table

ATTRIBUTE_PREFIX = "annotator_"
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

    def without(self, item_ids: Collection[str]) -> "CorpusTables":
        """The same corpus without some posts; the facts are those of what is left."""
        items, annotations = (
            table[~table["item_id"].isin(list(item_ids))].reset_index(drop=True)
            for table in (self.items, self.annotations)
        )
        gone = len(self.items) - len(items)
        if not gone:
            return self
        return CorpusTables(
            items, annotations, {**self.facts, **_table_facts(items, annotations), "withdrawn_posts": gone}
        )


def item_ids(corpus: str, texts: Iterable[str]) -> list[str]:
    """16 hex digits each: the corpus and the cleaned text make the id, nothing else."""
    prefix = hashlib.blake2b(f"{corpus}\x00".encode(), digest_size=8)
    ids = []
    for text in texts:
        digest = prefix.copy()
        digest.update(text.encode())
        ids.append(digest.hexdigest())
    return ids


def assemble(corpus: str, rows: pd.DataFrame, decode_html: bool, facts: dict[str, Any]) -> CorpusTables:
    """Makes the tables of a corpus.

    Args:
        corpus: its slug.
        rows: one row a judgement (or an unlabelled post): row (number in the source), text (raw), source_id,
            target_group, split, annotator, label (object; None where missing), annotators (int: how many people the
            row stands for) and `annotator_<attribute>` columns (text; None where missing).
        decode_html: turn HTML entities of the posts into characters.
        facts: what the reader already knows; extended here.

    Raises:
        CorpusError: no post is left.
    """
    read = int(rows["row"].nunique())
    cleaned = clean_posts(rows["text"], decode_html)
    empty = cleaned.texts == ""
    dropped = int(rows.loc[empty, "row"].nunique())
    rows = rows.assign(text=cleaned.texts)[~empty].reset_index(drop=True)
    if rows.empty:
        raise CorpusError(f"corpus '{corpus}' holds no post: {counted(read, 'row')} read, all with an empty text")
    ids = dict(zip(texts := rows["text"].unique(), item_ids(corpus, texts), strict=True))
    rows.insert(0, "item_id", rows["text"].map(ids))
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
    return CorpusTables(items, annotations, {**counts, **facts, **_table_facts(items, annotations)})


def attribute_columns(annotations: pd.DataFrame) -> list[str]:
    """The columns that hold what is known of annotators, `annotator_<attribute>`."""
    return [name for name in annotations.columns if name.startswith(ATTRIBUTE_PREFIX) and name != "annotator_id"]


def _items(rows: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    items = rows.drop_duplicates("item_id")[["item_id", "text"]].reset_index(drop=True)
    items["target_group"] = _most_frequent(rows, "target_group", items["item_id"])
    rank = {split: place for place, split in enumerate(SPLIT_PRIORITY)}
    splits = rows[["item_id", "split"]].dropna().drop_duplicates()
    order = splits.assign(rank=splits["split"].map(rank).fillna(len(rank))).sort_values(["rank", "split"])
    items["split"] = _aligned(order.drop_duplicates("item_id").set_index("item_id")["split"], items["item_id"])
    first = rows[["item_id", "source_id"]].dropna().drop_duplicates("item_id").set_index("item_id")["source_id"]
    items["source_id"] = _aligned(first, items["item_id"])
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
    for name in attributes:
        column = judged[name].astype(object)
        table[name] = column.where(column.notna(), None)
    return table


def _table_facts(items: pd.DataFrame, annotations: pd.DataFrame) -> dict[str, Any]:
    weights = annotations["annotators"]
    return {
        "items": len(items),
        "annotations": int(weights.sum()),
        "items_without_annotation": int((~items["item_id"].isin(annotations["item_id"])).sum()),
        "annotators": int(annotations["annotator_id"].nunique()),
        "labels": _counts(weights.groupby(annotations["label"]).sum()),
        "splits": _counts(items["split"].fillna("(none)").value_counts()),
        "target_groups": int(items["target_group"].nunique()),
        "annotator_attributes": {
            name.removeprefix(ATTRIBUTE_PREFIX): _counts(annotations[name].fillna("(missing)").value_counts())
            for name in attribute_columns(annotations)
        },
    }


def _counts(counts: pd.Series) -> dict[str, int]:
    """At most 40 values, the commonest first, so that facts stay readable in the UI."""
    ordered = counts.sort_index().sort_values(ascending=False, kind="stable")
    shown = {str(name): int(n) for name, n in ordered.head(40).items()}
    rest = len(ordered) - len(shown)
    return {**shown, f"({rest} more values)": int(ordered.iloc[40:].sum())} if rest else shown
