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
PAD, END = "<|pad|>", "<|end|>"
ROLES = ("system", "user", "assistant")
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}" + END + "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_SMALLEST_ALPHABET = 261  # all bytes and the special tokens


def fixed_wording(examples: pd.DataFrame) -> list[str]:
    """The phrases that recur in the examples' system messages or in their user messages."""
    columns = (examples[column].dropna() for column in ("system_message", "user_message"))
    return list(dict.fromkeys(phrase for column in columns for phrase in recurring_phrases(column)))


def train_tokenizer(examples: pd.DataFrame, phrases: Sequence[str], vocabulary_size: int) -> Any:
    """A byte-level BPE tokenizer of the examples' texts, with role tokens and a chat template.

    Args:
        examples: TrainingExamples.
        phrases: each gets a token; byte pairs are learnt from what is left of the texts. So do the answers, where they
            stand as words.
        vocabulary_size: tokens of all kinds; more where the bytes and phrases alone are more.
    """
    texts = pd.concat([examples[column].dropna() for column in ("system_message", "user_message")])
    answers = sorted(examples["answer"].unique())
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=max(vocabulary_size - len(phrases) - len(answers), _SMALLEST_ALPHABET),
        special_tokens=[PAD, END, *(f"<|{role}|>" for role in ROLES)],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([part for text in texts for part in cut_out(phrases, text)], trainer)
    tokenizer.add_tokens([AddedToken(phrase, normalized=False) for phrase in phrases])
    tokenizer.add_tokens([AddedToken(answer, normalized=False, single_word=True) for answer in answers])
    wrapped = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )
    wrapped.chat_template = CHAT_TEMPLATE
    return wrapped


def cut_out(phrases: Sequence[str], text: str) -> list[str]:
    """What is left of a text between the phrases.

    >>> cut_out(["You are a", " in all you say."], "You are a kind man in all you say.")
    [' kind man']
    """
    if not phrases:
        return [text]
    longest_first = sorted(phrases, key=len, reverse=True)
    return [part for part in re.split("|".join(map(re.escape, longest_first)), text) if part]
