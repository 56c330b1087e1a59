"""Where weights come from, and what makes two systems the same."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bias_platform.catalog.entries import ModelEntry
from bias_platform.errors import ModelLoadError
from bias_platform.models.source import ModelSource, resolve_base
from bias_platform.models.system import ResolvedSystem, located, portable, resolve_system

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_light_modules_do_not_import_torch() -> None:
    code = (
        "import sys, bias_platform.models, bias_platform.models.source, bias_platform.models.system\n"
        "print(sorted({'torch', 'transformers', 'peft', 'huggingface_hub'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_a_reference_model_is_its_folder(tmp_path: Path) -> None:
    source = resolve_base("tiny", ModelEntry(kind="reference", dtype="float32"), tmp_path / "base")
    assert source == ModelSource(kind="folder", location=str(tmp_path / "base"), dtype="float32")


def test_a_hub_entry_may_name_a_local_folder(tmp_path: Path) -> None:
    source = resolve_base("mine", ModelEntry(kind="hub", hub_id=str(tmp_path)), tmp_path / "unused")
    assert (source.kind, source.location, source.revision) == ("folder", str(tmp_path), None)


def test_a_pinned_hub_model_needs_no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    source = resolve_base("big", ModelEntry(kind="hub", hub_id="some/model", revision=COMMIT), tmp_path)
    assert source == ModelSource(kind="hub", location="some/model", revision=COMMIT)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (ModelEntry(kind="api", endpoint="my-host"), "'slug'.*field 'api_name' is empty.*endpoint 'my-host'"),
        (ModelEntry(kind="hub"), "its field 'hub_id' is empty"),
        (ModelEntry(kind="hub", hub_id="./nowhere"), "the model folder nowhere is not there"),
        (ModelEntry(kind="hub", hub_id="/nowhere/at/all"), "the model folder /nowhere/at/all is not there"),
    ],
)
def test_entries_that_lead_nowhere(entry: ModelEntry, message: str, tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match=message.replace("/", os.sep)):
        resolve_base("slug", entry, tmp_path)


def test_an_api_model_is_what_the_catalog_declares(tmp_path: Path) -> None:
    entry = ModelEntry(kind="api", api_name="acme/large", endpoint="my-host", revision="2024-08-06")
    source = resolve_base("large", entry, tmp_path / "unused")
    assert source == ModelSource(kind="api", location="acme/large", revision="2024-08-06", endpoint="my-host")
    assert source.title == "acme/large (2024-08-06) at endpoint 'my-host'"
    assert ModelSource.model_validate_json(source.model_dump_json()) == source
    assert not (tmp_path / "unused").exists()


def test_the_default_endpoint_is_openai(tmp_path: Path) -> None:
    source = resolve_base("gpt", ModelEntry(kind="api", api_name="gpt"), tmp_path)
    assert (source.endpoint, source.revision, source.title) == ("openai", None, "gpt at endpoint 'openai'")


def test_the_endpoint_of_an_api_model_moves_with_no_lake(tmp_path: Path) -> None:
    source = ModelSource(kind="api", location="acme/large", endpoint="my-host")
    system = resolve_system("large", source, versions={"base": "1"})
    assert portable(system, tmp_path) == located(system, tmp_path) == system


def _system(slug: str = "a+b", folder: str = "/x", **options: object) -> ResolvedSystem:
    source = ModelSource(kind="folder", location=folder)
    versions = options.pop("versions", {"base": "1", "adapter": "2"})
    return resolve_system(slug, source, versions=versions, **options)  # type: ignore[arg-type]


def test_identity_follows_content_not_names_or_paths() -> None:
    here = _system(adapter=Path("/x/adapter"))
    assert here.identity == _system("renamed", "/elsewhere", adapter=Path("/elsewhere/adapter")).identity
    others = [
        _system(adapter=Path("/x/adapter"), versions={"base": "1", "adapter": "3"}),
        _system(adapter=None),
        _system(adapter=Path("/x/adapter"), quantization="nf4"),
    ]
    assert len({here.identity, *(other.identity for other in others)}) == 4


def test_an_identity_needs_a_version() -> None:
    with pytest.raises(ValueError, match="needs the version of at least one part"):
        _system(versions={})


def test_a_system_survives_json() -> None:
    system = _system(adapter=Path("/x/adapter"), quantization="int8")
    assert ResolvedSystem.model_validate_json(system.model_dump_json()) == system
