"""What is exported is what the ledger holds; texts only when they are asked for."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from bias_platform.errors import ArtifactError, UserError
from bias_platform.inference.ledger import Ledger
from bias_platform.inference.ledger_damage import DamagedLedgerError
from bias_platform.inference.ledger_export import export_ledger
from bias_platform.inference.outcomes import Outcome
from bias_platform_tests.inference.made_outcomes import SCORES, answered, cell, failed, write_first_shape, written

QUOTED = 'I would rather not say that "the garden" is,\nwell, rude.'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite"
    with Ledger.open(path) as ledger:
        ledger.append([answered(1), failed(2, transient=True)])
        refused = Outcome(cell(3), "item3", "refused", None, None, QUOTED, f"declined: {QUOTED}", False, "length", 9, 3)
        ledger.append([written(4, "Yes!"), refused])
    return path


def test_parquet_holds_every_outcome(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "new" / "outcomes.parquet"
    assert export_ledger(path, target, texts=True) == 4
    table = pq.read_table(target)
    assert pq.ParquetFile(target).metadata.row_group(0).column(0).compression == "ZSTD"
    rows = {row["cell_id"]: row for row in table.to_pylist()}
    assert set(rows) == {cell(number) for number in (1, 2, 3, 4)}
    np.testing.assert_array_equal(rows[cell(1)]["option_logprobs"], SCORES - 1)
    assert rows[cell(2)]["detail"] == "out of memory: 9 tokens"
    assert [rows[cell(number)]["transient"] for number in (1, 2)] == [False, True]
    assert (rows[cell(3)]["raw_text"], rows[cell(3)]["detail"]) == (QUOTED, f"declined: {QUOTED}")
    counts = ("finish", "input_tokens", "output_tokens", "batch", "item_id")
    assert [rows[cell(3)][name] for name in counts] == ["length", 9, 3, 2, "item3"]
    assert str(table.schema.field("written_at").type) == "timestamp[ms, tz=UTC]"
    assert abs(rows[cell(4)]["written_at"].timestamp() - path.stat().st_mtime) < 60


def test_texts_are_hidden_unless_asked_for(path: Path, tmp_path: Path) -> None:
    for name in ("outcomes.parquet", "outcomes.csv"):
        export_ledger(path, tmp_path / name)
        assert b"garden" not in (tmp_path / name).read_bytes()
    table = pq.read_table(tmp_path / "outcomes.parquet")
    assert "raw_text" not in table.column_names
    details = dict(zip(table["cell_id"].to_pylist(), table["detail"].to_pylist(), strict=True))
    assert details == {cell(1): None, cell(2): "out of memory: 9 tokens", cell(3): "declined", cell(4): None}
    export_ledger(path, tmp_path / "free.parquet", answers=False)
    assert "answer" not in pq.read_table(tmp_path / "free.parquet").column_names


def test_csv_says_the_same(path: Path, tmp_path: Path) -> None:
    export_ledger(path, tmp_path / "outcomes.csv", texts=True)
    export_ledger(path, tmp_path / "outcomes.parquet", texts=True)
    table = pd.read_csv(tmp_path / "outcomes.csv", dtype={"cell_id": str}).set_index("cell_id")
    exact = pq.read_table(tmp_path / "outcomes.parquet").to_pandas().set_index("cell_id")
    assert list(table.columns) == list(exact.columns)
    assert json.loads(table.loc[cell(1), "option_logprobs"]) == (SCORES - 1).tolist()
    assert table.loc[cell(3), "raw_text"] == QUOTED
    assert table["outcome"].tolist() == exact["outcome"].tolist()
    assert table["answer"].isna().tolist() == exact["answer"].isna().tolist()


def test_many_parts_make_one_file(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bias_platform.inference.ledger_export._ROWS_AT_ONCE", 7)
    with Ledger.open(path) as ledger:
        ledger.append(map(answered, range(100, 200)))
    for name in ("a.parquet", "a.csv"):
        assert export_ledger(path, tmp_path / name) == 104
    assert len(pd.read_csv(tmp_path / "a.csv")) == len(pd.read_parquet(tmp_path / "a.parquet")) == 104


def test_a_ledger_of_the_first_version_and_none_at_all(tmp_path: Path) -> None:
    write_first_shape(tmp_path / "first.sqlite", 5)
    assert export_ledger(tmp_path / "first.sqlite", tmp_path / "first.parquet") == 6
    assert pd.read_parquet(tmp_path / "first.parquet")["written_at"].isna().all()
    assert export_ledger(tmp_path / "none.sqlite", tmp_path / "none.csv") == 0
    assert (tmp_path / "none.csv").read_text().startswith('"cell_id","item_id","outcome"')


def test_what_is_damaged_is_not_exported_and_an_older_file_stays(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "outcomes.csv"
    target.write_text("older")
    path.write_bytes(path.read_bytes().replace(b"Yes!", b"No!!", 1))
    with pytest.raises(DamagedLedgerError, match="no longer as written"):
        export_ledger(path, target)
    assert target.read_text() == "older"
    assert not list(tmp_path.glob(".outcomes*"))


def test_wrong_targets_are_said(path: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"says no format; use one of \.parquet, \.csv"):
        export_ledger(path, tmp_path / "outcomes.xlsx")
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="cannot be written"):
        export_ledger(path, tmp_path / "file" / "outcomes.csv")
