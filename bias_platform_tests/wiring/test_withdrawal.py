"""A withdrawn post is gone from tables, ledgers and reports, and does not come back; everything else stays answered."""

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pandas as pd
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from bias_platform.command import app
from bias_platform.errors import LedgerBusyError, UserError
from bias_platform.inference.ledger import Ledger
from bias_platform.orchestration.recording import latest_record
from bias_platform.orchestration.withdrawal import find_items, forget_items, resolve_ids
from bias_platform.storage import Lake, read_manifest, read_table, verify_artifact, write_table
from bias_platform.storage.withdrawn import withdrawn_items
from bias_platform_tests.wiring.conftest import STUDY, Workplace

SYSTEMS = ["tiny", "tiny+people", "tiny+people@nf4"]
CELLS_OF_A_POST = 3 * 2 + 1


def _asked(place: Workplace) -> pd.DataFrame:
    """The posts of the study."""
    return read_table(place.house().lake.questions(STUDY) / "items.parquet", STUDY)


def _forget(place: Workplace, *words: str) -> str:
    result = CliRunner().invoke(app, ["forget", *words], env=place.environment)
    assert result.exit_code == 0, result.output
    return result.stdout


def _values_in_tables(lake: Lake) -> Iterator[tuple[Path, set[str]]]:
    """Every text in every Parquet file: compressed, they would not be found in the bytes."""
    for path in lake.home.rglob("*.parquet"):
        table = pq.read_table(path).to_pandas().select_dtypes("object")
        yield path, {str(value) for column in table.columns for value in table[column].dropna()}


def _holders(lake: Lake, item: str, text: str) -> list[Path]:
    """Files that hold the post or its id: tables by their values, everything else by its bytes."""
    found = [
        path for path, values in _values_in_tables(lake) if item in values or any(text in value for value in values)
    ]
    for path in lake.home.rglob("*"):
        if path.is_file() and path.suffix != ".parquet":
            content = path.read_bytes()
            if text.encode() in content or item.encode() in content:
                found.append(path)
    return found


def _ledger(lake: Lake, system: str) -> pd.DataFrame:
    with sqlite3.connect(f"file:{lake.ledger(system, 'offence')}?mode=ro", uri=True) as connection:
        return pd.read_sql("select rowid, * from cells order by cell_id", connection).set_index("cell_id")


def test_a_post_is_gone_from_everywhere_at_once(workplace: Workplace) -> None:
    lake = workplace.house().lake
    item, text = _asked(workplace).loc[0, ["item_id", "text"]]
    before = {system: _ledger(lake, system) for system in SYSTEMS}
    assert len(_holders(lake, item, text)) > 10
    said = _forget(workplace, "--item-id", item)
    assert _holders(lake, item, text) == [lake.home / "withdrawn.json"]
    assert text not in (lake.home / "withdrawn.json").read_text()
    assert withdrawn_items(lake) == {item}
    assert not list(lake.home.glob("reports/*"))
    for system in SYSTEMS:
        assert f"{lake.ledger(system, 'offence')}: {CELLS_OF_A_POST} outcomes deleted" in said
        left = before[system][before[system]["item_id"] != item]
        pd.testing.assert_frame_equal(_ledger(lake, system), left)
    for manifest in lake.home.rglob("manifest.json"):
        verify_artifact(manifest.parent, manifest.parent.name)


def test_it_does_not_come_back_and_only_the_post_drawn_instead_is_asked(
    workplace: Workplace, instance: dg.DagsterInstance
) -> None:
    workplace.edit("[tiny, tiny+people, tiny+people@nf4]", "[tiny]")
    house = workplace.house()
    lake = house.lake
    posts = _asked(workplace)
    item, text = posts.loc[3, ["item_id", "text"]]
    before = _ledger(lake, "tiny")
    learnt = read_manifest(lake.base("tiny"), "tiny")
    _forget(workplace, "--item-id", item)
    workplace.run_plan(instance)
    # it had not been learnt from, so nothing is trained again
    assert read_manifest(lake.base("tiny"), "tiny") == learnt
    # the corpus's record says which ids were left out of it
    ids_only = {lake.home / "withdrawn.json", lake.corpus("posts") / "manifest.json"}
    assert set(_holders(lake, item, text)) == ids_only
    assert not any(text in path.read_text("utf-8") for path in ids_only)
    now = _asked(workplace)
    assert set(posts["item_id"]) - set(now["item_id"]) == {item}
    assert len(now) == len(posts)
    page = (lake.report(STUDY, "regression") / "report.html").read_text("utf-8")
    assert "Who takes offence?" in page
    after = _ledger(lake, "tiny")
    kept = before[before["item_id"] != item]
    pd.testing.assert_frame_equal(after.loc[kept.index], kept)
    assert len(after) - len(kept) == CELLS_OF_A_POST
    asked = [
        latest_record(instance, house.keys.predictions(STUDY), f"tiny|{persona}")
        .asset_materialization.metadata["cells_asked"]
        .value
        for persona in ("man", "woman", "anybody", "no-persona")
    ]
    assert asked == [2, 2, 2, 1]
    assert all(line.endswith("current") for line in workplace.run_plan(instance))


def test_a_post_is_found_by_its_text(workplace: Workplace, tmp_path: Path) -> None:
    lake = workplace.house().lake
    item, text = _asked(workplace).loc[1, ["item_id", "text"]]
    (tmp_path / "post.txt").write_text(f"  {text}\n", "utf-8")
    _forget(workplace, "--text-file", str(tmp_path / "post.txt"))
    assert _holders(lake, item, text) == [lake.home / "withdrawn.json"]


def test_the_text_may_be_as_the_source_has_it(tmp_path: Path) -> None:
    """Handles and links are masked on reading: whoever withdraws a post sends the original."""
    lake = Lake(tmp_path, "any")
    lake.corpus("tweets").mkdir(parents=True)
    texts = ["@user so true &amp; fine http://…", "@user so true & fine http://…", "so true", "so"]
    table = pd.DataFrame({"item_id": list("abcd"), "text": texts})
    write_table(table, lake.corpus("tweets") / "items.parquet")
    original = "@a_real_person so true &amp; fine https://example.org/1\n"
    assert find_items(lake, original) == ["a", "b"]
    assert find_items(lake, "so true") == ["c"]
    # a NUL must not end the comparison: this would delete somebody else's post
    assert find_items(lake, "so\x00 true") == ["c"]
    with pytest.raises(UserError, match=r"no published corpus .* --item-id"):
        find_items(lake, "so tr")
    with pytest.raises(UserError, match=r"the text is empty; name a picture without text by --item-id"):
        find_items(lake, " ")


def test_an_unknown_id_is_said_and_costs_nothing(workplace: Workplace) -> None:
    lake = workplace.house().lake
    before = {path: path.stat().st_mtime_ns for path in lake.home.rglob("*.parquet")}
    said = _forget(workplace, "--item-id", "0123456789abcdef")
    assert f"0123456789abcdef: in no table of {lake.home}; noted" in said
    assert "done" not in said
    assert {path: path.stat().st_mtime_ns for path in lake.home.rglob("*.parquet")} == before
    assert (lake.report(STUDY, "regression") / "report.html").exists()
    assert withdrawn_items(lake) == {"0123456789abcdef"}


def test_a_post_may_be_named_by_the_id_of_its_source(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "any")
    for corpus, item in (("tweets", "a" * 16), ("posts", "b" * 16)):
        lake.corpus(corpus).mkdir(parents=True)
        table = pd.DataFrame({"item_id": [item, "c" * 16], "source_id": ["p3", None], "text": ["so", "other"]})
        write_table(table, lake.corpus(corpus) / "items.parquet")
    assert resolve_ids(lake, ["p3"]) == ["a" * 16, "b" * 16]
    assert resolve_ids(lake, ["d" * 16, "c" * 16]) == ["c" * 16, "d" * 16]
    with pytest.raises(UserError, match=r"has a post of id p4, p5, neither .* nothing was deleted"):
        resolve_ids(lake, ["p3", "p4", "p5"])


def test_half_done_work_is_finished_by_the_same_call(workplace: Workplace) -> None:
    lake = workplace.house().lake
    item, text = _asked(workplace).loc[2, ["item_id", "text"]]
    work = forget_items(lake, [item])
    for line in work:  # killed after the first ledger
        if "outcomes deleted" in line:
            break
    work.close()
    assert item in withdrawn_items(lake)
    assert len(_holders(lake, item, text)) > 1
    _forget(workplace, "--item-id", item)
    assert _holders(lake, item, text) == [lake.home / "withdrawn.json"]


def test_what_a_killed_process_left_half_written_goes_too(workplace: Workplace) -> None:
    lake = workplace.house().lake
    item, text = _asked(workplace).loc[4, ["item_id", "text"]]
    corpus = lake.corpus("posts")
    nobody = 2**22 + 1  # beyond every process id
    shutil.copytree(corpus, corpus.parent / f".posts.staging-{nobody}-0123abcd", ignore=lambda *_: ["manifest.json"])
    shutil.copytree(corpus, corpus.parent / f".posts.retired-{nobody}-0123abcd", ignore=lambda *_: ["manifest.json"])
    only_copy = corpus.parent / f".other.retired-{nobody}-0123abcd"
    shutil.copytree(corpus, only_copy)
    _forget(workplace, "--item-id", item)
    assert _holders(lake, item, text) == [lake.home / "withdrawn.json"]
    assert sorted(path.name for path in corpus.parent.iterdir()) == [only_copy.name, "posts"]


def test_a_study_that_is_being_asked_is_not_disturbed(workplace: Workplace) -> None:
    lake = workplace.house().lake
    item = _asked(workplace).loc[0, "item_id"]
    with (
        Ledger.open(lake.ledger("tiny+people", "offence")),
        pytest.raises(LedgerBusyError, match="is being written by process"),
    ):
        list(forget_items(lake, [item]))
    assert item in set(_asked(workplace)["item_id"])
    assert item in withdrawn_items(lake)
