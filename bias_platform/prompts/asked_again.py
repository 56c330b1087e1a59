"""Which of a study's questions its noise floor asks again, and in which portions."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from bias_platform.catalog.entries import ItemSample
from bias_platform.catalog.noise_settings import NoiseFloor, RepeatSettings
from bias_platform.errors import CatalogError, counted
from bias_platform.prompts.sampling import draw_items

SHUFFLED_PORTION = 256
"""Questions of a call in shuffled order: so few, drawn from all personas and wordings, that hardly two calls share the
same beginnings or fill their batches alike. In calls of everything an engine would sort the questions back."""


def questions_again(questions: pd.DataFrame, items: pd.DataFrame, floor: NoiseFloor, control: str) -> pd.DataFrame:
    """The rows of `Questions` that are asked again, in their order; of replicates only the first, which reports use.

    Args:
        questions: what the study asks.
        items: its items.
        floor: how many items, and which personas.
        control: id of the generic person, which is always asked again: differences are against it.

    Raises:
        CatalogError: more items are to be asked again than the study has.
    """
    if floor.items is not None and floor.items > len(items):
        raise CatalogError(
            f"noise_floor.items: {counted(floor.items, 'item')} are to be asked again, the study has {len(items)}; "
            "lower it, or leave it out for all"
        )
    drawn = draw_items(items, ItemSample(n=floor.items, seed=floor.seed))
    keep = questions["item_id"].isin(drawn["item_id"]) & (questions["replicate"] == questions["replicate"].min())
    if floor.personas:
        keep &= questions["persona_id"].isin([*floor.personas, control])
    again: pd.DataFrame = questions[keep].reset_index(drop=True)
    return again


def portions(questions: pd.DataFrame, repeat: RepeatSettings, seed: int) -> Iterator[pd.DataFrame]:
    """The questions in the portions that an engine is given: persona by persona, as the study does, or shuffled.

    Args:
        questions: from `questions_again`.
        repeat: says in which order.
        seed: of the shuffling.
    """
    if repeat.order == "study":
        yield from (part for _, part in questions.groupby("persona_id", sort=False))
        return
    order = np.random.default_rng(seed).permutation(len(questions))
    for start in range(0, len(order), SHUFFLED_PORTION):
        yield questions.iloc[order[start : start + SHUFFLED_PORTION]]
