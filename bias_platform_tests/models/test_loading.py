"""Loading works, and what is wrong with a model is said before it is loaded."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from bias_platform.errors import ModelLoadError
from bias_platform.models import loading, memory
from bias_platform.models.loading import load_system
from bias_platform.models.source import ModelSource
from bias_platform.models.system import ResolvedSystem, resolve_system
from bias_platform.models.weight_files import check_weight_files
from bias_platform_tests.models.conftest import folder_source


def _system(folder: Path, adapter: Path | None = None) -> ResolvedSystem:
    return resolve_system("a+b", folder_source(folder), versions={"base": "1"}, adapter=adapter)


@pytest.fixture
def copy(base: Path, tmp_path: Path) -> Path:
    """A copy of the base that may be damaged."""
    return Path(shutil.copytree(base, tmp_path / "copy"))


def test_a_loaded_system_is_ready_to_be_asked(base: Path, adapter: Path) -> None:
    plain, adapted = load_system(_system(base)), load_system(_system(base, adapter), dtype="float32")
    for loaded in (plain, adapted):
        assert not loaded.model.training
        assert not any(parameter.requires_grad for parameter in loaded.model.parameters())
        assert loaded.facts["dtype"] == "float32"
        assert loaded.facts["context"] == 1024
    assert adapted.facts["weights"] > plain.facts["weights"]
    assert adapted.facts["adapter"] is True
    assert plain.chat_template_hash == adapted.chat_template_hash
    layers = [name for name, _ in adapted.model.named_modules() if name.endswith("lora_A.default")]
    assert len(layers) == 14, "the adapter is kept apart, not merged"


def test_the_dtype_asked_for_is_the_dtype_in_memory(base: Path) -> None:
    assert load_system(_system(base), dtype="bfloat16").model.dtype == torch.bfloat16


def test_a_missing_folder_names_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="gone is not there; materialize the model first"):
        load_system(_system(tmp_path / "gone"))


def test_a_truncated_file_is_named_with_its_sizes(copy: Path) -> None:
    path = copy / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[:-1000])
    with pytest.raises(ModelLoadError, match=f"model.safetensors is truncated: {len(data) - 1000:,} bytes instead of"):
        load_system(_system(copy))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no safetensors file"),
        (b"version https://git-lfs.example/spec/v1\noid sha256:0\n", "is no safetensors file"),
        ((40).to_bytes(8, "little") + b"{broken json" + b" " * 28, "the header of model.safetensors is damaged"),
    ],
)
def test_a_damaged_file_is_named(content: bytes, message: str, copy: Path) -> None:
    (copy / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelLoadError, match=message):
        load_system(_system(copy))


def test_pickled_weights_are_refused(copy: Path) -> None:
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(ModelLoadError, match=r"only as pickle files \(pytorch_model.bin\), which are never loaded"):
        load_system(_system(copy))


def test_every_missing_shard_is_named(copy: Path) -> None:
    shards = {"a": "model-00001-of-00003.safetensors", "b": "model-00003-of-00003.safetensors"}
    (copy / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    with pytest.raises(ModelLoadError, match=r"00001-of-00003.safetensors is missing; model-00003"):
        check_weight_files(copy)


def test_weights_are_counted_from_the_headers(base: Path) -> None:
    tensors = load_file(base / "model.safetensors")
    weights = check_weight_files(base)
    assert weights.numbers == sum(tensor.numel() for tensor in tensors.values())
    assert weights.size == 4 * weights.numbers


def test_a_model_that_does_not_fit_is_refused_before_loading(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = check_weight_files(base).numbers * 4
    monkeypatch.setattr(memory, "free_memory", lambda device: int(needed * 0.75))
    monkeypatch.setattr(loading, "load_base", lambda *_, **__: pytest.fail("loaded all the same"))
    with pytest.raises(ModelLoadError, match=r"is too large for this machine: its weights take .* GiB in float32"):
        load_system(_system(base))
    monkeypatch.undo()
    monkeypatch.setattr(memory, "free_memory", lambda device: int(needed * 0.75))
    assert load_system(_system(base), dtype="bfloat16").model is not None, "half the bytes fit"


def test_a_hub_model_that_does_not_fit_is_not_even_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "published_weights", lambda *_: 70_000_000_000)
    monkeypatch.setattr(loading, "fetch", lambda *_: pytest.fail("fetched all the same"))
    monkeypatch.setattr(memory, "free_memory", lambda device: 20 << 30)
    source = ModelSource(kind="hub", location="some/large", revision="0" * 40)
    with pytest.raises(ModelLoadError, match=r"some/large at 000000000000 is too large.*130.4 GiB in auto"):
        load_system(resolve_system("large", source, versions={"base": "0"}), device="cpu")


def test_a_hub_model_is_loaded_from_where_it_was_fetched_to(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "published_weights", lambda *_: 1000)
    monkeypatch.setattr(loading, "fetch", lambda *_: base)
    source = ModelSource(kind="hub", location="some/model", revision="0" * 40)
    assert load_system(resolve_system("m", source, versions={"base": "0"})).facts["weights"] > 0


def test_no_chat_template(copy: Path) -> None:
    (copy / "chat_template.jinja").unlink()
    with pytest.raises(ModelLoadError, match="has no chat template, so a persona cannot be given to it"):
        load_system(_system(copy))


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_a_damaged_description_is_named(name: str, copy: Path) -> None:
    (copy / name).write_text("{")
    with pytest.raises(ModelLoadError, match=r"no readable config.json|the tokenizer of model .* cannot be read"):
        load_system(_system(copy))


def test_an_unknown_architecture_runs_no_code(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    config |= {"model_type": "homemade", "auto_map": {"AutoModelForCausalLM": "evil.Model", "AutoConfig": "evil.C"}}
    (copy / "config.json").write_text(json.dumps(config))
    (copy / "evil.py").write_text("raise SystemExit('code of a repository was run')")
    with pytest.raises(ModelLoadError, match=r"cannot be|never run"):
        load_system(_system(copy))


def test_adapters_that_are_missing_or_do_not_fit(base: Path, adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="gone is not there"):
        load_system(_system(base, tmp_path / "gone"))
    other = Path(shutil.copytree(adapter, tmp_path / "other"))
    tensors = load_file(other / "adapter_model.safetensors")
    wider = {name: torch.cat([t, t], dim=1).contiguous() if "lora_A" in name else t for name, t in tensors.items()}
    save_file(wider, other / "adapter_model.safetensors")
    with pytest.raises(ModelLoadError, match=r"does not fit the base of system 'a\+b'"):
        load_system(_system(base, other))


def test_the_container_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    without = memory.free_memory("cpu")
    for name, text in {"memory.max": "3000", "memory.current": "2500", "memory.stat": "inactive_file 200\n"}.items():
        (tmp_path / name).write_text(text)
    assert memory.free_memory("cpu") == 700
    (tmp_path / "memory.max").write_text("max")
    assert memory.free_memory("cpu") == pytest.approx(without, rel=0.2)
