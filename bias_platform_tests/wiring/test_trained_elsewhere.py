"""Adapters that were not trained here: taken over from a folder, or served by somebody with the base and all."""

import json
import shutil
from pathlib import Path

import dagster as dg
import pytest

from bias_platform.errors import UserError
from bias_platform.orchestration.recording import latest_record
from bias_platform.storage import read_manifest, read_table
from bias_platform.storage.names import CHAT_EXAMPLES, EXAMPLES
from bias_platform_tests.wiring.conftest import STUDY, Workplace, make_workplace
from bias_platform_tests.wiring.served_model import ServedModel

KEY = "not-a-real-key-81c2"
TRAINED_HERE = "    training: {corpus: posts, task: offence, persona_set: three, template_set: two}\n"
FOLDER = "    trained_elsewhere: {folder: '${OTHER_ADAPTERS}/people'}\n"


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """The study's systems, made here; nothing is asked."""
    place = make_workplace(tmp_path_factory.mktemp("tuned") / "place")
    place.edit("[tiny, tiny+people, tiny+people@nf4]", "[tiny, tiny+people]")
    made = place.instance()
    place.run_plan(made, until="systems")
    made.dispose()
    return place


@pytest.fixture
def workplace(tuned: Workplace, tmp_path: Path) -> Workplace:
    """A copy of it."""
    shutil.copytree(tuned.folder, tmp_path / "place")
    return Workplace(tmp_path / "place")


def test_examples_can_be_had_to_train_elsewhere(workplace: Workplace, instance: dg.DagsterInstance) -> None:
    house = workplace.house()
    folder = house.lake.examples("people")
    table = read_table(folder / EXAMPLES, "examples")
    lines = (folder / CHAT_EXAMPLES).read_text("utf-8").splitlines()
    answers = [json.loads(line)["messages"][-1] for line in lines]
    assert answers == [{"role": "assistant", "content": answer} for answer in table["answer"]]
    manifest = read_manifest(folder, "examples")
    assert CHAT_EXAMPLES in manifest.files
    assert CHAT_EXAMPLES not in read_manifest(house.lake.examples("tiny"), "examples").files
    assert sum(manifest.facts["answers"].values()) == manifest.facts["examples"] == len(table)
    record = latest_record(instance, house.keys.examples, "people")
    assert record is not None
    assert record.asset_materialization is not None
    shown = record.asset_materialization.metadata["chat_examples"]
    assert Path(str(shown.value)).parts[-2:] == ("people_examples", CHAT_EXAMPLES)


def test_the_same_adapter_from_a_folder_is_the_same_system(
    workplace: Workplace, instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = workplace.house().lake
    before = read_manifest(lake.system("tiny+people"), "system").facts["identity"]
    elsewhere = tmp_path / "elsewhere" / "people"
    shutil.copytree(lake.adapter("tiny+people"), elsewhere)
    (elsewhere / "optimizer.pt").write_bytes(b"never opened")
    monkeypatch.setenv("OTHER_ADAPTERS", str(elsewhere.parent))
    workplace.edit(TRAINED_HERE, FOLDER)
    assert workplace.house().partitions.learners.get_partition_keys() == ["tiny"]
    workplace.run_plan(instance, until="systems")
    manifest = read_manifest(lake.adapter("tiny+people"), "adapter")
    assert sorted(manifest.files) == ["adapter_config.json", "adapter_model.safetensors"]
    assert list(manifest.inputs) == ["trained elsewhere"]
    assert manifest.facts["rank"] == 2
    assert read_manifest(lake.system("tiny+people"), "system").facts["identity"] == before

    configuration = elsewhere / "adapter_config.json"
    configuration.write_text(json.dumps(json.loads(configuration.read_text()) | {"lora_alpha": 8}))
    workplace.run_plan(instance, until="systems")
    assert read_manifest(lake.system("tiny+people"), "system").facts["identity"] != before
    monkeypatch.delenv("OTHER_ADAPTERS")
    with pytest.raises(
        UserError, match=r"the folder of adapter 'people' .* needs the environment variable OTHER_ADAPT"
    ):
        workplace.run_plan(instance, until="systems")


def test_declared_training_data_are_published_though_it_is_trained_elsewhere(workplace: Workplace) -> None:
    workplace.edit(TRAINED_HERE, TRAINED_HERE + FOLDER)
    house = workplace.house()
    assert house.partitions.learners.get_partition_keys() == ["tiny", "people"]
    graph = workplace.definitions().resolve_asset_graph()
    mapping = graph.get(house.keys.adapters).partition_mappings[house.keys.examples]
    assert isinstance(mapping, dg.StaticPartitionMapping)
    assert not mapping.downstream_partition_keys_by_upstream_partition_key, "it does not wait for its examples"


def test_a_served_adapter_is_asked_at_its_endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = make_workplace(tmp_path / "place")
    served = "    trained_elsewhere: {endpoint: lab, api_names: {tiny: lab-tuned}, snapshot: '2026-02-01'}\n"
    place.edit(TRAINED_HERE, served)
    engine = "engine: {name: openai, ask: generate, concurrency: 4, decoding: {maximum_tokens: 16}}"
    place.edit("[tiny, tiny+people, tiny+people@nf4]", f"[tiny+people]\n    {engine}")
    with ServedModel(KEY) as model:
        monkeypatch.setenv("LAB_BASE_URL", model.url)
        monkeypatch.setenv("LAB_API_KEY", KEY)
        instance = place.instance()
        lines = place.run_plan(instance, until=STUDY)
        instance.dispose()
        assert len(model.asked) == 12 * 7
    assert not any("models/base" in line or "models/adapters" in line for line in lines), "no weights are needed here"
    lake = place.house().lake
    source = json.loads((lake.system("tiny+people") / "system.json").read_text())["source"]
    assert (source["kind"], source["endpoint"], source["location"]) == ("api", "lab", "lab-tuned")
    before = read_manifest(lake.system("tiny+people"), "system").facts["identity"]
    place.edit("2026-02-01", "2026-03-01")
    instance = place.instance()
    place.run_plan(instance, until="systems")
    instance.dispose()
    assert read_manifest(lake.system("tiny+people"), "system").facts["identity"] != before
