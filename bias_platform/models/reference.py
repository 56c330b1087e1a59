"""Reference models: small Llamas built and trained on the spot, so that every path runs without a download.

A reference model learns the majority judgement whatever persona it is shown. It therefore has (almost) no persona bias:
what an adapter adds is known, and a study of it can be checked against the truth.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from bias_platform.catalog.entries import ReferenceRecipe
from bias_platform.errors import CatalogError, ModelLoadError
from bias_platform.models.batches import collate, fixed_size_batches
from bias_platform.models.chat import EncodedExamples, encode_examples
from bias_platform.models.recurring_phrases import recurring_phrases
from bias_platform.models.training import TrainingRecord, loss_sums, optimiser_step, reproducible
from bias_platform.progress import Progress, Report

CONTEXT = 1024
"""Longest example in tokens, and the context the model declares."""
PAD, END = "<|pad|>", "<|end|>"
ROLES = ("system", "user", "assistant")
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}" + END + "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_ALL_TOKENS_WEIGHT = 0.1  # learning the prompts' language a little keeps answers from being learnt by rote
_WEIGHT_DECAY = 0.05
_BETAS = (0.9, 0.98)
_WARM_UP = 0.1
_SMALLEST_ALPHABET = 261  # all bytes and the special tokens


def build_reference_model(
    recipe: ReferenceRecipe, examples: pd.DataFrame, out: Path, on_progress: Report
) -> pd.DataFrame:
    """Trains tokenizer and model, and saves both as a folder that transformers loads.

    The same recipe and examples give the same bytes on the same machine.

    Args:
        recipe: sizes, steps, learning rate, seed.
        examples: TrainingExamples.
        out: folder to fill; made if it is not there.
        on_progress: told after every step.

    Returns:
        TrainingLog; its loss is that of the answer tokens in nats per token.

    Raises:
        CatalogError: sizes that do not go together.
        ModelLoadError: no examples, or none that fits the context.
    """
    _check(recipe, examples)
    tokenizer = train_tokenizer(examples, recipe.vocabulary_size)
    with reproducible(recipe.seed):
        model = _new_model(recipe, tokenizer)
        log = _train(model, tokenizer, recipe, examples, on_progress)
    model.eval()
    out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    return log


def train_tokenizer(examples: pd.DataFrame, vocabulary_size: int) -> Any:
    """A byte-level BPE tokenizer of the examples' texts, with role tokens and a chat template.

    Fixed wording (see `recurring_phrases`) gets a token each; the byte pairs are learnt from the rest, with the answers
    as whole tokens.
    """
    texts = [examples[column].dropna() for column in ("system_message", "user_message")]
    answers = sorted(examples["answer"].unique())
    phrases = [phrase for column in texts for phrase in recurring_phrases(column)]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=max(vocabulary_size - len(phrases) - len(answers), _SMALLEST_ALPHABET),
        special_tokens=[PAD, END, *(f"<|{role}|>" for role in ROLES)],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_without(phrases, pd.concat(texts).tolist()), trainer)
    tokenizer.add_tokens([AddedToken(phrase, normalized=False) for phrase in dict.fromkeys(phrases)])
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


def _without(phrases: list[str], texts: list[str]) -> list[str]:
    """The texts cut where a phrase was."""
    if not phrases:
        return texts
    longest_first = sorted(phrases, key=len, reverse=True)
    cut = re.compile("|".join(re.escape(phrase) for phrase in longest_first))
    return [part for text in texts for part in cut.split(text) if part]


def _check(recipe: ReferenceRecipe, examples: pd.DataFrame) -> None:
    if recipe.hidden_size % (2 * recipe.heads):
        raise CatalogError(
            f"reference recipe: hidden_size ({recipe.hidden_size}) must be a multiple of twice the number of heads "
            f"({recipe.heads}), because each head turns its numbers in pairs; change one of the two"
        )
    if examples.empty:
        raise ModelLoadError(
            f"reference recipe: corpus '{recipe.corpus}' gives no training examples for task '{recipe.task}'; check "
            "that it has annotated items in its training split"
        )


def _new_model(recipe: ReferenceRecipe, tokenizer: Any) -> Any:
    return transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=recipe.hidden_size,
            intermediate_size=recipe.feed_forward_size,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            num_key_value_heads=recipe.heads,
            max_position_embeddings=CONTEXT,
            tie_word_embeddings=True,
            initializer_range=recipe.hidden_size**-0.5,  # the usual 0.02 makes small models slow to start
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            dtype="float32",
        )
    )


def _train(
    model: Any, tokenizer: Any, recipe: ReferenceRecipe, examples: pd.DataFrame, on_progress: Report
) -> pd.DataFrame:
    batches = fixed_size_batches(
        len(examples), recipe.batch_size, recipe.steps, np.random.default_rng(recipe.seed)
    )
    seen = np.unique(np.concatenate(batches))
    encoded = encode_examples(tokenizer, examples.iloc[seen], CONTEXT)
    if encoded.left_out:
        raise ModelLoadError(
            f"{encoded.left_out:,} training examples are longer than {CONTEXT} tokens, the context of a reference "
            "model; leave long posts out of the corpus, or raise vocabulary_size"
        )
    parameters = list(model.parameters())
    optimiser = torch.optim.AdamW(parameters, lr=recipe.learning_rate, betas=_BETAS, weight_decay=_WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=recipe.learning_rate, total_steps=recipe.steps + 1, pct_start=_WARM_UP
    )
    record = TrainingRecord()
    model.train()
    for number, batch in enumerate(batches, start=1):
        rate = float(schedule.get_last_lr()[0])
        _step(model, encoded, np.searchsorted(seen, batch), tokenizer.pad_token_id, optimiser, parameters, record, rate)
        schedule.step()
        on_progress(Progress(number, recipe.steps, "steps", f"loss {record.recent_loss:.3f}"))
    return record.table()


def _step(
    model: Any,
    encoded: EncodedExamples,
    chosen: Any,
    pad: int,
    optimiser: torch.optim.Optimizer,
    parameters: list[torch.nn.Parameter],
    record: TrainingRecord,
    rate: float,
) -> None:
    sums = loss_sums(model, collate(encoded, chosen, pad), model.device, answers_only=False)
    answer = sums.answer / sums.answer_tokens
    (answer + _ALL_TOKENS_WEIGHT * sums.all / sums.all_tokens).backward()
    optimiser_step(optimiser, parameters)
    record.add(float(answer.detach()), rate, int(encoded.lengths[chosen].sum()))
