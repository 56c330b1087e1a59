"""Chats become tokens in one way, and what cannot become tokens is said."""

from pathlib import Path

import pandas as pd
import pytest

from bias_platform.errors import ModelLoadError
from bias_platform.models import chat
from bias_platform.models.example_tokens import encode_examples
from bias_platform.models.loading import load_tokenizer


@pytest.fixture
def tokenizer(base: Path) -> object:
    return load_tokenizer(base, "tiny")


def test_an_example_is_prompt_answer_and_end_of_turn(tokenizer: object, examples: pd.DataFrame) -> None:
    two = examples.iloc[[0, 1]]
    encoded = encode_examples(tokenizer, two, 512)
    decoded = [tokenizer.decode(tokens) for tokens in encoded.tokens]  # type: ignore[attr-defined]
    for text, row in zip(decoded, two.itertuples(), strict=True):
        system = "" if pd.isna(row.system_message) else f"<|system|>{row.system_message}<|end|>"
        assert text == f"{system}<|user|>{row.user_message}<|end|><|assistant|>{row.answer}<|end|>"
    answers = [tokens[start:] for tokens, start in zip(encoded.tokens, encoded.answer_start, strict=True)]
    assert [tokenizer.decode(tokens) for tokens in answers] == [f"{a}<|end|>" for a in two["answer"]]  # type: ignore[attr-defined]


def test_examples_beyond_the_context_are_left_out_and_counted(tokenizer: object, examples: pd.DataFrame) -> None:
    every = encode_examples(tokenizer, examples, 512)
    bound = int(every.lengths.max()) - 1
    shorter = encode_examples(tokenizer, examples, bound)
    assert shorter.left_out == int((every.lengths > bound).sum()) > 0
    assert shorter.lengths.max() <= bound
    with pytest.raises(ModelLoadError, match="none of the 300 training examples fits into a context of 3 tokens"):
        encode_examples(tokenizer, examples, 3)


def test_a_model_without_chat_template_is_refused(tokenizer: object) -> None:
    tokenizer.chat_template = None  # type: ignore[attr-defined]
    with pytest.raises(ModelLoadError, match="model some/base has no chat template"):
        chat.chat_template_hash(tokenizer, "some/base")


def test_a_template_that_refuses_a_system_message_is_named(tokenizer: object) -> None:
    tokenizer.chat_template = (  # type: ignore[attr-defined]
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}x"
    )
    with pytest.raises(ModelLoadError, match=r"refuses a chat of roles \['system', 'user'\].*no system role"):
        chat.render_prompts(tokenizer, [[{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]])


def test_the_hash_changes_with_the_template_only(tokenizer: object, base: Path) -> None:
    before = chat.chat_template_hash(tokenizer, "tiny")
    assert before == chat.chat_template_hash(load_tokenizer(base, "tiny"), "another title")
    tokenizer.chat_template += " "  # type: ignore[attr-defined]
    assert chat.chat_template_hash(tokenizer, "tiny") != before


def test_a_template_that_would_write_the_date_gets_a_fixed_one(tokenizer: object) -> None:
    tokenizer.chat_template = (  # type: ignore[attr-defined]
        "{% if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}"
        "{{ date_string }}"
    )
    assert chat.render_prompts(tokenizer, [[{"role": "user", "content": "b"}]]) == ["26 Jul 2024"]
