"""A noise floor must really disturb the engine: other batches give other bits, and nothing but other bits."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.catalog.noise_settings import RepeatSettings
from bias_platform.inference.engines.base import Prompt
from bias_platform.inference.engines.transformers_engine import engine_on
from bias_platform.prompts.asked_again import portions
from bias_platform_tests.inference.conftest import OPTIONS, SENTENCES, Loaded, chat

PERSONAS, ITEMS = 20, 30


@pytest.fixture(scope="module")
def questions() -> pd.DataFrame:
    """600 prompts of 20 personas and 30 posts of mixed lengths."""
    posts = [f"Post {k}: {' '.join(SENTENCES[: 1 + k % 5])[: 10 + 11 * k]}\nIs it rude?" for k in range(ITEMS)]
    rows = [
        (f"persona {who}", chat(f"You are persona number {who} of a small village. Answer as this person would.", post))
        for who in range(PERSONAS)
        for post in posts
    ]
    return pd.DataFrame(rows, columns=["persona_id", "prompt"])


def _scores(questions: pd.DataFrame, loaded: Loaded, repeat: RepeatSettings) -> tuple[np.ndarray, Any]:
    """(questions, options), and the engine that gave them."""
    engine = engine_on(loaded, repeat.applied_to(EngineSettings()))
    scores = np.full((len(questions), len(OPTIONS)), np.nan)
    for part in portions(questions, repeat, seed=0):
        prompts: list[Prompt] = part["prompt"].tolist()
        for batch in engine.score_choices(prompts, [OPTIONS] * len(prompts), "sum"):
            scores[part.index[batch.indices]] = batch.logprobs
    assert np.isfinite(scores).all()
    return scores, engine


@pytest.mark.parametrize(
    "repeat",
    [RepeatSettings(name="small", batch_tokens=256), RepeatSettings(name="shuffled", order="shuffled")],
    ids=["batches", "order"],
)
def test_other_batches_are_other_bits(questions: pd.DataFrame, loaded: Loaded, repeat: RepeatSettings) -> None:
    first, usual = _scores(questions, loaded, RepeatSettings(name="again"))
    again, other = _scores(questions, loaded, repeat)
    assert other.stats.forward_passes != usual.stats.forward_passes
    assert (again != first).any(axis=1).mean() > 0.3
    assert np.abs(again - first).max() < 1e-4


def test_the_very_same_asked_again_is_the_very_same(questions: pd.DataFrame, loaded: Loaded) -> None:
    """On one machine, in the same batches: what a repeat moves is then its own doing."""
    first, again = (_scores(questions, loaded, RepeatSettings(name="again"))[0] for _ in range(2))
    assert np.array_equal(first, again)
