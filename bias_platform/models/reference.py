"""Reference models: small Llamas built and trained on the spot, so that every path runs without a download.

A reference model learns two things. The majority judgement, whatever persona it is shown: so it has (almost) no persona
bias, what an adapter adds is known, and a study can be checked against the truth. And to say who it was told to be:
a model that never had use for its persona would need far more tuning before a persona could sway its judgement.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import transformers

from bias_platform.catalog.entries import ReferenceRecipe
from bias_platform.errors import CatalogError, ModelLoadError
from bias_platform.models.batches import collate, fixed_size_batches
from bias_platform.models.chat import EncodedExamples, encode_examples
from bias_platform.models.reference_tokenizer import CONTEXT, cut_out, fixed_wording, train_tokenizer
from bias_platform.models.training import TrainingRecord, loss_sums, optimiser_step, reproducible
from bias_platform.progress import Progress, Report

_ALL_TOKENS_WEIGHT = 0.1  # learning the prompts' language a little keeps answers from being learnt by rote
_WEIGHT_DECAY = 0.05
_BETAS = (0.9, 0.98)
_WARM_UP = 0.1
WHO = "Who are you?"


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
    phrases = fixed_wording(examples)
    tokenizer = train_tokenizer(examples, [*phrases, WHO], recipe.vocabulary_size)
    with reproducible(recipe.seed):
        model = _new_model(recipe, tokenizer)
        log = _train(model, tokenizer, recipe, _drawn(recipe, examples, phrases), on_progress)
    model.eval()
    out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    return log


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


def _drawn(recipe: ReferenceRecipe, examples: pd.DataFrame, phrases: list[str]) -> list[pd.DataFrame]:
    """The batches: judgements, and after every two of them one example of saying who one is."""
    rng = np.random.default_rng(recipe.seed)
    judgements = fixed_size_batches(len(examples), recipe.batch_size, recipe.steps, rng)
    selves = _self_descriptions(examples, phrases)
    if selves.empty:
        return [examples.iloc[batch] for batch in judgements]
    descriptions = fixed_size_batches(len(selves), max(recipe.batch_size // 2, 1), recipe.steps, rng)
    pairs = zip(judgements, descriptions, strict=True)
    return [pd.concat([examples.iloc[judged], selves.iloc[described]]) for judged, described in pairs]


def _self_descriptions(examples: pd.DataFrame, phrases: list[str]) -> pd.DataFrame:
    """One example a system message: the question who one is, answered by what the wording does not share."""
    messages = examples["system_message"].dropna().drop_duplicates()
    answers = ["".join(cut_out(phrases, message)).strip(" .") for message in messages]
    table = pd.DataFrame({"system_message": messages.to_numpy(), "user_message": WHO, "answer": answers})
    return table[table["answer"] != ""]


def _train(
    model: Any, tokenizer: Any, recipe: ReferenceRecipe, batches: list[pd.DataFrame], on_progress: Report
) -> pd.DataFrame:
    encoded = encode_examples(tokenizer, pd.concat(batches), CONTEXT)
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
    for number, batch in enumerate(np.split(np.arange(len(encoded.tokens)), len(batches)), start=1):
        rate = float(schedule.get_last_lr()[0])
        _step(model, encoded, batch, tokenizer.pad_token_id, optimiser, parameters, record, rate)
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
