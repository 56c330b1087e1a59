"""A damaged ledger stops no study: it is set aside, rebuilt from what was published, and only the rest is asked."""

import shutil
import sqlite3
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from bias_platform.storage import read_table
from bias_platform_tests.wiring.conftest import STUDY, Workplace

ASKED_AGAIN = 12 * 2
"""cells of the persona whose table was lost with the ledger"""


def _published(place: Workplace) -> pd.DataFrame:
    folder = place.house().lake.predictions(STUDY) / "model=tiny"
    parts = [read_table(path, "part") for path in sorted(folder.glob("persona=*/part.parquet"))]
    return pd.concat(parts, ignore_index=True).sort_values("question_id", ignore_index=True)


def _overwrite(ledger: Path) -> None:
    """As a failing disk would: everything but the first page becomes noise."""
    size = ledger.stat().st_size
    with ledger.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))


def test_a_damaged_ledger_is_rebuilt_and_the_rest_asked_again(
    workplace: Workplace, instance: dg.DagsterInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    before = _published(workplace)
    lake = workplace.house().lake
    ledger = lake.ledger("tiny", "offence")
    _overwrite(ledger)
    shutil.rmtree(lake.prediction_partition(STUDY, "tiny", "man"))
    workplace.run_plan(instance, until=STUDY)
    said = [line for line in capsys.readouterr().out.splitlines() if "was damaged" in line]
    assert len(said) == 1
    assert f"{len(before) - ASKED_AGAIN} cells taken from what was published" in said[0]
    assert [path.name for path in ledger.parent.glob("*.damaged-*")] != []
    with sqlite3.connect(ledger) as connection:
        assert connection.execute("SELECT COUNT(*) FROM cells").fetchone()[0] == len(before)
    again = _published(workplace)
    pd.testing.assert_frame_equal(again.drop(columns="option_logprobs"), before.drop(columns="option_logprobs"))
    for left, right in zip(again["option_logprobs"], before["option_logprobs"], strict=True):
        assert (abs(left - right) < 1e-5).all()


def test_damage_met_while_reading_heals_within_the_run(
    workplace: Workplace, instance: dg.DagsterInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sound pages, but one row is not as it was written: it is asked again, and nothing else."""
    lake = workplace.house().lake
    ledger = lake.ledger("tiny", "offence")
    lost = lake.prediction_partition(STUDY, "tiny", "man")
    victim = read_table(lost / "part.parquet", "part")["cell_id"].iloc[0]
    with sqlite3.connect(ledger) as connection:
        changed = "UPDATE cells SET answer = 'Maybe', outcome = 'answered', item_id = 'x' || item_id WHERE cell_id = ?"
        assert connection.execute(changed, (bytes.fromhex(victim),)).rowcount == 1
    shutil.rmtree(lost)
    workplace.run_plan(instance, until=STUDY)
    said = capsys.readouterr().out
    assert "Opening it again" in said
    assert "24 cells, 23 of them in the ledger; 1 to ask" in said
    assert (lost / "part.parquet").is_file()
