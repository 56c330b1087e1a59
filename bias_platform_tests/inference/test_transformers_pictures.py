"""Pictures reach the model, and what comes of them is what plain transformers says."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Picture
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessorPil,
    Idefics3Processor,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)
from transformers.models.idefics3 import Idefics3VisionConfig

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.errors import UserError
from bias_platform.inference.engines.base import Decoding, Image, Prompt
from bias_platform.inference.engines.transformers_engine import engine_on
from bias_platform.inference.identity import image_hash
from bias_platform.models.loading import load_system
from bias_platform.models.source import ModelSource
from bias_platform.models.system import resolve_system
from bias_platform_tests.inference.conftest import OPTIONS, make_tokenizer
from bias_platform_tests.inference.gathered_scores import scores
from bias_platform_tests.inference.test_transformers_generation import written

TEMPLATE = (
    "{{ '<s>' }}{% for m in messages %}{{ '<|' + m['role'] + '|>\n' }}{% for part in m['content'] %}"
    "{% if part['type'] == 'image' %}{{ '<image>' }}{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
    "{{ '<|end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
"""Takes parts only: plain text would be left out without a word."""
SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}


def picture_tokenizer() -> Any:
    tokenizer = make_tokenizer(TEMPLATE)
    others = ["<image>", "<fake_token_around_image>", "<end_of_utterance>"]
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|system|>", "<|user|>", "<|assistant|>", *others]})
    return tokenizer


def save_llava(folder: Path) -> None:
    tokenizer = picture_tokenizer()
    torch.manual_seed(0)
    vision = CLIPVisionConfig(**SMALL, image_size=28, patch_size=14, initializer_range=0.3)
    text = LlamaConfig(vocab_size=len(tokenizer), **SMALL, max_position_embeddings=256, initializer_range=0.2)
    image_token = tokenizer.convert_tokens_to_ids("<image>")
    LlavaForConditionalGeneration(
        LlavaConfig(vision_config=vision, text_config=text, image_token_index=image_token)
    ).save_pretrained(folder)
    pictures = CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
    LlavaProcessor(
        image_processor=pictures, tokenizer=tokenizer, patch_size=14, vision_feature_select_strategy="default",
        num_additional_image_tokens=1, image_token="<image>", chat_template=TEMPLATE,
    ).save_pretrained(folder)  # fmt: skip


def save_idefics(folder: Path) -> None:
    tokenizer = picture_tokenizer()
    torch.manual_seed(0)
    vision = Idefics3VisionConfig(**SMALL, image_size=28, patch_size=14, initializer_range=0.3)
    text = LlamaConfig(vocab_size=len(tokenizer), **SMALL, max_position_embeddings=256, initializer_range=0.2)
    image_token = tokenizer.convert_tokens_to_ids("<image>")
    Idefics3ForConditionalGeneration(
        Idefics3Config(
            vision_config=vision, text_config=text, image_token_id=image_token, scale_factor=1, pad_token_id=1
        )
    ).save_pretrained(folder)
    pictures = Idefics3ImageProcessorPil(
        size={"longest_edge": 28}, max_image_size={"longest_edge": 28}, do_image_splitting=False
    )
    Idefics3Processor(pictures, tokenizer, image_seq_len=4, chat_template=TEMPLATE).save_pretrained(folder)


def load(folder: Path) -> Any:
    source = ModelSource(kind="folder", location=str(folder), dtype="float32")
    return load_system(resolve_system("seeing", source, versions={"base": "1"}))


@pytest.fixture(scope="module", params=[save_llava, save_idefics])
def seeing(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A random vision-language model, through the platform's own loading."""
    folder = tmp_path_factory.mktemp("seeing")
    request.param(folder)
    return load(folder)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Image]:
    """One of each colour, of different shapes."""
    folder = tmp_path_factory.mktemp("pictures")
    made = {}
    for colour, size in (("red", (40, 30)), ("blue", (40, 30)), ("green", (20, 60))):
        path = folder / f"{colour}.png"
        Picture.new("RGB", size, colour).save(path)
        made[colour] = Image(path, image_hash(path), "image/png")
    return made


def seen(text: str, *images: Image, system: str | None = None) -> Prompt:
    head = ({"role": "system", "content": system},) if system else ()
    return Prompt((*head, {"role": "user", "content": text}), images)


def by_hand(loaded: Any, prompt: Prompt, option: str = "") -> dict[str, torch.Tensor]:
    """What transformers' processor makes of a prompt and an option."""
    chat = [{"role": m["role"], "content": [{"type": "text", "text": m["content"]}]} for m in prompt.messages]
    chat[-1]["content"] += [{"type": "image"}] * len(prompt.images)
    text = loaded.processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    opened = [[Picture.open(image.path).convert("RGB") for image in prompt.images]]
    return loaded.processor(text=[text + option], images=opened, add_special_tokens=False, return_tensors="pt")


def score_by_hand(loaded: Any, prompt: Prompt, option: str) -> float:
    made, start = by_hand(loaded, prompt, option), by_hand(loaded, prompt)["input_ids"].shape[1]
    ids = made["input_ids"][0]
    with torch.inference_mode():
        logs = loaded.model(**made).logits[0].double().log_softmax(-1)
    return float(sum(logs[place - 1, ids[place]] for place in range(start, len(ids))))


@pytest.fixture(scope="module")
def chats(pictures: dict[str, Image]) -> list[Prompt]:
    """With one picture, two, none."""
    red, blue, green = (pictures[colour] for colour in ("red", "blue", "green"))
    return [
        seen("Is this rude?", red),
        seen("Is this rude?", blue),
        seen("Is this rude?", green, system="You are a teacher."),
        seen("What a lovely garden you have there! Is this rude?", red),
        seen("Is this rude?", red, blue),
        seen("Is this rude?", blue, red),
        seen("Is this rude?"),
        seen("Is this rude?", red, system="You are a teacher."),
    ]


def test_scores_are_those_of_transformers(seeing: Any, chats: Sequence[Prompt]) -> None:
    assert seeing.facts["pictures"] is True
    engine = engine_on(seeing, EngineSettings())
    table, failures = scores(engine.score_choices, chats)
    assert not failures
    for row, chat in enumerate(chats):
        if chat.images:
            expected = [score_by_hand(seeing, chat, option) for option in OPTIONS]
            np.testing.assert_allclose(table[row], expected, atol=1e-5, rtol=0)
    for left, right in ((0, 1), (4, 5), (0, 4), (0, 6)):
        assert np.abs(table[left] - table[right]).max() > 0.01, "pictures and their order matter"
    assert "read whole" in engine.stats.notes[0]
    assert engine.stats.prompts == len(chats)


def test_texts_without_pictures_reach_the_model_too(seeing: Any) -> None:
    """By shared beginnings, although the template takes lists of parts only."""
    engine = engine_on(seeing, EngineSettings())
    chats = [seen(f"Is the {thing} late again?", system="You are a teacher.") for thing in ("bus", "trumpet", "garden")]
    table, _ = scores(engine.score_choices, chats)
    for row, chat in enumerate(chats):
        text = seeing.tokenizer.apply_chat_template(
            [{"role": m["role"], "content": [{"type": "text", "text": m["content"]}]} for m in chat.messages],
            tokenize=False, add_generation_prompt=True,
        )  # fmt: skip
        assert chat.messages[-1]["content"] in text
        start = len(seeing.tokenizer(text, add_special_tokens=False)["input_ids"])
        ids = seeing.tokenizer([text + "Yes"], add_special_tokens=False, return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            logs = seeing.model(input_ids=ids).logits[0].log_softmax(-1)
        expected = sum(logs[place - 1, ids[0, place]] for place in range(start, ids.shape[1]))
        assert table[row, 0] == pytest.approx(float(expected), abs=1e-5)
    assert np.ptp(table[:, 0]) > 1e-3
    assert engine.stats.notes == []


def test_text_about_pictures_is_that_of_transformers(seeing: Any, chats: Sequence[Prompt]) -> None:
    engine = engine_on(seeing, EngineSettings())
    answers, _ = written(engine, chats, Decoding(maximum_tokens=6))
    for row, chat in enumerate(chats):
        if not chat.images:
            continue
        made = by_hand(seeing, chat)
        stops = [2, seeing.tokenizer.eos_token_id]
        tokens = seeing.model.generate(**made, do_sample=False, max_new_tokens=6, eos_token_id=stops, pad_token_id=0)
        text = seeing.tokenizer.decode(tokens[0, made["input_ids"].shape[1] :], skip_special_tokens=True)
        assert answers[row].text == text
        assert answers[row].input_tokens == made["input_ids"].shape[1]
    warm = Decoding(maximum_tokens=6, temperature=1.0)
    drawn = [chat._replace(seed=row) for row, chat in enumerate(chats)]
    together, _ = written(engine, drawn, warm)
    assert {row: written(engine, [chat], warm)[0][0] for row, chat in enumerate(drawn)} == together


def test_a_picture_that_cannot_be_read_fails_alone(seeing: Any, chats: Sequence[Prompt], tmp_path: Path) -> None:
    (tmp_path / "torn.png").write_bytes(chats[0].images[0].path.read_bytes()[:40])
    torn = Image(tmp_path / "torn.png", b"0" * 16, "image/png")
    gone = Image(tmp_path / "gone.png", b"1" * 16, "image/png")
    engine = engine_on(seeing, EngineSettings())
    asked = [chats[0], seen("Rude?", torn), seen("Rude?", gone), chats[6]]
    table, failures = scores(engine.score_choices, asked)
    answers, unwritten = written(engine, asked, Decoding(maximum_tokens=3))
    assert sorted(failures) == sorted(unwritten) == [1, 2]
    assert sorted(answers) == [0, 3]
    assert np.isfinite(table[[0, 3]]).all()
    for failure, name in ((failures[1], "torn.png"), (failures[2], "gone.png")):
        assert failure.detail.startswith(f"picture cannot be read: {name}")
        assert not failure.transient


def test_a_prompt_with_a_picture_may_be_too_long(seeing: Any, chats: Sequence[Prompt]) -> None:
    long = seen("rude " * 100, chats[0].images[0])
    engine = engine_on(seeing, EngineSettings())
    for failures in (scores(engine.score_choices, [long, chats[0]])[1], written(engine, [long, chats[0]])[1]):
        assert list(failures) == [0]
        assert failures[0].detail.startswith("prompt too long: ")


def test_a_system_that_reads_text_only_says_so(loaded: Any, chats: Sequence[Prompt]) -> None:
    engine = engine_on(loaded, EngineSettings())
    with pytest.raises(UserError, match=r"come with pictures, and the system reads text only; use a vision-language"):
        scores(engine.score_choices, chats[:1])
    with pytest.raises(UserError, match="reads text only"):
        written(engine, chats[:1])


def test_want_of_memory_halves_batches_of_pictures(
    seeing: Any, chats: Sequence[Prompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, _ = scores(engine_on(seeing, EngineSettings()).score_choices, chats)
    forward = type(seeing.model).forward

    def forgetful(self: Any, input_ids: Any = None, **arguments: Any) -> Any:
        if len(input_ids) > 2 and "pixel_values" in arguments:
            raise torch.OutOfMemoryError("no more")
        return forward(self, input_ids, **arguments)

    monkeypatch.setattr(type(seeing.model), "forward", forgetful)
    engine = engine_on(seeing, EngineSettings())
    table, failures = scores(engine.score_choices, chats)
    assert not failures
    assert engine.stats.halved_batches > 0
    np.testing.assert_allclose(table, expected, atol=1e-5, rtol=0)


def test_without_its_processor_a_model_is_asked_about_text_only(
    tmp_path: Path, chats: Sequence[Prompt], caplog: pytest.LogCaptureFixture
) -> None:
    save_llava(tmp_path)
    (tmp_path / "processor_config.json").unlink()
    loaded = load(tmp_path)
    assert loaded.processor is None
    assert "asked about text only" in caplog.text
    table, _ = scores(engine_on(loaded, EngineSettings()).score_choices, [chats[6]])
    assert np.isfinite(table).all()
