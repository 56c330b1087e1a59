"""The tokenizer of reference models: fixed wording as single tokens, everything else as byte pairs."""

import re
from collections.abc import Sequence
from typing import Any

import pandas as pd
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from bias_platform.models.recurring_phrases import recurring_phrases

CONTEXT = 1024
"""Longest example in tokens, and the context the model declares."""
PAD, END, IMAGE = "<|pad|>", "<|end|>", "<|image|>"
ROLES = ("system", "user", "assistant")
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}" + END + "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
PICTURE_TEMPLATE = CHAT_TEMPLATE.replace(
    "{{ message['content'] }}",
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}" + IMAGE + "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}",
)
"""Takes messages as text, and as lists of parts."""
_LONGEST_OPTION = 4
"""Words; longer answers are written, not chosen."""
_SMALLEST_ALPHABET = 261  # all bytes and the special tokens


def fixed_wording(examples: pd.DataFrame) -> list[str]:
    """The phrases that recur in the examples' system messages or in their user messages."""
    columns = (examples[column].dropna() for column in ("system_message", "user_message"))
    return list(dict.fromkeys(phrase for column in columns for phrase in recurring_phrases(column)))


def train_tokenizer(
    examples: pd.DataFrame, phrases: Sequence[str], vocabulary_size: int, *, pictures: bool = False
) -> Any:
    """A byte-level BPE tokenizer of the examples' texts, with role tokens and a chat template.

    Args:
        examples: TrainingExamples.
        phrases: each gets a token; byte pairs are learnt from what is left of the texts. So do the answers, where they
            stand as words; but answers of many words are texts like the others.
        vocabulary_size: tokens of all kinds; more where the bytes and phrases alone are more.
        pictures: whether the chat template has a place for pictures, and the vocabulary a token for it.
    """
    texts, options = _texts_and_options(examples)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=max(vocabulary_size - len(phrases) - len(options), _SMALLEST_ALPHABET),
        special_tokens=[PAD, END, *(f"<|{role}|>" for role in ROLES), *([IMAGE] if pictures else [])],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([part for text in texts for part in cut_out(phrases, text)], trainer)
    tokenizer.add_tokens([AddedToken(phrase, normalized=False) for phrase in phrases])
    tokenizer.add_tokens([AddedToken(answer, normalized=False, single_word=True) for answer in options])
    wrapped = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )
    wrapped.chat_template = PICTURE_TEMPLATE if pictures else CHAT_TEMPLATE
    return wrapped


def _texts_and_options(examples: pd.DataFrame) -> tuple[pd.Series, list[str]]:
    """What byte pairs are learnt from, and the answers that are chosen, not written."""
    columns = ["system_message", "user_message"]
    answers = sorted(examples["answer"].unique())
    if max(len(answer.split()) for answer in answers) > _LONGEST_OPTION:
        columns, answers = [*columns, "answer"], []
    return pd.concat([examples[column].dropna() for column in columns]), answers


def cut_out(phrases: Sequence[str], text: str) -> list[str]:
    """What is left of a text between the phrases.

    >>> cut_out(["You are a", " in all you say."], "You are a kind man in all you say.")
    [' kind man']
    """
    if not phrases:
        return [text]
    longest_first = sorted(phrases, key=len, reverse=True)
    return [part for part in re.split("|".join(map(re.escape, longest_first)), text) if part]
