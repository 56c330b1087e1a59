"""Askings-again with planted flips, for a simulated study."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from bias_platform.analysis import StudyInputs
from bias_platform.catalog.noise_settings import NoiseFloor
from bias_platform_tests.analysis.simulated_study import OPTIONS

_WAY = ["item_id", "persona_id", "template_id", "option_order"]


def with_repeats(inputs: StudyInputs, rates: Mapping[str, Mapping[str, float]], seed: int, **floor: Any) -> StudyInputs:
    """The study with repeats in which answers flip, and margins move a little, at known rates.

    Args:
        inputs: of a simulated study.
        rates: repeat -> system -> share of answers that flip to another option. A system that is left out of a repeat
            was not asked again.
        seed: of the flips.
        floor: further fields of the noise floor.
    """
    rng = np.random.default_rng(seed)
    predictions = shared_questions(inputs.predictions)
    declared = [{"name": name, "systems": list(systems)} for name, systems in rates.items()]
    entry = inputs.study.model_copy(update={"noise_floor": NoiseFloor.model_validate({"repeats": declared, **floor})})
    parts = [
        asked_again(predictions[predictions["system"] == system], rate, rng).assign(repeat=name)
        for name, systems in rates.items()
        for system, rate in systems.items()
    ]
    return replace(inputs, predictions=predictions, study=entry, repeats=pd.concat(parts, ignore_index=True))


def shared_questions(predictions: pd.DataFrame) -> pd.DataFrame:
    """The same question has the same id in every system."""
    codes = pd.factorize(pd.MultiIndex.from_frame(predictions[_WAY].fillna("")))[0]
    return predictions.assign(question_id=[f"{code:032x}" for code in codes])


def asked_again(first: pd.DataFrame, rate: float, rng: np.random.Generator) -> pd.DataFrame:
    """The same questions with a share of the answers flipped, and every margin moved by about 0.01."""
    flips = first["answer"].notna().to_numpy() & (rng.random(len(first)) < rate)
    step = rng.integers(1, len(OPTIONS), len(first))
    place = first["answer"].map({option: k for k, option in enumerate(OPTIONS)}).fillna(0).to_numpy(int)
    other = np.array(OPTIONS, dtype=object)[(place + step) % len(OPTIONS)]
    moved = 0.01 * rng.standard_normal(len(first))[:, None] * np.array([1, 0, 0, 0])
    scores = [None if old is None else old + new for old, new in zip(first["option_logprobs"], moved, strict=True)]
    return first.assign(
        answer=np.where(flips, other, first["answer"]),
        cell_id=[f"{k:032x}" for k in range(len(first))],
        option_logprobs=pd.Series(scores, dtype=object, index=first.index),
    )
