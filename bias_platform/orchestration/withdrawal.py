"""Deleting withdrawn posts everywhere, and keeping them out of later readings."""

import re
import shutil
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pandas as pd
import psutil
import pyarrow.parquet as pq

from bias_platform.corpora.cleaning import clean_text
from bias_platform.errors import UserError
from bias_platform.inference.ledger import Ledger
from bias_platform.inference.ledger_recovery import files_set_aside
from bias_platform.storage import Lake, publish, read_manifest, read_table, write_table
from bias_platform.storage.manifest import MANIFEST
from bias_platform.storage.names import CHAT_EXAMPLES, ITEMS, PICTURES
from bias_platform.storage.withdrawn import note_withdrawn

_ITEM_ID = re.compile(r"[0-9a-f]{16}")


def find_items(lake: Lake, text: str) -> list[str]:
    """Ids of the posts with this text, be it as the source has it or as it stands in `items.parquet`.

    Raises:
        UserError: no published corpus has such a post, or the text is empty: so is that of every meme.
    """
    wanted = {text.strip(), clean_text(text), clean_text(text, decode_html=True)} - {""}
    if not wanted:
        raise UserError("the text is empty; name a picture without text by --item-id (its item_id or source_id)")
    found: list[str] = []
    for path in sorted(lake.home.glob(f"corpora/*/{ITEMS}")):
        items = read_table(path, path.parent.name, ["item_id", "text"])
        # not `isin`: pandas takes texts that are equal up to a NUL for the same
        found += items.loc[[text in wanted for text in items["text"]], "item_id"].tolist()
    if not found:
        raise UserError(
            f"no published corpus under {lake.home / 'corpora'} has this post; give its id by --item-id instead "
            "(column item_id of items.parquet)"
        )
    return found


def resolve_ids(lake: Lake, given: Sequence[str]) -> list[str]:
    """Item ids of posts named by item id or by the id that their source gives them.

    An item id of no published table is kept: the post may come with a later reading.

    Raises:
        UserError: names all that are neither.
    """
    of_source: dict[str, set[str]] = {}
    for path in sorted(lake.home.glob(f"corpora/*/{ITEMS}")):
        items = read_table(path, path.parent.name, ["item_id", "source_id"]).dropna()
        for item, source in zip(items["item_id"], items["source_id"], strict=True):
            of_source.setdefault(str(source), set()).add(item)
    unknown = [name for name in given if not (_ITEM_ID.fullmatch(name) or name in of_source)]
    if unknown:
        raise UserError(
            f"no published corpus under {lake.home / 'corpora'} has a post of id {', '.join(unknown)}, neither as "
            "item_id nor as source_id (both are columns of its items.parquet); nothing was deleted. A post can also "
            "be named by its text, with --text-file"
        )
    return sorted({item for name in given for item in of_source.get(name, {name})})


def forget_items(lake: Lake, item_ids: Sequence[str]) -> Iterator[str]:
    """Deletes posts from all tables, ledgers and reports of a lake; yields a line for each thing changed.

    The ids are noted first and the tables go last, so that a crash in the middle loses nothing: the same call again
    finishes the work, and no later reading of a corpus brings the posts back. Reports are removed whole, because their
    numbers rest on the posts.

    Raises:
        UserError: no id was given.
        LedgerBusyError: a study is being asked right now.
    """
    if not item_ids:
        raise UserError("nothing to forget: give --item-id or --text-file")
    ids = set(item_ids)
    note_withdrawn(lake, ids)
    _remove_half_written(lake)
    holding = _tables_holding(lake, ids)
    artifacts = sorted({_artifact_of(path, lake) for path in holding})
    for unknown in sorted(ids.difference(*holding.values())):
        yield f"{unknown}: in no table of {lake.home}; noted, so that no later reading brings it in"
    if holding:
        yield from _remove_reports(lake)
    yield from _forget_in_ledgers(lake, ids)
    for folder in artifacts:
        if folder.exists():  # a report is gone by now
            yield from _forget_in_artifact(folder, ids)
    if holding:
        yield "done: materialize the studies again; adapters that had learnt from these posts are now out of date"


def _remove_half_written(lake: Lake) -> None:
    """What a process was writing or replacing when it was killed holds posts, too. Nobody will ever read it."""
    for folder in [*lake.home.glob("**/.*.staging-*-*"), *lake.home.glob("**/.*.retired-*-*")]:
        name, process, _ = folder.name.rsplit("-", 2)
        published = folder.parent / name[1:].rpartition(".")[0]
        if name.endswith(".retired") and not published.exists():
            continue  # the only copy, and the next publication's to restore
        if not (process.isdigit() and psutil.pid_exists(int(process))):
            shutil.rmtree(folder, ignore_errors=True)


def _tables_holding(lake: Lake, ids: set[str]) -> dict[Path, set[str]]:
    """Tables with rows of the posts, and whose rows they are."""
    holding: dict[Path, set[str]] = {}
    for path in sorted(lake.home.glob("**/*.parquet")):
        if "item_id" in pq.read_schema(path).names:
            found = ids.intersection(read_table(path, path.parent.name, ["item_id"])["item_id"])
            if found:
                holding[path] = found
    return holding


def _artifact_of(table: Path, lake: Lake) -> Path:
    """The published folder that a table belongs to: the nearest one with a manifest."""
    parents = list(table.parents)
    for folder in parents[: parents.index(lake.home)]:
        if (folder / MANIFEST).is_file():
            return folder
    raise UserError(f"{table} holds a withdrawn post but belongs to nothing published: delete this file by hand")


def _remove_reports(lake: Lake) -> Iterator[str]:
    for folder in sorted(lake.home.glob("reports/*")):
        if folder.name.endswith("_power"):
            continue  # told before anything was asked: no post has gone into it
        shutil.rmtree(folder)
        yield f"{folder}: report removed; materialize it again"


def _forget_in_ledgers(lake: Lake, ids: set[str]) -> Iterator[str]:
    for path in sorted(lake.home.glob("ledger/*/*.sqlite")):
        with Ledger.open(path, wait=False) as ledger:
            rows = ledger.forget(sorted(ids))
        yield f"{path}: {rows} outcomes deleted"
        for aside in files_set_aside(path):
            aside.unlink()
            yield f"{aside}: damaged ledger deleted, it may hold the posts"


def _forget_in_artifact(folder: Path, ids: set[str]) -> Iterator[str]:
    changed = {}
    pictures: set[Path] = set()
    for path in sorted(folder.rglob("*.parquet")):
        if "item_id" not in pq.read_schema(path).names:
            continue
        table = read_table(path, folder.name)
        kept = table[~table["item_id"].isin(ids)].reset_index(drop=True)
        if len(kept) < len(table):
            changed[path.relative_to(folder)] = kept
            pictures |= _pictures_no_longer_shown(path.parent, table, kept)
            yield f"{path}: {len(table) - len(kept)} rows deleted"
    if changed:
        # the chat file says the same as the table of examples; it comes again with the next materialization
        gone = [*sorted(pictures), *sorted(folder.rglob(CHAT_EXAMPLES))]
        for path in gone:
            yield f"{path}: deleted"
        _replace(folder, changed, gone)


def _pictures_no_longer_shown(folder: Path, table: pd.DataFrame, kept: pd.DataFrame) -> set[Path]:
    """Files beside the table that only withdrawn items have."""
    if "picture" not in table:
        return set()
    names = set(table["picture"].dropna()) - set(kept["picture"].dropna())
    return {path for name in names if (path := folder / PICTURES / name).is_file()}


def _replace(folder: Path, changed: dict[Path, pd.DataFrame], gone: Collection[Path]) -> None:
    """Publishes a folder anew with some tables changed and some files left out."""
    old = read_manifest(folder, folder.name)
    left_out = {folder / MANIFEST, *gone}
    with publish(
        folder, old.name, code_version=old.code_version, inputs=old.inputs, parameters=old.parameters
    ) as staging:
        shutil.copytree(
            folder,
            staging.folder,
            dirs_exist_ok=True,
            ignore=lambda at, names: [name for name in names if Path(at, name) in left_out],
        )
        staging.rows.update({name: file.rows for name, file in old.files.items() if file.rows is not None})
        staging.facts.update(old.facts)
        for name, table in changed.items():
            staging.rows[name.as_posix()] = write_table(table, staging.folder / name)
