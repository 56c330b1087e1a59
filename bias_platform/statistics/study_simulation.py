"""Answers of studies that were only designed: one as a frame, or many at once as an array."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.study_design import StudyDesign

ANSWER = "yes"


def simulate_study(
    design: StudyDesign, effects: Mapping[str, float] | None = None, *, seed: int, answer: str = ANSWER
) -> pd.DataFrame:
    """One study with made-up answers: a column a factor and attribute, and the 0/1 answers.

    Args:
        design: what is asked, and how much random effects vary.
        effects: cell -> shift on the logit scale, such as ``{"group=old": 0.4}``; see `StudyDesign.predictor`.
        seed: the same seed gives the same study, the first of `simulate_answers`.
        answer: name of the column of answers.

    Raises:
        ModelError: a cell that the design does not have, or a seed below zero.

    >>> from bias_platform.statistics.study_design import StudyDesign
    >>> design = StudyDesign({"item": 2, "persona": ("man", "woman")}, sds={"item": 1.0})
    >>> simulate_study(design, {"persona=woman": 9.0}, seed=1)["yes"].tolist()
    [0, 1, 1, 1]
    """
    answers = simulate_answers(design, effects, seed=seed, replicates=1)[0]
    return design.frame().assign(**{answer: answers.astype(np.int64)})


def simulate_answers(
    design: StudyDesign,
    effects: Mapping[str, float] | None = None,
    *,
    seed: int,
    replicates: int,
    first: int = 0,
) -> NDArray[np.bool_]:
    """Answers of many studies: (replicates, rows), rows as in ``design.frame()``.

    The answers of a replicate depend on the seed and its number only, not on how many are drawn at once.

    Args:
        first: number of the first replicate.

    Raises:
        ModelError: a cell that the design does not have, or a seed below zero.

    >>> from bias_platform.statistics.study_design import StudyDesign
    >>> design = StudyDesign({"item": 100, "persona": 5}, sds={"item": 1.0}, intercept=1.0)
    >>> answers = simulate_answers(design, seed=1, replicates=50)
    >>> answers.shape, bool(0.65 < answers.mean() < 0.72)
    ((50, 500), True)
    """
    predictor = design.predictor(effects or {}, design.intercept)
    answers: NDArray[np.bool_] = latent_parts(design, seed, replicates, first) > -predictor
    return answers


def latent_parts(design: StudyDesign, seed: int, replicates: int, first: int = 0) -> FloatArray:
    """All that is random in the answers of each replicate: (replicates, rows).

    An answer is Yes where the fixed log-odds plus this are above zero: random intercepts plus standard logistic
    noise, whose distribution function is the inverse logit. Under other fixed effects the same parts give another
    genuine draw of the study, in which an answer can only change in the direction of the effect: common random
    numbers.
    """
    if seed < 0 or first < 0:
        raise ModelError(f"A seed must be a whole number from 0 up, not {min(seed, first)}.")
    sizes = [size for _, size in design.groupings.values()]
    normal, latent = np.empty((replicates, sum(sizes))), np.empty((replicates, design.rows))
    for k in range(replicates):
        rng = np.random.default_rng([seed, first + k])
        rng.standard_normal(out=normal[k])
        latent[k] = rng.logistic(size=design.rows)
    start = 0
    for name, (code, size) in design.groupings.items():
        if design.sds[name] > 0:
            latent += design.sds[name] * normal[:, start : start + size][:, code]
        start += size
    return latent
