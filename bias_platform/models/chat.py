"""Chats as tokens: one way of rendering a prompt, for training and for asking alike.

Tuning and scoring must see the same tokens: prompt and answer are tokenized apart and joined, so that an answer's first
token never depends on what stands before it.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from bias_platform.errors import ModelLoadError
from bias_platform.storage.hashing import value_hash

TEMPLATE_VARIABLES: dict[str, Any] = {"date_string": "26 Jul 2024", "enable_thinking": False}
"""Given to every chat template: some would write today's date into the prompt, or open a chain of thought before the
answer. A template that knows neither ignores them."""


class EncodedExamples(NamedTuple):
    """Tokenized chat examples, in the order of their table."""

    tokens: list[npt.NDArray[np.int64]]
    """prompt, answer, end-of-turn token of each example"""
    answer_start: npt.NDArray[np.int64]
    """position of the first answer token of each example"""
    lengths: npt.NDArray[np.int64]
    """tokens of each example"""
    left_out: int
    """examples longer than the context"""


def require_chat_template(tokenizer: Any, title: str) -> str:
    """The tokenizer's chat template.

    Raises:
        ModelLoadError: it has none (base models often lack one).
    """
    if not tokenizer.chat_template:
        raise ModelLoadError(
            f"model {title} has no chat template, so a persona cannot be given to it; use the instruction-tuned "
            "variant of the model, or add a chat_template.jinja to its folder"
        )
    return str(tokenizer.get_chat_template())


def chat_template_hash(tokenizer: Any, title: str) -> str:
    """32 hex digits that change with anything that changes how messages become tokens' text."""
    return value_hash([require_chat_template(tokenizer, title), TEMPLATE_VARIABLES, tokenizer.special_tokens_map])


def render_prompts(tokenizer: Any, chats: Sequence[Sequence[dict[str, str]]]) -> list[str]:
    """Each chat as the text up to where the model's answer begins.

    Raises:
        ModelLoadError: the template refuses the chat, e.g. because it knows no system role.
    """
    try:
        return list(
            tokenizer.apply_chat_template(
                [list(chat) for chat in chats], tokenize=False, add_generation_prompt=True, **TEMPLATE_VARIABLES
            )
        )
    except Exception as error:  # templates raise jinja's own errors
        raise ModelLoadError(
            f"the chat template of {tokenizer.name_or_path} refuses a chat of roles "
            f"{[message['role'] for message in chats[0]]}: {error}. Use a model whose template has a system role"
        ) from error


def tokenize(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of texts that already hold all special tokens they need."""
    return list(tokenizer(list(texts), add_special_tokens=False)["input_ids"]) if len(texts) else []


def example_chats(examples: pd.DataFrame) -> list[list[dict[str, str]]]:
    """The messages of a TrainingExamples table, without the answers."""
    pairs = zip(examples["system_message"], examples["user_message"], strict=True)
    return [
        ([] if pd.isna(system) else [{"role": "system", "content": system}]) + [{"role": "user", "content": user}]
        for system, user in pairs
    ]


def encode_examples(tokenizer: Any, examples: pd.DataFrame, context: int) -> EncodedExamples:
    """Tokenizes a TrainingExamples table; examples longer than `context` tokens are left out and counted.

    Raises:
        ModelLoadError: no example fits.
    """
    prompts = tokenize(tokenizer, render_prompts(tokenizer, example_chats(examples)))
    options = sorted(examples["answer"].unique())
    answers = dict(zip(options, tokenize(tokenizer, options), strict=True))
    rows = [
        (prompt, answers[answer])
        for prompt, answer in zip(prompts, examples["answer"], strict=True)
        if len(prompt) + len(answers[answer]) < context
    ]
    if not rows:
        raise ModelLoadError(f"none of the {len(examples):,} training examples fits into a context of {context} tokens")
    end = [tokenizer.eos_token_id]
    tokens = [np.array(prompt + answer + end, dtype=np.int64) for prompt, answer in rows]
    return EncodedExamples(
        tokens=tokens,
        lengths=np.array([len(ids) for ids in tokens], dtype=np.int64),
        answer_start=np.array([len(prompt) for prompt, _ in rows], dtype=np.int64),
        left_out=len(examples) - len(rows),
    )
