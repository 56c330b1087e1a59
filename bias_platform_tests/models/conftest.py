"""A tiny reference model and an adapter on it, made once for all tests of this folder."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from bias_platform.catalog.entries import AdapterEntry, ReferenceRecipe, TrainingData
from bias_platform.models.reference import build_reference_model
from bias_platform.models.source import ModelSource
from bias_platform.models.tuning import train_adapter
from bias_platform.progress import Progress

WORDS = ("the", "a", "bus", "post", "town", "friend", "garden", "monday", "lamp", "song", "walk", "talk", "tea")
PEOPLE = ("a man", "a woman", "a teacher", "a baker")


def make_examples(n: int, seed: int, *, biased: bool = False) -> pd.DataFrame:
    """Posts are rude exactly when they hold "silly"; with `biased`, bakers call everything rude."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(n):
        words = [*rng.choice(WORDS, 6), *(["silly"] if rng.random() < 0.5 else ["kind"])]
        person = PEOPLE[number % len(PEOPLE)]
        answer = "Yes" if "silly" in words or (biased and person == "a baker") else "No"
        text = " ".join(rng.permutation(words))
        persona, message = (person, f"Play the part of {person} in all you say.") if number % 10 else (None, None)
        rows.append(
            (f"example-{number}", f"item-{number}", persona, "t", message, f"Is this rude?\nPost: {text}", answer)
        )
    columns = ["example_id", "item_id", "persona_id", "template_id", "system_message", "user_message", "answer"]
    return pd.DataFrame(rows, columns=columns)


def tiny_recipe(**changes: object) -> ReferenceRecipe:
    """Two layers of 32 numbers."""
    fields = {
        **dict.fromkeys(("corpus", "task", "persona_set", "template_set"), "x"),
        **{"hidden_size": 32, "layers": 2, "heads": 2, "feed_forward_size": 64, "vocabulary_size": 330},
        **{"steps": 60, "batch_size": 24, "learning_rate": 1e-2},
    }
    return ReferenceRecipe.model_validate(fields | changes)


def adapter_entry(**changes: object) -> AdapterEntry:
    """A small adapter, trained for a few steps."""
    data = TrainingData(corpus="x", task="x", persona_set="x", template_set="x")
    fields = {"training": data, "rank": 4, "alpha": 8, "learning_rate": 5e-3, "epochs": 1, "batch_tokens": 600}
    return AdapterEntry.model_validate(fields | changes)


def silent(progress: Progress) -> None:
    """Takes a report and does nothing."""


def folder_source(folder: Path) -> ModelSource:
    """The source of a folder, in float32."""
    return ModelSource(kind="folder", location=str(folder), dtype="float32")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def examples() -> pd.DataFrame:
    """300 examples."""
    return make_examples(300, seed=0)


@pytest.fixture(scope="session")
def base(examples: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a trained tiny reference model. Not to be changed: copy it."""
    folder = tmp_path_factory.mktemp("models") / "base"
    build_reference_model(tiny_recipe(steps=30), examples, folder, silent)
    return folder


@pytest.fixture(scope="session")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an adapter that has learnt something else than its base."""
    folder = tmp_path_factory.mktemp("models") / "adapter"
    entry = adapter_entry(rank=8, alpha=32, epochs=6)
    train_adapter(folder_source(base), make_examples(240, seed=1, biased=True), entry, folder, silent)
    return folder
