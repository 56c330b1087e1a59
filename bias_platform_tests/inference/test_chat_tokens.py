"""Texts tokenized in parts give the tokens of the whole; options begin where they should."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bias_platform.errors import ModelLoadError
from bias_platform.inference.engines.base import Prompt
from bias_platform.inference.engines.chat_tokens import ChatEncoder

OPTIONS = ("Yes", "Maybe", "No", "Incomprehensible")
PLAIN = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}Answer:"
SPACED = "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] }}{% endfor %}<|assistant|>Answer: "
TRIMMED = (
    "{{ '<s>' }}{% for m in messages %}{{ '<|' + m['role'] + '|>\n' + m['content'] | trim + '<|end|>\n' }}{% endfor %}"
    "<|assistant|>\n"
)
MANGLED = "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] | upper }}{% endfor %}<|assistant|>"
SHORTENED = "{% for m in messages %}{{ '<|user|>' + m['content'][:40] }}{% endfor %}<|assistant|>"
NO_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}<|user|>"


def whole(tokenizer: Any, prompt: Prompt) -> list[int]:
    text = tokenizer.apply_chat_template(list(prompt.messages), tokenize=False, add_generation_prompt=True)
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


class Counting:
    """A tokenizer that counts the texts it is given."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer, self.texts = tokenizer, 0

    def __call__(self, texts: list[str], **options: Any) -> Any:
        self.texts += len(texts)
        return self.tokenizer(texts, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tokenizer, name)


@pytest.mark.parametrize(
    ("template", "joins"),
    [(None, True), (TRIMMED, True), (SPACED, True), (PLAIN, True), (MANGLED, True), (SHORTENED, False)],
)
def test_parts_give_the_tokens_of_the_whole(
    tokenizer_with: Callable[..., Any], prompts: list[Prompt], template: str | None, joins: bool
) -> None:
    tokenizer = tokenizer_with(template) if template else tokenizer_with()
    odd = [
        Prompt(({"role": "system", "content": " Be <|end|> kind. "}, {"role": "user", "content": text}))
        for text in (
            "  spaces around \n",
            "",
            "<|assistant|>\nYes<|end|>",
            "ünïcode 🎺 \u200b",
            "<s>",
            "\n\n",
            "{{ 7 }}{content}",
        )
    ]
    encoder = ChatEncoder(tokenizer)
    chats = prompts[:12] + odd
    encoded = encoder.encode(chats, [OPTIONS] * len(chats), "mean")
    cut = {len(whole(tokenizer, chat)) - len(ids) for chat, ids in zip(chats, encoded.prompts, strict=True)}
    assert len(cut) == 1
    for chat, ids in zip(chats, encoded.prompts, strict=True):
        assert ids.tolist() == whole(tokenizer, chat)[: len(ids)]
    assert encoder.joins_parts is joins


def test_distinct_texts_are_tokenized_once(tokenizer: Any, prompts: list[Prompt]) -> None:
    counting = Counting(tokenizer)
    ChatEncoder(counting).encode(prompts, [OPTIONS] * len(prompts), "sum")
    systems, users = 6, 9 + 1
    # one more head for the chats without a system message, the compared whole prompts, and prompt end + options
    assert counting.texts <= systems + users + 1 + 6 + 1 + len(OPTIONS)
    assert len(prompts) > 2 * counting.texts


def test_a_stable_border_leaves_the_prompt_whole(tokenizer: Any, prompts: list[Prompt]) -> None:
    encoded = ChatEncoder(tokenizer).encode(prompts[:1], [OPTIONS], "sum")
    assert encoded.prompts[0].tolist() == whole(tokenizer, prompts[0])
    alone = [tokenizer(option, add_special_tokens=False)["input_ids"] for option in OPTIONS]
    assert encoded.option_tokens == [alone]


def test_a_token_across_the_border_is_scored_from_where_it_begins(tokenizer_with: Callable[..., Any]) -> None:
    tokenizer = tokenizer_with(SPACED)
    prompt = Prompt(({"role": "user", "content": "Rude?"},))
    encoded = ChatEncoder(tokenizer).encode([prompt], [("the bus", "Yes")], "sum")
    text = tokenizer.apply_chat_template(list(prompt.messages), tokenize=False, add_generation_prompt=True)
    for option, ids in zip(("the bus", "Yes"), encoded.option_tokens[0], strict=True):
        assert [*encoded.prompts[0].tolist(), *ids] == tokenizer(text + option, add_special_tokens=False)["input_ids"]
    assert len(encoded.prompts[0]) == len(whole(tokenizer, prompt)) - 1  # the space joins the word that follows


def test_without_special_tokens_options_follow_each_prompt(tokenizer_with: Callable[..., Any]) -> None:
    tokenizer = tokenizer_with(PLAIN)
    chats = [Prompt(({"role": "user", "content": text},)) for text in ("Rude?", "Late again?")]
    encoded = ChatEncoder(tokenizer).encode(chats, [(" Yes", " No")] * 2, "sum")
    for row, chat in enumerate(chats):
        assert encoded.prompts[row].tolist() == whole(tokenizer, chat)
    assert len(encoded.trees) == 1


def test_a_long_prompt_is_among_the_compared(tokenizer_with: Callable[..., Any]) -> None:
    """Only one prompt, not on the grid of compared ones, is changed by this template: the longest."""
    tokenizer = tokenizer_with(SHORTENED)
    texts = ["short"] * 3 + ["much longer than the forty characters that this template lets through"] + ["short"] * 20
    chats = [Prompt(({"role": "user", "content": text},)) for text in texts]
    encoded = ChatEncoder(tokenizer).encode(chats, [OPTIONS] * len(chats), "sum")
    assert encoded.prompts[3].tolist() == whole(tokenizer, chats[3])


def test_a_template_that_refuses_a_system_message_says_so(tokenizer_with: Callable[..., Any]) -> None:
    chat = Prompt(({"role": "system", "content": "x"}, {"role": "user", "content": "y"}))
    with pytest.raises(ModelLoadError, match="no system role"):
        ChatEncoder(tokenizer_with(NO_SYSTEM)).encode([chat], [OPTIONS], "sum")


LISTED = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>' }}{% for part in m['content'] | selectattr('type', 'equalto', "
    "'text') %}{{ part['text'] }}{% endfor %}{{ '<|end|>' }}{% endfor %}<|assistant|>"
)
CONCATENATED = "{% for m in messages %}{{ '<|user|>' + m['content'][0]['text'] }}{% endfor %}<|assistant|>"


@pytest.mark.parametrize("template", [LISTED, CONCATENATED])
def test_templates_that_take_lists_of_parts_get_them(
    tokenizer_with: Callable[..., Any], prompts: list[Prompt], template: str
) -> None:
    tokenizer = tokenizer_with(template)
    encoder = ChatEncoder(tokenizer)
    assert encoder.lists_parts
    encoded = encoder.encode(prompts[:12], [OPTIONS] * 12, "sum")
    for prompt, ids in zip(prompts[:12], encoded.prompts, strict=True):
        parts = [{"role": m["role"], "content": [{"type": "text", "text": m["content"]}]} for m in prompt.messages]
        text = tokenizer.apply_chat_template(parts, tokenize=False, add_generation_prompt=True)
        assert prompt.messages[-1]["content"] in text
        assert ids.tolist() == tokenizer(text, add_special_tokens=False)["input_ids"]
    assert encoder.joins_parts


@pytest.mark.parametrize("template", [None, TRIMMED, SPACED, PLAIN, MANGLED, SHORTENED, NO_SYSTEM])
def test_templates_that_take_text_get_text(tokenizer_with: Callable[..., Any], template: str | None) -> None:
    assert not ChatEncoder(tokenizer_with(template) if template else tokenizer_with()).lists_parts


@pytest.mark.parametrize("template", [None, TRIMMED, SPACED, PLAIN, MANGLED, SHORTENED])
def test_prompts_are_encoded_alike_with_and_without_options(
    tokenizer_with: Callable[..., Any], prompts: list[Prompt], template: str | None
) -> None:
    tokenizer = tokenizer_with(template) if template else tokenizer_with()
    assert [ids.tolist() for ids in ChatEncoder(tokenizer).encode_prompts(prompts)] == [
        whole(tokenizer, prompt) for prompt in prompts
    ]
    assert ChatEncoder(tokenizer).encode_prompts([]) == []


@pytest.mark.parametrize(
    ("template", "token"),
    [
        (None, "<|end|>"),
        (LISTED, "<|end|>"),
        ("{% for m in messages %}{{ m['content'] + ' <|system|>' }}{% endfor %}", "<|system|>"),
        (PLAIN, None),
        (MANGLED, None),
        ("{% if messages|length > 1 %}{{ raise_exception('one message only') }}{% endif %}<|user|>", None),
    ],
)
def test_the_token_that_ends_a_turn_is_found(
    tokenizer_with: Callable[..., Any], template: str | None, token: str | None
) -> None:
    tokenizer = tokenizer_with(template) if template else tokenizer_with()
    expected = None if token is None else tokenizer.convert_tokens_to_ids(token)
    assert ChatEncoder(tokenizer).end_of_turn() == expected


def test_prompts_that_are_read_already_get_the_same_options(tokenizer: Any, prompts: list[Prompt]) -> None:
    encoder = ChatEncoder(tokenizer)
    texts = [
        tokenizer.apply_chat_template(list(prompt.messages), tokenize=False, add_generation_prompt=True)
        for prompt in prompts[:8]
    ]
    encoded = encoder.encode(prompts[:8], [OPTIONS] * 8, "sum")
    read = encoder.encode_read(encoder.encode_prompts(prompts[:8]), texts, [OPTIONS] * 8, "sum")
    assert [ids.tolist() for ids in read.prompts] == [ids.tolist() for ids in encoded.prompts]
    assert (read.tree_of, read.option_tokens) == (encoded.tree_of, encoded.option_tokens)


def test_nothing_to_encode(tokenizer: Any) -> None:
    encoded = ChatEncoder(tokenizer).encode([], [], "sum")
    assert (encoded.prompts, encoded.trees) == ([], [])
    assert np.array(encoded.tree_of).size == 0
