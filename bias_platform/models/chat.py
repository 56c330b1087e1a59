"""Chats as tokens: one way of rendering a prompt, for training and for asking alike.

Tuning and scoring must see the same tokens: prompt and answer are tokenized apart and joined, so that an answer's first
token never depends on what stands before it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bias_platform.errors import ModelLoadError
from bias_platform.storage.hashing import value_hash

TEMPLATE_VARIABLES: dict[str, Any] = {"date_string": "26 Jul 2024", "enable_thinking": False}
"""Given to every chat template: some would write today's date into the prompt, or open a chain of thought before the
answer. A template that knows neither ignores them."""


_SLOT = "@@the-post-goes-here@@"


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


def render_prompts(tokenizer: Any, chats: Sequence[Sequence[Mapping[str, Any]]]) -> list[str]:
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


def chat_in_parts(messages: Sequence[Mapping[str, str]], pictures: int = 0) -> list[dict[str, Any]]:
    """Messages as lists of parts, the form that templates of models with pictures expect.

    Args:
        messages: with `role` and `content`; the last one is the user's.
        pictures: how many follow its text.

    >>> chat_in_parts([{"role": "user", "content": "Kind?"}], 1)[0]["content"]
    [{'type': 'text', 'text': 'Kind?'}, {'type': 'image'}]
    """
    chat: list[dict[str, Any]] = [
        {"role": message["role"], "content": [{"type": "text", "text": message["content"]}]} for message in messages
    ]
    chat[-1]["content"] += [{"type": "image"} for _ in range(pictures)]
    return chat


def takes_parts_only(tokenizer: Any) -> bool:
    """Whether the chat template takes a message as a list of parts only, as some models' that read pictures do: given
    plain text, it leaves the text out without a word."""

    def rendered(content: Any) -> str | None:
        try:
            return render_prompts(tokenizer, [[{"role": "user", "content": content}]])[0]
        except ModelLoadError:
            return None

    plain = rendered(_SLOT)
    if plain is not None and plain != rendered(""):
        return False
    listed = rendered([{"type": "text", "text": _SLOT}])
    return listed is not None and _SLOT in listed


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
