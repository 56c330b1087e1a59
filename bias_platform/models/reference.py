"""Reference models: small Llamas, some of which see, trained on the spot: every path runs without a download.

A reference model learns the majority judgement whatever persona it is shown: what an adapter adds to it is known, and a
study of it can be checked against the truth. It is deaf to personas, not forgetful of them. See `reference_loss`.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
import transformers

from bias_platform.catalog.entries import ReferenceRecipe
from bias_platform.errors import CatalogError, ModelLoadError
from bias_platform.models.batches import Indices, another_of_group, collate, fixed_size_batches
from bias_platform.models.example_tokens import EncodedExamples, Seeing, encode_examples, has_pictures
from bias_platform.models.reference_loss import ReferenceLoss
from bias_platform.models.reference_tokenizer import CONTEXT, cut_out, fixed_wording, train_tokenizer
from bias_platform.models.reference_vision import picture_processor, seeing_model, shifted
from bias_platform.models.training import TrainingRecord, optimiser_step, reproducible
from bias_platform.progress import Progress, Report

_WEIGHT_DECAY = 0.05
_BETAS = (0.9, 0.98)
_WARM_UP = 0.1
_ECHOES = 0.25
"""Share of a batch that is shown again in another persona."""


class _Lessons(NamedTuple):
    """What is learnt, in the order it is learnt."""

    encoded: EncodedExamples
    personas: npt.NDArray[np.int64]
    """number of each example's persona"""
    batches: list[Indices]
    """examples of each step; the last `echoes` are the first ones' posts again"""
    echoes: int
    answers: npt.NDArray[np.int64]
    """token with which each answer begins"""


def build_reference_model(
    recipe: ReferenceRecipe, examples: pd.DataFrame, out: Path, on_progress: Report, pictures: Path | None = None
) -> pd.DataFrame:
    """Trains tokenizer and model, and saves both as a folder that transformers loads.

    With `recipe.vision` it is a model that reads pictures too, and its processor is saved beside it.

    The same recipe and examples give the same bytes on the same machine.

    Args:
        recipe: sizes, steps, learning rate, seed.
        examples: TrainingExamples, posts in several personas each (`persona_blind_examples`).
        out: folder to fill; made if it is not there.
        on_progress: told after every step.
        pictures: folder of the pictures that the examples name.

    Returns:
        TrainingLog; its loss is that of the answer tokens in nats per token.

    Raises:
        CatalogError: sizes that do not go together.
        UnreadablePictureError: a picture of an example.
        ModelLoadError: no examples, or some that are too long.
    """
    _check(recipe, examples)
    phrases = fixed_wording(examples)
    tokenizer = train_tokenizer(examples, phrases, recipe.vocabulary_size, pictures=recipe.vision is not None)
    processor = picture_processor(recipe.vision, tokenizer) if recipe.vision else None
    seeing = Seeing(processor, pictures) if processor and pictures else None
    lessons = _lessons(recipe, tokenizer, examples, phrases, seeing)
    with reproducible(recipe.seed):
        model = _new_model(recipe, tokenizer)
        log = _train(model, recipe, lessons, on_progress)
    model.eval()
    out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(out)
    (processor or tokenizer).save_pretrained(out)
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
    if recipe.vision is None and has_pictures(examples):
        raise CatalogError(
            f"reference recipe: task '{recipe.task}' shows pictures, and the model has no eyes; give the recipe a "
            "`vision`"
        )


def _lessons(
    recipe: ReferenceRecipe, tokenizer: Any, examples: pd.DataFrame, phrases: list[str], seeing: Seeing | None
) -> _Lessons:
    rng = np.random.default_rng(recipe.seed)
    others = another_of_group(examples["item_id"].to_numpy(), rng)
    echoes = int(recipe.batch_size * _ECHOES)
    drawn = fixed_size_batches(len(examples), recipe.batch_size, recipe.steps, rng)
    batches = [np.concatenate([batch, others[batch[:echoes]]]) for batch in drawn]
    seen, places = np.unique(np.concatenate(batches), return_inverse=True)
    encoded = encode_examples(tokenizer, examples.iloc[seen], CONTEXT, seeing)
    if encoded.left_out:
        raise ModelLoadError(
            f"{encoded.left_out:,} training examples are longer than {CONTEXT} tokens, the context of a reference "
            "model; leave long posts out of the corpus, or raise vocabulary_size"
        )
    personas = [_persona(phrases, message) for message in examples["system_message"].iloc[seen]]
    answers = np.unique([tokens[start] for tokens, start in zip(encoded.tokens, encoded.answer_start, strict=True)])
    return _Lessons(encoded, pd.factorize(np.array(personas))[0], np.split(places, len(batches)), echoes, answers)


def _persona(phrases: list[str], message: str | None) -> str:
    """What a system message does not share with the others."""
    return "" if pd.isna(message) else "".join(cut_out(phrases, str(message))).strip(" .")


def _new_model(recipe: ReferenceRecipe, tokenizer: Any) -> Any:
    language = transformers.LlamaConfig(
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
    if recipe.vision is None:
        return transformers.LlamaForCausalLM(language)
    return seeing_model(recipe.vision, language, tokenizer)


def _train(model: Any, recipe: ReferenceRecipe, lessons: _Lessons, on_progress: Report) -> pd.DataFrame:
    loss = ReferenceLoss(model, int(lessons.personas.max()) + 1, lessons.answers)
    parameters = list(loss.parameters())
    optimiser = torch.optim.AdamW(parameters, lr=recipe.learning_rate, betas=_BETAS, weight_decay=_WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=recipe.learning_rate, total_steps=recipe.steps + 1, pct_start=_WARM_UP
    )
    record, shifts = TrainingRecord(), np.random.default_rng(recipe.seed)
    loss.train()
    for number, chosen in enumerate(lessons.batches, start=1):
        rate = float(schedule.get_last_lr()[0])
        batch = collate(lessons.encoded, chosen, model.config.get_text_config().pad_token_id)
        seen = shifted(lessons.encoded.inputs(chosen), shifts)
        parts = loss(batch, lessons.personas[chosen], lessons.echoes, seen)
        parts.total.backward()
        optimiser_step(optimiser, parameters)
        schedule.step()
        record.add(float(parts.answer.detach()), rate, int(lessons.encoded.lengths[chosen].sum()))
        on_progress(Progress(number, recipe.steps, "steps", f"loss {record.recent_loss:.3f}"))
    return record.table()
