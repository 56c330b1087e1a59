"""A study of a model behind an endpoint, through Dagster: asked once, paid once, within its budget, without a leak."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from bias_platform.errors import UserError
from bias_platform.orchestration.recording import latest_record
from bias_platform.storage import read_manifest, read_table
from bias_platform.storage.names import REPORT_PAGE
from bias_platform_tests.wiring.conftest import STUDY, Workplace, make_workplace
from bias_platform_tests.wiring.served_model import ServedModel

KEY = "not-a-real-key-7f3a"
CELLS = 12 * 7
TOKENS_A_CELL = 44
SERVED = """
  served:
    kind: api
    api_name: lab-model
    endpoint: lab
    revision: "2026-01-15"
    price: {input: 2.0, output: 8.0, currency: EUR}
adapters:"""


@pytest.fixture(scope="module")
def server() -> Iterator[ServedModel]:
    with ServedModel(KEY) as model:
        yield model


@pytest.fixture
def served(server: ServedModel, monkeypatch: pytest.MonkeyPatch) -> ServedModel:
    """The endpoint, which has been asked nothing yet."""
    server.forget()
    monkeypatch.setenv("LAB_BASE_URL", server.url)
    monkeypatch.setenv("LAB_API_KEY", KEY)
    return server


def _new_place(folder: Path) -> Workplace:
    made = make_workplace(folder)
    made.edit("\nadapters:", SERVED)
    engine = "engine: {name: openai, ask: generate, concurrency: 4, decoding: {maximum_tokens: 16}}"
    made.edit("[tiny, tiny+people, tiny+people@nf4]", f"[served]\n    {engine}\n    budget: {{tokens: 1000000}}")
    return made


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    """The study before anything is made."""
    return _new_place(tmp_path / "place")


@pytest.fixture(scope="module")
def finished(server: ServedModel, tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """The study, run once to its end."""
    made = _new_place(tmp_path_factory.mktemp("served") / "place")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LAB_BASE_URL", server.url)
        environment.setenv("LAB_API_KEY", KEY)
        server.forget()
        _run(made)
    assert len(server.asked) == len(set(server.asked)) == CELLS
    return made


@pytest.fixture
def done(finished: Workplace, tmp_path: Path) -> Workplace:
    """A copy of the finished study."""
    shutil.copytree(finished.folder, tmp_path / "done")
    return Workplace(tmp_path / "done")


def _run(place: Workplace) -> list[str]:
    instance = place.instance()
    try:
        return place.run_plan(instance)
    finally:
        instance.dispose()


def _answers(place: Workplace) -> int:
    with sqlite3.connect(place.house().lake.ledger("served", "offence")) as connection:
        return int(connection.execute("SELECT COUNT(*) FROM cells WHERE transient = 0").fetchone()[0])


def test_a_served_model_is_asked_once_and_reported(done: Workplace, served: ServedModel) -> None:
    """That it was asked once is a matter of the fixture."""
    folder = done.house().lake.predictions(STUDY) / "model=served"
    parts = [read_table(path, "part") for path in sorted(folder.glob("persona=*/part.parquet"))]
    outcomes = [outcome for part in parts for outcome in part["outcome"]]
    assert len(outcomes) == CELLS
    assert set(outcomes) == {"answered", "refused", "invalid"}
    for part in parts:
        assert part["raw_text"].notna().all()
        assert set(part.loc[part["outcome"] == "answered", "answer"]) <= {"Yes", "No", "Maybe"}
    assert (done.house().lake.report(STUDY, "regression") / REPORT_PAGE).is_file()
    done.edit("input: 2.0", "input: 3.0")  # a new price is no new system
    _run(done)
    assert served.asked == []


def test_another_snapshot_is_another_system(done: Workplace, served: ServedModel) -> None:
    before = read_manifest(done.house().lake.system("served"), "served").facts["identity"]
    done.edit("2026-01-15", "2026-02-20")
    _run(done)
    assert read_manifest(done.house().lake.system("served"), "served").facts["identity"] != before
    assert len(served.asked) == CELLS


def test_the_budget_holds_and_a_larger_one_goes_on(place: Workplace, served: ServedModel) -> None:
    limit = 30 * TOKENS_A_CELL
    place.edit("tokens: 1000000", f"tokens: {limit}")
    with pytest.raises(UserError, match="budget"):
        _run(place)
    paid = len(served.asked)
    assert 0 < paid * TOKENS_A_CELL <= limit
    assert _answers(place) == paid
    place.edit(f"tokens: {limit}", "money: 1.5")
    _run(place)
    assert len(served.asked) == len(set(served.asked)) == CELLS


def test_a_wrong_key_stops_at_once(place: Workplace, served: ServedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_API_KEY", "something-else")
    with pytest.raises(UserError, match="LAB_API_KEY"):
        _run(place)
    assert served.refused_keys <= 8
    assert served.asked == []


def test_texts_stay_on_the_machine_unless_the_corpus_lets_them(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_BASE_URL", "https://models.example.org/v1")
    monkeypatch.setenv("LAB_API_KEY", KEY)
    with pytest.raises(UserError, match="text_may_leave_machine"):
        _run(place)


def test_the_key_is_written_nowhere(finished: Workplace) -> None:
    for folder, _, files in os.walk(finished.folder):
        for name in files:
            assert KEY.encode() not in (Path(folder) / name).read_bytes(), Path(folder) / name


def test_a_partition_with_too_many_failures_does_not_complete(place: Workplace, served: ServedModel) -> None:
    """Half of one persona's cells fail for good: it is not published, the others are, and nobody asks those again."""
    served.unreadable = "Act as a man"
    with pytest.raises(UserError, match="persona 'man': 12 of 24 cells of system 'served' failed"):
        _run(place)
    lake = place.house().lake
    assert not lake.prediction_partition(STUDY, "served", "man").exists()
    assert lake.prediction_partition(STUDY, "served", "woman").exists()
    assert (len(served.unread), len(served.asked)) == (12, CELLS - 12)
    place.edit("budget: {tokens: 1000000}", "maximum_failed_share: 0.6")
    _run(place)
    assert (len(served.unread), len(served.asked)) == (12, CELLS - 12)
    table = read_table(lake.prediction_partition(STUDY, "served", "man") / "part.parquet", "part")
    assert table["outcome"].value_counts()["failed"] == 12
    assert table.loc[table["outcome"] == "failed", "answer"].isna().all()


def test_the_ui_shows_what_a_partition_took(done: Workplace) -> None:
    instance = done.instance()
    record = latest_record(instance, done.house().keys.predictions(STUDY), "served|woman")
    instance.dispose()
    assert record is not None
    assert record.asset_materialization is not None
    shown = {name: value.value for name, value in record.asset_materialization.metadata.items()}
    assert (shown["cells_asked"], shown["cells_from_ledger"], shown["requests"]) == (24, 0, 24)
    assert sum(shown[f"cells_{kind}"] for kind in ("answered", "refused", "invalid", "truncated", "failed")) == 24
    assert (shown["input_tokens"], shown["output_tokens"]) == (24 * 40, 24 * 4)
    assert shown["currency"] == "EUR"
    assert shown["cost"] == pytest.approx((24 * 40 * 2.0 + 24 * 4 * 8.0) / 1e6)
    assert shown["cells_per_second"] > 0
    assert "prefix_reuse_bound" not in shown  # an endpoint does not tell what could have been shared
