"""Writes the simulated answers in ordered categories that `make_ordinal.R` fits: same files every time.

python -m bias_platform_tests.golden.write_ordinal_designs
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import expit

from bias_platform_tests.golden.write_mixed_model_designs import grid, write

YES = ["No", "Maybe", "Yes"]


def answers(
    frame: pd.DataFrame,
    predictor: np.ndarray | float,
    thresholds: Sequence[np.ndarray | float],
    sds: Mapping[str, float],
    rng: np.random.Generator,
) -> np.ndarray:
    """(rows,) categories from 0 up of a cumulative-logit model; a threshold may differ by row."""
    latent = np.broadcast_to(predictor, len(frame)).astype(float)
    for term, sd in sds.items():
        level = frame.groupby(term.split(":")).ngroup().to_numpy()
        latent += sd * rng.standard_normal(level.max() + 1)[level]
    below = np.stack([expit(np.broadcast_to(cut, len(frame)) - latent) for cut in thresholds])
    return (rng.random(len(frame)) > below).sum(axis=0)


def opinions() -> pd.DataFrame:
    """Every persona on every item, by one of two systems that was drawn; personas in groups."""
    frame = grid(75, [f"p{k:02d}" for k in range(1, 41)], 1, ["base"]).drop(columns=["template", "system"])
    rng = np.random.default_rng(71)
    frame["system"] = np.where(rng.random(len(frame)) < 0.5, "base", "tuned")
    frame["group"] = "g" + ((frame["persona"].str[1:].astype(int) - 1) % 4 + 1).astype(str)
    latent = 0.5 * (frame["group"] == "g2") - 0.3 * (frame["group"] == "g3") - 0.6 * (frame["system"] == "tuned")
    drawn = answers(frame, latent.to_numpy(), [-0.4, 0.5], {"item": 1.3, "persona": 0.4}, rng)
    return frame.assign(answer=np.array(YES)[drawn])


def ratings() -> pd.DataFrame:
    """Five steps, the highest rare; three to nine ratings a rater; also whether a rating is 3 or more."""
    rng = np.random.default_rng(73)
    rater = np.repeat(np.arange(1, 111), rng.integers(3, 10, 110))
    frame = pd.DataFrame({"rater": [f"r{k:03d}" for k in rater]})
    frame["arm"] = np.array(["a", "b", "c"])[rng.integers(0, 3, len(frame))]
    frame["dose"] = rng.normal(0, 1, len(frame)).round(2)
    latent = 0.7 * (frame["arm"] == "b") - 0.2 * (frame["arm"] == "c") + 0.5 * frame["dose"]
    frame["rating"] = 1 + answers(frame, latent.to_numpy(), [-1.0, 0.4, 1.9, 5.2], {"rater": 1.5}, rng)
    frame["high"] = (frame["rating"] >= 3).astype(int)
    return frame


def graded() -> pd.DataFrame:
    """Four grades, items and personas within items, a fifth of the rows missing."""
    frame = grid(45, ["control", "p1", "p2", "p3"], 3, ["base"]).drop(columns="system")
    rng = np.random.default_rng(79)
    latent = 0.8 * (frame["persona"] == "p2") - 0.4 * (frame["persona"] == "p3")
    sds = {"item": 1.2, "item:persona": 0.9}
    frame["grade"] = np.array(list("dcba"))[answers(frame, latent.to_numpy(), [-1.6, 0.2, 1.8], sds, rng)]
    return frame[rng.random(len(frame)) < 0.8]


def still_opinions(seed: int = 85) -> pd.DataFrame:
    """Items vary, personas do not."""
    frame = grid(40, [f"p{k:02d}" for k in range(1, 13)], 1, ["base"]).drop(columns=["template", "system"])
    rng = np.random.default_rng(seed)
    frame["group"] = "g" + ((frame["persona"].str[1:].astype(int) - 1) % 3 + 1).astype(str)
    drawn = answers(frame, 0.4 * (frame["group"] == "g2").to_numpy(float), [-0.3, 0.9], {"item": 1.1}, rng)
    return frame.assign(answer=np.array(YES)[drawn])


def uneven(seed: int = 91) -> pd.DataFrame:
    """Blocks that do not vary; one effect is the same at both thresholds, one is not."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"block": np.repeat([f"k{n:02d}" for n in range(1, 26)], 24)})
    frame["arm"] = np.array(["a", "b", "c"])[rng.integers(0, 3, len(frame))]
    frame["dose"] = rng.normal(0, 1, len(frame)).round(2)
    low, high = -0.5 - 0.8 * (frame["arm"] == "b"), 0.9 + 0.5 * (frame["arm"] == "b")
    drawn = answers(frame, 0.4 * frame["dose"].to_numpy(), [low.to_numpy(), high.to_numpy()], {}, rng)
    return frame.assign(answer=np.array(YES)[drawn])


DESIGNS = {
    "opinions": opinions,
    "ratings": ratings,
    "graded": graded,
    "still_opinions": still_opinions,
    "uneven": uneven,
}

if __name__ == "__main__":
    for name, make in DESIGNS.items():
        made = make()
        write(name, made)
        outcome = next(column for column in ("answer", "rating", "grade") if column in made)
        print(name, len(made), made[outcome].value_counts(normalize=True).round(3).to_dict())
