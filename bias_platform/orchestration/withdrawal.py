"""Deleting withdrawn posts everywhere, and keeping them out of later readings."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from bias_platform.errors import UserError
from bias_platform.inference.ledger import Ledger
from bias_platform.storage import Lake, publish, read_manifest, read_table, write_table
from bias_platform.storage.manifest import MANIFEST
from bias_platform.storage.withdrawn import note_withdrawn


def find_items(lake: Lake, text: str) -> list[str]:
    """Ids of the posts with this text, as they stand in `items.parquet`.

    Raises:
        UserError: no published corpus has such a post.
    """
    wanted = text.strip()
    found: list[str] = []
    for path in sorted(lake.home.glob("corpora/*/items.parquet")):
        items = read_table(path, path.parent.name, ["item_id", "text"])
        found += items.loc[items["text"].str.strip() == wanted, "item_id"].tolist()
    if not found:
        raise UserError(
            f"no published corpus under {lake.home / 'corpora'} has this post; give its id by --item-id instead "
            "(column item_id of items.parquet)"
        )
    return found


def forget_items(lake: Lake, item_ids: Sequence[str]) -> Iterator[str]:
    """Deletes posts from all tables, ledgers and reports of a lake; yields a line for each thing changed.

    The ids are noted first, so that a crash in the middle loses nothing: the same call again finishes the work, and no
    later reading of a corpus brings the posts back. Reports are removed whole, because their numbers rest on the posts.

    Raises:
        UserError: no id was given.
    """
    if not item_ids:
        raise UserError("nothing to forget: give --item-id or --text-file")
    ids = set(item_ids)
    note_withdrawn(lake, ids)
    for manifest_path in sorted(lake.home.glob("**/" + MANIFEST)):
        yield from _forget_in_artifact(manifest_path.parent, ids)
    for path in sorted(lake.home.glob("ledger/*/*.sqlite")):
        with Ledger.open(path, wait=False) as ledger:
            rows = ledger.forget(sorted(ids))
        yield f"{path}: {rows} outcomes deleted"
    for folder in sorted(lake.home.glob("reports/*")):
        shutil.rmtree(folder)
        yield f"{folder}: report removed; materialize it again"
    yield "done: materialize the studies again; adapters that had learnt from these posts are now out of date"


def _forget_in_artifact(folder: Path, ids: set[str]) -> Iterator[str]:
    changed = {}
    for path in sorted(folder.rglob("*.parquet")):
        if "item_id" not in pq.read_schema(path).names:
            continue
        table = read_table(path, folder.name)
        kept = table[~table["item_id"].isin(ids)].reset_index(drop=True)
        if len(kept) < len(table):
            changed[path.relative_to(folder)] = kept
            yield f"{path}: {len(table) - len(kept)} rows deleted"
    if changed:
        _replace(folder, changed)


def _replace(folder: Path, changed: dict[Path, pd.DataFrame]) -> None:
    old = read_manifest(folder, folder.name)
    with publish(
        folder, old.name, code_version=old.code_version, inputs=old.inputs, parameters=old.parameters
    ) as staging:
        shutil.copytree(folder, staging.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(MANIFEST))
        staging.rows.update({name: file.rows for name, file in old.files.items() if file.rows is not None})
        staging.facts.update(old.facts)
        for name, table in changed.items():
            staging.rows[name.as_posix()] = write_table(table, staging.folder / name)
