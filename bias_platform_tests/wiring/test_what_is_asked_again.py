"""What changes an answer is asked anew, by systems of their own; what does not re-asks and re-trains nothing."""

import itertools
import re
import sqlite3
from pathlib import Path

import dagster as dg
import pytest

from bias_platform.storage import read_table
from bias_platform.storage.names import REPORT_PAGE
from bias_platform_tests.wiring.conftest import STUDY, Workplace

SYSTEMS = ("tiny", "tiny+people", "tiny+people@nf4")


def _ledgers(place: Workplace) -> dict[str, set[bytes]]:
    found = {}
    for path in sorted(place.house().lake.home.glob("ledger/*/*.sqlite")):
        with sqlite3.connect(path) as connection:
            found[path.parent.name] = {row[0] for row in connection.execute("SELECT cell_id FROM cells")}
    return found


def _questions(place: Workplace, system: str) -> set[str]:
    folder = place.house().lake.predictions(STUDY) / f"model={system}"
    parts = [read_table(path, system) for path in sorted(folder.glob("persona=*/part.parquet"))]
    return {question for part in parts for question in part["question_id"]}


def test_systems_share_questions_and_no_cell(finished_workplace: Workplace) -> None:
    cells = _ledgers(finished_workplace)
    assert set(cells) == set(SYSTEMS)
    assert {len(ids) for ids in cells.values()} == {12 * 7}
    for left, right in itertools.combinations(SYSTEMS, 2):
        assert not cells[left] & cells[right]
        assert _questions(finished_workplace, left) == _questions(finished_workplace, right)


def _weights(place: Workplace) -> dict[Path, int]:
    home = place.house().lake.home
    return {path: path.stat().st_mtime_ns for path in home.glob("models/**/*.safetensors")}


def test_new_labels_and_another_layout_of_the_catalog_ask_and_train_nothing(
    workplace: Workplace, instance: dg.DagsterInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    before, weights = _ledgers(workplace), _weights(workplace)
    workplace.edit("{id: man, phrase: a man,", "{label: Men, phrase: a man, id: man,")
    workplace.edit("{id: anybody, phrase: a person}", "{phrase: a person, id: anybody, label: Anyone}")
    workplace.edit("sensitivity: mild", "sensitivity: mild\n    licence: CC0-1.0")
    workplace.edit("title: Who takes offence?", "title: Who is hurt?\n    engine: {batch_tokens: 512}")
    sections = re.split(r"(?m)^(?=[a-z_]+:)", workplace.catalog_file.read_text())
    workplace.catalog_file.write_text("# another layout\n" + "\n".join(sections[:0:-1]))
    workplace.run_plan(instance)
    assert _ledgers(workplace) == before
    assert _weights(workplace) == weights
    said = capsys.readouterr().out
    assert "writing the page" in said
    assert "loading" not in said
    assert "training" not in said
    page = (workplace.house().lake.report(STUDY, "regression") / REPORT_PAGE).read_text("utf-8")
    assert "Who is hurt?" in page
    assert "Anyone" in page


def test_another_number_format_asks_everything_anew(workplace: Workplace, instance: dg.DagsterInstance) -> None:
    before = _ledgers(workplace)["tiny"]
    workplace.edit("[tiny, tiny+people, tiny+people@nf4]", "[tiny]\n    engine: {dtype: bfloat16}")
    workplace.run_plan(instance, until=STUDY)
    after = _ledgers(workplace)["tiny"]
    assert before < after
    assert len(after) == 2 * len(before)
    assert len(_questions(workplace, "tiny")) == len(before)
