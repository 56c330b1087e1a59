"""An adapter that somebody else trained: looked at before it is taken, and all of it must find its place."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from bias_platform.errors import ModelLoadError
from bias_platform.models.adapter_folder import adapter_content, look_at_adapter, take_over_adapter
from bias_platform.models.loading import load_system
from bias_platform.models.system import resolve_system
from bias_platform_tests.models.conftest import folder_source

CONFIGURATION, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


@pytest.fixture
def copy(adapter: Path, tmp_path: Path) -> Path:
    """A copy of the adapter that may be damaged."""
    return Path(shutil.copytree(adapter, tmp_path / "copy"))


def _configure(folder: Path, **changes: Any) -> None:
    path = folder / CONFIGURATION
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_only_the_two_files_are_taken(copy: Path, tmp_path: Path) -> None:
    (copy / "optimizer.pt").write_bytes(b"a pickle")
    (copy / "README.md").write_text("a card")
    before = adapter_content(copy)
    out = tmp_path / "out"
    out.mkdir()
    found = take_over_adapter(copy, out)
    assert sorted(path.name for path in out.iterdir()) == [CONFIGURATION, WEIGHTS]
    assert all((out / name).read_bytes() == (copy / name).read_bytes() for name in (CONFIGURATION, WEIGHTS))
    assert (found.rank, found.trained_on) == (8, None)
    assert "q_proj" in found.target_modules
    assert adapter_content(out) == before, "the content is that of the two files"
    _configure(copy, lora_alpha=5)
    assert adapter_content(copy) != before


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (shutil.rmtree, "copy is not there; put it there, or mend `trained_elsewhere.folder`"),
        (lambda folder: (folder / WEIGHTS).rename(folder / "adapter_model.bin"), "only as pickle files"),
        (lambda folder: (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-9]), "is truncated"),
        (lambda folder: (folder / CONFIGURATION).unlink(), r"adapter_config.json cannot be read \(.*No such file"),
        (lambda folder: (folder / CONFIGURATION).write_text("{"), "adapter_config.json cannot be read"),
        (lambda folder: (folder / CONFIGURATION).write_text("[]"), "holds no JSON object; only LoRA adapters saved by"),
        (lambda folder: _configure(folder, peft_type="IA3"), "is of peft_type 'IA3', not 'LORA'"),
        (lambda folder: _configure(folder, r=0), "has the rank r 0, not a whole number of 1 or more"),
        (lambda folder: _configure(folder, target_modules=[]), r"has the target_modules \[\], not names of layers"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_loaded(
    damage: Callable[[Path], object], message: str, copy: Path
) -> None:
    damage(copy)
    with pytest.raises(ModelLoadError, match=message):
        look_at_adapter(copy)


def test_weights_without_a_place_are_no_adapter_of_this_base(base: Path, copy: Path) -> None:
    """peft would only warn, and the system would answer as its base."""
    system = resolve_system("a+b", folder_source(base), versions={"base": "1"}, adapter=copy)
    assert load_system(system).facts["adapter"] is True
    tensors = load_file(copy / WEIGHTS)
    renamed = {name.replace("layers.1.", "layers.7."): tensor for name, tensor in tensors.items()}
    save_file(renamed, copy / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(
        ModelLoadError, match=r"14 weights without a layer there \(e.g. .*layers.7.*\) and 14 layers with"
    ):
        load_system(system)
    fewer = {name: tensor for name, tensor in tensors.items() if "layers.1." not in name}
    save_file(fewer, copy / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(ModelLoadError, match="does not fit the base of system 'a\\+b': 14 layers without weights"):
        load_system(system)
