"""A corpus of pictures: published whole with its labels, and withdrawn whole, pictures included."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from typer.testing import CliRunner

from bias_platform.catalog import load_catalog
from bias_platform.command import app
from bias_platform.orchestration.build import build_definitions
from bias_platform.orchestration.house import House
from bias_platform.orchestration.withdrawal import forget_items
from bias_platform.schemas import Labels, validate_table
from bias_platform.storage import Lake, publish, read_manifest, read_table, verify_artifact, write_table
from bias_platform.storage.names import CHAT_EXAMPLES, EXAMPLES, ITEMS, LABELS, PICTURES

DATA = Path(__file__).parents[2] / "data"
CATALOG = f"""
name: memes
corpora:
  memes:
    reader: hatred
    path: {DATA / "sample-memes"}
    pictures: {DATA / "sample-memes" / "pictures"}
    label_policies:
      said: {{rule: union}}
      alike: {{rule: unanimous, minimum_annotators: 3}}
  tweets:
    reader: exist
    path: {DATA / "sample-tweets"}
    parameters: {{language: es}}
    label_policies:
      mode: {{rule: mode, priority: ["Yes", "No"]}}
      alike: {{rule: unanimous, within: gender, minimum_annotators: 3}}
"""


@pytest.fixture
def house(tmp_path: Path) -> House:
    folder = tmp_path / "catalog"
    folder.mkdir()
    (folder / "catalog.yaml").write_text(CATALOG)
    return House.over(load_catalog(folder), Lake(tmp_path / "lake", "memes"))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as records:
        yield records


def materialize(house: House, instance: dg.DagsterInstance, slug: str) -> dg.ExecuteInProcessResult:
    job = build_definitions(house.catalog, house.lake).resolve_implicit_global_asset_job_def()
    result = job.get_subset(asset_selection={house.keys.corpus(slug)}).execute_in_process(instance=instance)
    assert all(check.passed for check in result.get_asset_check_evaluations())
    return result


def test_pictures_and_labels_are_published(house: House, instance: dg.DagsterInstance) -> None:
    materialize(house, instance, "memes")
    folder = house.lake.corpus("memes")
    manifest = verify_artifact(folder, "memes")
    items = read_table(folder / ITEMS, "memes")
    assert {path.name for path in (folder / PICTURES).iterdir()} == set(items["picture"])
    assert manifest.code_version == "2"
    labels = validate_table(read_table(folder / LABELS, "memes"), Labels, "labels")
    assert manifest.files[LABELS].rows == len(labels)
    facts = manifest.facts["label_policies"]
    assert facts == labels.groupby("policy").size().to_dict()
    assert "circles by" not in manifest.model_dump_json(), "sentences of a corpus stay in its tables"
    alike = labels[labels["policy"] == "alike"]
    assert (alike["annotators"] == 3).all()
    assert 0 < len(alike) < len(items)


def test_labels_of_groups_are_published(house: House, instance: dg.DagsterInstance) -> None:
    materialize(house, instance, "tweets")
    folder = house.lake.corpus("tweets")
    assert not (folder / PICTURES).exists()
    facts = read_manifest(folder, "tweets").facts
    assert sum(facts["label_policies"]["mode"].values()) == facts["items"] == 320
    labels = read_table(folder / LABELS, "tweets")
    alike = labels[labels["policy"] == "alike"]
    assert set(alike["group"]) == {"man", "woman"}
    assert alike["annotators"].min() == 3
    assert labels.loc[labels["policy"] == "mode", "group"].isna().all()


def test_a_changed_picture_makes_the_corpus_out_of_date(
    house: House, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    materialize(house, instance, "memes")
    assert house.blueprints.corpus("memes").current_manifest() is not None
    entry = house.catalog.corpora["memes"]
    copies = tmp_path / "pictures"
    copies.mkdir()
    for path in Path(str(entry.pictures)).iterdir():
        (copies / path.name).write_bytes(path.read_bytes())
    moved = entry.model_copy(update={"pictures": str(copies)})
    catalog = house.catalog.model_copy(update={"corpora": {"memes": moved}})
    before = House.over(catalog, house.lake).blueprints.corpus("memes").inputs
    assert before == house.blueprints.corpus("memes").inputs, "where pictures lie does not count"
    (copies / "01001.png").write_bytes((copies / "01002.png").read_bytes())
    assert House.over(catalog, house.lake).blueprints.corpus("memes").inputs != before


def test_a_withdrawn_picture_is_gone_and_does_not_come_back(house: House, instance: dg.DagsterInstance) -> None:
    materialize(house, instance, "memes")
    folder = house.lake.corpus("memes")
    items = read_table(folder / ITEMS, "memes").set_index("source_id")
    item, picture = items.loc["1003", ["item_id", "picture"]]
    content = (folder / PICTURES / picture).read_bytes()
    environment = {"BIAS_PLATFORM_LAKE": str(house.lake.root)}
    words = ["forget", "--item-id", "1003", "--catalog", str(house.catalog.folder)]
    result = CliRunner().invoke(app, words, env=environment)
    assert result.exit_code == 0, result.output
    assert f"{folder / PICTURES / picture}: deleted" in result.stdout
    assert _holders(house.lake, content) == []
    for name in (ITEMS, LABELS, "annotations.parquet"):
        assert item not in set(read_table(folder / name, "memes")["item_id"]), name
    assert len(verify_artifact(folder, "memes").files) == 3 + len(items) - 1
    materialize(house, instance, "memes")
    assert _holders(house.lake, content) == []
    facts = read_manifest(folder, "memes").facts
    assert (facts["withdrawn_posts"], facts["pictures"]) == (1, len(items) - 1)


def test_a_picture_that_another_item_has_stays(house: House, tmp_path: Path) -> None:
    """The same picture under two texts are two items."""
    folder = house.lake.corpus("memes")
    with publish(folder, "memes", code_version="1", inputs={}, parameters={}) as staging:
        table = _items([("a" * 16, "one"), ("b" * 16, "two")], "p.png")
        staging.rows[ITEMS] = write_table(table, staging.folder / ITEMS)
        (staging.folder / PICTURES).mkdir()
        (staging.folder / PICTURES / "p.png").write_bytes(b"picture")
    list(forget_items(house.lake, ["a" * 16]))
    assert (folder / PICTURES / "p.png").exists()
    list(forget_items(house.lake, ["b" * 16]))
    assert not (folder / PICTURES / "p.png").exists()
    verify_artifact(folder, "memes")


def test_chats_made_from_a_withdrawn_item_go_with_its_examples(house: House) -> None:
    folder = house.lake.examples("tuned")
    with publish(folder, "examples", code_version="1", inputs={}, parameters={}) as staging:
        staging.rows[EXAMPLES] = write_table(
            _items([("a" * 16, "one"), ("b" * 16, "two")], None), staging.folder / EXAMPLES
        )
        (staging.folder / CHAT_EXAMPLES).write_text('{"messages": ["one"]}\n{"messages": ["two"]}\n')
    said = list(forget_items(house.lake, ["a" * 16]))
    assert f"{folder / CHAT_EXAMPLES}: deleted" in said
    assert sorted(path.name for path in folder.iterdir()) == [EXAMPLES, "manifest.json"]
    verify_artifact(folder, "examples")


def _items(rows: list[tuple[str, str]], picture: str | None) -> pd.DataFrame:
    return pd.DataFrame([{"item_id": item, "text": text, "picture": picture} for item, text in rows])


def _holders(lake: Lake, content: bytes) -> list[Path]:
    return [path for path in lake.home.rglob("*") if path.is_file() and content in path.read_bytes()]
