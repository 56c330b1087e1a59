"""What vllm writes, for real on CPU."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, LlamaForCausalLM

from bias_platform.errors import UserError
from bias_platform.inference.engines.base import Decoding, Failure, Generation, Image, Prompt
from bias_platform.inference.engines.vllm_engine import WARMER
from bias_platform.models.chat import render_prompts
from bias_platform_tests.inference.vllm.remote_engine import RemoteEngine


def written(
    engine: RemoteEngine, prompts: Sequence[Prompt], decoding: Decoding
) -> tuple[list[Generation | None], dict[int, Failure]]:
    """All texts in the order of the prompts (None where failed), and the failures."""
    texts: list[Generation | None] = [None] * len(prompts)
    failures: dict[int, Failure] = {}
    seen: list[int] = []
    for batch in engine.generate(prompts, decoding):
        for row, generation in zip(batch.indices, batch.generations, strict=True):
            texts[row] = generation
        failures |= dict(batch.failures)
        seen += [*batch.indices, *batch.failures]
    assert sorted(seen) == list(range(len(prompts)))
    return texts, failures


def greedy_by_hand(folder: Path, prompt: Prompt, most: int) -> tuple[str, int]:
    """What the model writes, one token after the other, straight from the definition, and how many tokens."""
    model = LlamaForCausalLM.from_pretrained(folder, dtype="float32").eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(render_prompts(tokenizer, [list(prompt.messages)])[0], add_special_tokens=False)["input_ids"]
    start = len(ids)
    with torch.inference_mode():
        while len(ids) < start + most and ids[-1] != tokenizer.eos_token_id:
            ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
    return tokenizer.decode(ids[start:], skip_special_tokens=True), len(ids) - start


def test_greedy_text_is_that_of_the_model(small: RemoteEngine, small_folder: Path, prompts: list[Prompt]) -> None:
    rows = [0, 5, 17, len(prompts) - 1]
    texts, failures = written(small, [prompts[row] for row in rows], Decoding(24))
    assert not failures
    for row, text in zip(rows, texts, strict=True):
        assert (text.text, text.output_tokens) == greedy_by_hand(small_folder, prompts[row], 24)
    assert len({text.text for text in texts}) == len(rows)
    assert {text.finish for text in texts} == {"length"}


def test_a_seed_decides_what_is_sampled_and_company_does_not(small: RemoteEngine, prompts: list[Prompt]) -> None:
    decoding = Decoding(12, temperature=1.0, top_p=0.9)
    seeded = [prompt._replace(seed=number) for number, prompt in enumerate(prompts[:6])]
    first, _ = written(small, seeded, decoding)
    alone = [written(small, [prompt], decoding)[0][0] for prompt in seeded]
    assert alone == first
    other, _ = written(small, [prompt._replace(seed=100 + prompt.seed) for prompt in seeded], decoding)
    assert all(left.text != right.text for left, right in zip(first, other, strict=True))


def test_replicates_of_one_prompt_differ_and_equal_ones_do_not(small: RemoteEngine, prompts: list[Prompt]) -> None:
    decoding = Decoding(12, temperature=1.0)
    texts, _ = written(small, [prompts[0]._replace(seed=seed) for seed in (1, 2, 3, 1)], decoding)
    assert len({text.text for text in texts[:3]}) == 3
    assert texts[3] == texts[0]


def test_only_what_is_allowed_is_written(small: RemoteEngine, prompts: list[Prompt]) -> None:
    allowed = ("Yes", "Maybe", "No", "Incomprehensible")
    texts, _ = written(small, prompts, Decoding(24, allowed=allowed))
    assert {text.text for text in texts} <= set(allowed)
    assert len({text.text for text in texts}) > 1
    assert {text.finish for text in texts} == {"stop"}


def test_a_temperature_below_vllms_least_is_noted(small: RemoteEngine, prompts: list[Prompt]) -> None:
    written(small, prompts[:1], Decoding(1, temperature=0.01))
    assert WARMER not in small.stats()["notes"]
    written(small, prompts[:1], Decoding(1, temperature=0.001))
    assert WARMER in small.stats()["notes"]


def test_a_prompt_that_leaves_no_room_fails_alone_and_a_long_answer_ends_with_the_context(
    small: RemoteEngine, prompts: list[Prompt]
) -> None:
    monster = Prompt(({"role": "user", "content": "rude " * 20_000},))
    texts, failures = written(small, [prompts[0], monster], Decoding(10_000))
    assert list(failures) == [1]
    assert failures[1].detail.startswith("prompt too long: ")
    assert not failures[1].transient
    assert texts[0].finish == "length"
    assert texts[0].input_tokens + texts[0].output_tokens == 256


def test_tokens_are_counted(small: RemoteEngine, prompts: list[Prompt]) -> None:
    fresh = [Prompt(({"role": "system", "content": "Be brief."}, *prompt.messages[-1:])) for prompt in prompts[:6]]
    before = small.stats()
    texts, _ = written(small, fresh, Decoding(5))
    after = small.stats()
    full, distinct, sent, wrote = (
        after[f"tokens_{name}"] - before[f"tokens_{name}"] for name in ("full_sequences", "distinct", "sent", "written")
    )
    assert full == sum(text.input_tokens for text in texts)
    assert wrote == sum(text.output_tokens for text in texts)
    assert distinct <= sent < full


def test_pictures_are_refused_by_a_model_without_eyes(small: RemoteEngine, prompts: list[Prompt]) -> None:
    shown = prompts[0]._replace(images=(Image(Path("red.png"), bytes(16), "image/png"),))
    with pytest.raises(UserError, match="shows a picture, and this system takes none"):
        written(small, [shown], Decoding(1))
    with pytest.raises(UserError, match="scores no options of prompts with pictures"):
        list(small.score_choices([shown], [("Yes", "No")], "sum"))
