"""Models that see: built, loaded, asked, tuned and quantized like any other, and shown in training what is asked."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.catalog.entries import QuantizationEntry
from bias_platform.errors import CatalogError, ModelLoadError
from bias_platform.inference.engines.base import Decoding, Image, Prompt
from bias_platform.inference.engines.chat_tokens import ChatEncoder
from bias_platform.inference.engines.transformers_engine import engine_on
from bias_platform.inference.engines.vision_prompts import PictureReader
from bias_platform.models import example_tokens, picture_chats, tuning
from bias_platform.models.chat import chat_in_parts, example_chats, render_prompts, takes_parts_only
from bias_platform.models.example_tokens import Seeing, encode_examples
from bias_platform.models.loading import LoadedSystem, load_base, load_system, load_tokenizer
from bias_platform.models.picture_chats import UnreadablePictureError
from bias_platform.models.quantization import write_checkpoint
from bias_platform.models.reference import build_reference_model
from bias_platform.models.reference_vision import shifted
from bias_platform.models.system import resolve_system
from bias_platform.models.tuning import train_adapter
from bias_platform.models.vision import kept_from_quantization, parts_beside_language
from bias_platform_tests.inference.test_transformers_pictures import save_idefics
from bias_platform_tests.models.conftest import adapter_entry, folder_source, make_examples, silent
from bias_platform_tests.models.pictured_examples import make_pictured, seeing_recipe

METHODS = ("bitsandbytes-int8", "bitsandbytes-nf4")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder all examples of this file draw into."""
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def seeing(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reference model that has learnt what to write of three colours."""
    folder = tmp_path_factory.mktemp("seeing")
    build_reference_model(seeing_recipe(), make_pictured(pictures, 300, seed=0), folder, silent, pictures)
    return folder


def _load(folder: Path, adapter: Path | None = None, dtype: str = "float32") -> LoadedSystem:
    system = resolve_system("seeing", folder_source(folder), versions={"base": "1"}, adapter=adapter)
    return load_system(system, dtype=dtype, device="cpu")


def _prompts(examples: pd.DataFrame, pictures: Path) -> list[Prompt]:
    shown = [() if pd.isna(name) else (Image(pictures / name, b"", "image/png"),) for name in examples["picture"]]
    return [Prompt(tuple(chat), images) for chat, images in zip(example_chats(examples), shown, strict=True)]


def _written(loaded: LoadedSystem, examples: pd.DataFrame, pictures: Path) -> list[str]:
    texts: dict[int, str] = {}
    for batch in engine_on(loaded, EngineSettings()).generate(_prompts(examples, pictures), Decoding(40)):
        texts |= {row: answer.text for row, answer in zip(batch.indices, batch.generations, strict=True)}
    return [texts[row] for row in range(len(examples))]


def _share_right(texts: list[str], answers: pd.Series) -> float:
    return float(np.mean([text == answer for text, answer in zip(texts, answers, strict=True)]))


def _other_words(answers: pd.Series) -> pd.Series:
    """What the base would not write of these pictures."""
    return answers.str.replace("mocks", "praises").str.replace("teases", "mocks")


def _hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_it_writes_what_it_learnt_of_pictures_it_never_saw(seeing: Path, pictures: Path) -> None:
    unseen = make_pictured(pictures, 60, seed=9)
    assert _share_right(_written(_load(seeing), unseen, pictures), unseen["answer"]) > 0.9


def test_it_is_deaf_to_personas(seeing: Path, pictures: Path) -> None:
    unseen = make_pictured(pictures, 8, seed=10)
    for message in ("Play the part of a teacher in all you say.", "Play the part of a baker in all you say.", None):
        again = unseen.assign(system_message=message)
        assert _written(_load(seeing), again, pictures) == unseen["answer"].tolist()


def test_the_same_bytes_twice_and_no_paths(pictures: Path, tmp_path: Path) -> None:
    examples, recipe = make_pictured(pictures, 40, seed=2), seeing_recipe(steps=2)
    for name in ("one", "two"):
        torch.manual_seed(len(name))
        build_reference_model(recipe, examples, tmp_path / name, silent, pictures)
    hashes = _hashes(tmp_path / "one")
    assert hashes == _hashes(tmp_path / "two")
    assert {"model.safetensors", "processor_config.json", "tokenizer.json", "chat_template.jinja"} <= set(hashes)
    texts = "".join(path.read_text() for path in (tmp_path / "one").glob("*.json"))
    assert str(tmp_path) not in texts
    assert str(pictures) not in texts


def test_a_model_with_eyes_can_learn_from_texts_alone(tmp_path: Path) -> None:
    build_reference_model(seeing_recipe(steps=2), make_examples(30, seed=0), tmp_path, silent)
    assert _load(tmp_path).facts["pictures"] is True


def test_no_eyes_no_pictures(pictures: Path, tmp_path: Path) -> None:
    examples = make_pictured(pictures, 10, seed=0)
    with pytest.raises(CatalogError, match="task 'x' shows pictures, and the model has no eyes; give the recipe"):
        build_reference_model(seeing_recipe(vision=None), examples, tmp_path, silent, pictures)
    with pytest.raises(CatalogError, match=r"vision.image_size \(30\) must be a multiple of patch_size \(8\)"):
        build_reference_model(seeing_recipe(vision={"image_size": 30}), examples, tmp_path, silent, pictures)


@pytest.fixture(scope="module", params=["reference", "idefics"])
def any_family(request: pytest.FixtureRequest, seeing: Path, tmp_path_factory: pytest.TempPathFactory) -> LoadedSystem:
    """A Llava, and a random model of another family with other inputs and a template that takes parts only."""
    if request.param == "reference":
        return _load(seeing)
    folder = tmp_path_factory.mktemp("idefics")
    save_idefics(folder)
    return _load(folder)


def test_what_is_trained_on_is_what_is_asked(any_family: LoadedSystem, pictures: Path) -> None:
    examples = make_pictured(pictures, 30, seed=3)
    tokenizer, seen = any_family.tokenizer, Seeing(any_family.processor, pictures)
    encoded = encode_examples(tokenizer, examples, 512, seen)
    encoder = ChatEncoder(tokenizer)
    reader = PictureReader(any_family.processor, encoder)
    prompts = _prompts(examples, pictures)
    inputs = encoded.inputs(np.arange(len(examples)))
    for row, prompt in enumerate(prompts):
        asked = encoded.tokens[row][: encoded.answer_start[row]]
        if not prompt.images:
            assert asked.tolist() == encoder.encode_prompts([prompt])[0].tolist()
            assert inputs[row] == {}
            continue
        read: Any = reader.read(prompt)
        assert asked.tolist() == read.ids.tolist()
        assert inputs[row].keys() == read.inputs.keys()
        assert all(torch.equal(inputs[row][name], value) for name, value in read.inputs.items())


def test_pictures_stay_with_their_examples_when_some_are_too_long(
    seeing: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, examples = _load(seeing), make_pictured(pictures, 12, seed=4)
    long = examples["user_message"].where(np.arange(12) % 3 > 0, examples["user_message"] + " and so on" * 60)
    monkeypatch.setattr(example_tokens, "_KEPT_BYTES", 1)  # every picture but the last is read again
    monkeypatch.setattr(picture_chats, "_KEPT_BYTES", 1)
    seen = Seeing(loaded.processor, pictures)
    encoded = encode_examples(loaded.tokenizer, examples.assign(user_message=long), 120, seen)
    assert encoded.left_out == 4
    kept = examples[np.arange(12) % 3 > 0]
    alone = encode_examples(loaded.tokenizer, kept, 120, seen)
    assert [tokens.tolist() for tokens in encoded.tokens] == [tokens.tolist() for tokens in alone.tokens]
    for row, name in enumerate(kept["picture"]):
        (inputs,) = encoded.inputs(np.array([row]))
        assert bool(inputs) == (not pd.isna(name))
        for key, value in alone.inputs(np.array([row]))[0].items():
            assert torch.equal(inputs[key], value)


@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_an_adapter_learns_from_pictures_and_leaves_the_eyes_alone(
    method: str, seeing: Path, pictures: Path, tmp_path: Path
) -> None:
    examples = make_pictured(pictures, 90, seed=5)
    examples["answer"] = _other_words(examples["answer"])
    before, entry = _hashes(seeing), adapter_entry(method=method, epochs=10, learning_rate=1e-2)
    logs = [train_adapter(folder_source(seeing), examples, entry, tmp_path / name, silent, pictures) for name in "ab"]
    assert _hashes(seeing) == before
    assert _hashes(tmp_path / "a") == _hashes(tmp_path / "b")
    assert logs[0]["loss"].head(10).max() > 0.5
    assert logs[0]["loss"].tail(10).max() < 0.2
    names = safetensors.torch.load_file(tmp_path / "a" / "adapter_model.safetensors")
    assert len(names) == 2 * 7 * 2, "two matrices, seven layers a block, two blocks"
    assert all("language_model" in name for name in names)
    unseen = make_pictured(pictures, 30, seed=6)
    texts = _written(_load(seeing, tmp_path / "a"), unseen, pictures)
    wanted = _other_words(unseen["answer"])
    assert _share_right(texts, wanted) > 0.8


def test_eyes_are_adapted_where_they_are_named(seeing: Path, pictures: Path, tmp_path: Path) -> None:
    entry = adapter_entry(target_modules=("q_proj", "vision_tower.encoder.layers.0.mlp.fc1"), max_examples=5)
    train_adapter(folder_source(seeing), make_pictured(pictures, 20, seed=5), entry, tmp_path, silent, pictures)
    names = safetensors.torch.load_file(tmp_path / "adapter_model.safetensors")
    assert sorted({name.partition(".lora")[0].rpartition("model.model.")[2] for name in names}) == [
        "language_model.layers.0.self_attn.q_proj",
        "language_model.layers.1.self_attn.q_proj",
        "vision_tower.encoder.layers.0.mlp.fc1",
    ]
    _load(seeing, tmp_path)


def test_a_batch_of_pictures_of_all_shapes_is_the_sum_of_its_parts(
    any_family: LoadedSystem, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples, model = make_pictured(pictures, 12, seed=7), any_family.model
    encoded = encode_examples(any_family.tokenizer, examples, 512, Seeing(any_family.processor, pictures))
    gradients, losses = [], []
    for bound in (10**6, 60):
        monkeypatch.setattr(tuning, "_MICRO_BATCH_TOKENS", {"cpu": bound})
        model.requires_grad_(True).zero_grad()
        losses.append(tuning._accumulate(model, encoded, np.arange(12), 0))
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    model.requires_grad_(False).zero_grad()
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert torch.allclose(*gradients, rtol=1e-3, atol=1e-5)


def test_mistakes_of_tuning_are_said(seeing: Path, base: Path, pictures: Path, tmp_path: Path) -> None:
    examples = make_pictured(pictures, 10, seed=8)
    with pytest.raises(ModelLoadError, match="9 training examples come with pictures, and the model reads text only"):
        train_adapter(folder_source(base), examples, adapter_entry(), tmp_path, silent, pictures)
    gone = examples.assign(picture="0" * 32 + ".png")
    with pytest.raises(UnreadablePictureError, match=r"picture cannot be read: 0{32}\.png"):
        train_adapter(folder_source(seeing), gone, adapter_entry(), tmp_path, silent, pictures)


@pytest.mark.parametrize("method", METHODS)
def test_a_quantized_model_still_sees(method: str, seeing: Path, pictures: Path, tmp_path: Path) -> None:
    adapter, examples = tmp_path / "adapter", make_pictured(pictures, 20, seed=1)
    train_adapter(folder_source(seeing), examples, adapter_entry(max_examples=5), adapter, silent, pictures)
    for way, kept in (("merged", None), ("on-top", tmp_path / "on-top" / "adapter")):
        out = tmp_path / way
        facts = write_checkpoint(folder_source(seeing), adapter, QuantizationEntry(method=method, adapter=way), out)
        assert facts["weight_bytes_after"] < facts["weight_bytes_before"]
        assert facts["reload_difference"] < 1e-4
        loaded = _load(out, kept)
        kinds = ("Linear4bit", "Linear8bitLt")
        names = [name for name, module in loaded.model.named_modules() if type(module).__name__ in kinds]
        assert len(names) >= 14
        assert all("language_model.layers" in name for name in names)
        assert loaded.model.dtype == torch.float32
        texts = _written(loaded, examples, pictures)
        assert _share_right(texts, examples["answer"]) > 0.8


def test_parts_that_see_are_told_from_those_that_read(any_family: LoadedSystem, seeing: Path, base: Path) -> None:
    parts = parts_beside_language(any_family.model)
    assert parts in (["model.vision_tower", "model.multi_modal_projector"], ["model.vision_model", "model.connector"])
    assert kept_from_quantization(seeing) == ["lm_head", "model.multi_modal_projector", "model.vision_tower"]
    plain = load_base(base, folder_source(base), dtype="float32", device="cpu")
    assert parts_beside_language(plain) == []


def test_pictures_are_shifted_in_training_and_nothing_of_them_is_lost() -> None:
    picture = torch.arange(2 * 3 * 16 * 16.0).reshape(2, 1, 3, 16, 16)
    rows = [{"pixel_values": picture[0]}, {}, {"pixel_values": picture[1]}]
    moved = shifted(rows, np.random.default_rng(3))
    assert moved[1] == {}
    for before, after in ((rows[0], moved[0]), (rows[2], moved[2])):
        one, other = before["pixel_values"], after["pixel_values"]
        assert not torch.equal(one, other)
        assert torch.equal(one.flatten().sort().values, other.flatten().sort().values)
        places = [(down, right) for down in range(-2, 3) for right in range(-2, 3)]
        assert any(torch.equal(torch.roll(one, place, (-2, -1)), other) for place in places)
    again = shifted(rows, np.random.default_rng(3))
    assert torch.equal(again[2]["pixel_values"], moved[2]["pixel_values"])


def test_long_answers_are_made_of_words_and_options_stay_whole(seeing: Path, base: Path) -> None:
    written_ids = load_tokenizer(seeing, "seeing")("The meme mocks bakers who get up late.")["input_ids"]
    assert 5 < len(written_ids) < 20
    assert len(load_tokenizer(base, "tiny")("Yes")["input_ids"]) == 1


def test_plain_messages_and_lists_of_parts_are_the_same_text(seeing: Path) -> None:
    tokenizer = load_tokenizer(seeing, "seeing")
    chat = [{"role": "system", "content": "You are kind."}, {"role": "user", "content": "Tea?"}]
    plain, parts, pictured = render_prompts(tokenizer, [chat, chat_in_parts(chat), chat_in_parts(chat, 1)])
    assert plain == parts == "<|system|>You are kind.<|end|><|user|>Tea?<|end|><|assistant|>"
    assert pictured == "<|system|>You are kind.<|end|><|user|>Tea?<|image|><|end|><|assistant|>"
    assert not takes_parts_only(tokenizer)
