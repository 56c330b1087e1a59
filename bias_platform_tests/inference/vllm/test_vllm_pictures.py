"""Pictures, for real on CPU: Idefics3 needs no torchvision, which has no build beside a CPU torch in every index."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image as Picture
from transformers import (
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessorPil,
    Idefics3Processor,
    PreTrainedTokenizerFast,
)
from transformers.models.idefics3.configuration_idefics3 import Idefics3VisionConfig

from bias_platform.inference.engines.base import Decoding, Image, Prompt
from bias_platform.models.chat import render_prompts, tokenize
from bias_platform_tests.inference.vllm.conftest import small_config
from bias_platform_tests.inference.vllm.remote_engine import RemoteEngine
from bias_platform_tests.inference.vllm.test_vllm_writing import written

TEMPLATE = (
    "{{ '<s>' }}{% for m in messages %}{{ '<|' + m['role'] + '|>\n' }}"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for part in m['content'] %}"
    "{% if part['type'] == 'image' %}{{ '<image>' }}{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}"
    "{{ '<|end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
SIDE = 28
PLACES = ("<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>")


@pytest.fixture(scope="module")
def processor(tokenizer_with: Callable[[str], PreTrainedTokenizerFast]) -> Idefics3Processor:
    """Tokens for text and pictures; a picture of 28 x 28 pixels is four tokens."""
    tokenizer = tokenizer_with(TEMPLATE)
    rows = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    tokenizer.add_special_tokens(
        {"additional_special_tokens": ["<|system|>", "<|user|>", "<|assistant|>", *PLACES, *rows]}
    )
    tokenizer.pad_token = tokenizer.eos_token
    images = Idefics3ImageProcessorPil(
        size={"longest_edge": SIDE}, max_image_size={"longest_edge": SIDE}, do_image_splitting=False
    )
    return Idefics3Processor(images, tokenizer, image_seq_len=4, chat_template=TEMPLATE)


@pytest.fixture(scope="module")
def seeing(processor: Idefics3Processor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Idefics3."""
    tokenizer = processor.tokenizer
    torch.manual_seed(7)
    text = small_config(tokenizer, 64)
    vision = Idefics3VisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=1, image_size=SIDE, patch_size=14
    )
    image = tokenizer.convert_tokens_to_ids("<image>")
    config = Idefics3Config(
        vision_config=vision,
        text_config=text,
        image_token_id=image,
        pad_token_id=tokenizer.pad_token_id,
        scale_factor=1,
        tie_word_embeddings=False,
    )
    model = Idefics3ForConditionalGeneration(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "vision" in name or "connector" in name:
                weight.copy_(torch.randn_like(weight) * 0.2)
    folder = tmp_path_factory.mktemp("seeing")
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def test_pictures_are_seen_as_in_transformers(
    vllm_on: Callable[..., RemoteEngine], seeing: Path, processor: Idefics3Processor, tmp_path: Path
) -> None:
    pictures = {colour: tmp_path / f"{colour}.png" for colour in ("red", "blue")}
    for colour, path in pictures.items():
        Picture.new("RGB", (40, 30), colour).save(path)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    question = Prompt(({"role": "user", "content": "What a lovely garden?"},))
    shown = [_shown(question, path) for path in pictures.values()]
    empty = render_prompts(processor.tokenizer, [[{"role": "user", "content": ""}]])
    around = len(tokenize(processor.tokenizer, empty)[0])
    long = Prompt(({"role": "user", "content": "!" * (60 - around)},))  # of 64: four are left, a picture takes seven
    engine = vllm_on(seeing)
    engine.load()
    asked = [*shown, question, _shown(question, tmp_path / "broken.png"), long, _shown(long, pictures["red"])]
    texts, failures = written(engine, asked, Decoding(6))
    assert [text.text for text in texts[:2]] == [
        _by_transformers(seeing, processor, question, path) for path in pictures.values()
    ]
    assert len({text.text for text in texts[:3]}) == 3
    assert texts[4] is not None
    assert {row: failure.detail.partition(":")[0] for row, failure in failures.items()} == {
        3: "picture unreadable",
        5: "prompt too long",
    }
    assert not any(failure.transient for failure in failures.values())


def _shown(prompt: Prompt, path: Path) -> Prompt:
    return prompt._replace(images=(Image(path, path.name.encode().ljust(16), "image/png"),))


def _by_transformers(folder: Path, processor: Idefics3Processor, prompt: Prompt, path: Path) -> str:
    model = Idefics3ForConditionalGeneration.from_pretrained(folder, dtype="float32").eval()
    parts = [{"type": "text", "text": prompt.messages[-1]["content"]}, {"type": "image"}]
    text = processor.apply_chat_template([{"role": "user", "content": parts}], add_generation_prompt=True)
    inputs = processor(text=text, images=[Picture.open(path)], return_tensors="pt", add_special_tokens=False)
    with torch.inference_mode():
        ids = model.generate(**inputs, max_new_tokens=6, do_sample=False)
    return str(processor.tokenizer.decode(ids[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))
