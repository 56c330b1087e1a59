"""Writes the simulated designs that `make_random_slopes.R` fits: same files every time.

python -m bias_platform_tests.golden.write_random_slope_designs
"""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd
from scipy.special import expit

from bias_platform_tests.golden.write_mixed_model_designs import grid, write

Basis = Sequence[np.ndarray | float]


def random_part(
    rng: np.random.Generator, frame: pd.DataFrame, term: str, sds: Sequence[float], basis: Basis, correlation: float = 0
) -> np.ndarray:
    """What a random term adds to each row: one effect a basis column, all of them correlated alike."""
    level = frame.groupby(term.split(":")).ngroup().to_numpy()
    width = len(sds)
    covariance = np.outer(sds, sds) * (np.full((width, width), correlation) + (1 - correlation) * np.eye(width))
    effects = rng.standard_normal((level.max() + 1, width)) @ np.linalg.cholesky(covariance).T
    return sum(effects[level, k] * column for k, column in enumerate(basis))


def slopes() -> pd.DataFrame:
    """Items that react to a persona's score and to the system, personas that react to an item's length; unbalanced."""
    frame = grid(30, [f"p{k:02d}" for k in range(1, 13)], 2, ["base", "small", "tuned"])
    rng = np.random.default_rng(61)
    persona, item = frame["persona"].str[1:].astype(int), frame["item"].str[1:].astype(int)
    frame.insert(2, "group", "g" + ((persona - 1) % 3 + 1).astype(str))
    frame["score"] = rng.normal(0, 1, 12).round(2)[persona - 1]
    frame["length"] = rng.normal(0, 1, 30).round(2)[item - 1]
    frame["x"] = rng.normal(0, 1, len(frame)).round(2)
    tuned, small = (frame["system"].eq(name).to_numpy(float) for name in ("tuned", "small"))
    score, length, x = (frame[name].to_numpy() for name in ("score", "length", "x"))
    fixed = 0.3 - 0.5 * tuned + 0.3 * (frame["group"] == "g2") + 0.3 * length + 0.2 * x
    parts: list[tuple[str, Sequence[float], Basis, float]] = [
        ("item", [1.1, 0.7, 0.8, 0.6], [1.0, score, tuned, x], 0.3),
        ("persona", [0.6, 0.6, 0.5], [1.0, length, x], -0.3),
        ("item:system", [0.6], [1.0], 0.0),
        ("persona:template", [0.5], [1.0], 0.0),
        ("persona:system", [0.5], [1.0], 0.0),
        ("item", [0.5], [small], 0.0),
    ]
    for name, noise in (("margin", 0.6), ("yes", 0.0)):
        eta = fixed + sum(random_part(rng, frame, *part) for part in parts)
        drawn = (rng.random(len(frame)) < expit(eta)).astype(int)
        frame[name] = (eta + noise * rng.standard_normal(len(frame))).round(3) if noise else drawn
    often = rng.random(len(frame)) < np.where(frame["item"] < "i011", 0.5, 0.85)
    return frame[often & ~((frame["persona"] == "p03") & (frame["system"] == "small"))]


def rare_slopes() -> pd.DataFrame:
    """Some 8 % Yes, slopes of each item over x, four tenths of the rows missing and one cell that was never asked."""
    frame = grid(70, ["control", "p1", "p2", "p3", "p4"], 3, ["base", "tuned"])
    rng = np.random.default_rng(67)
    frame["x"] = rng.normal(0, 1, len(frame)).round(2)
    eta = -4.0 + 0.8 * (frame["persona"] == "p2") + 0.5 * (frame["system"] == "tuned") + 0.3 * frame["x"]
    eta += random_part(rng, frame, "item", [1.3, 1.0], [1.0, frame["x"].to_numpy()], 0.3)
    eta += random_part(rng, frame, "persona:template", [0.8], [1.0])
    frame["yes"] = (rng.random(len(frame)) < expit(eta)).astype(int)
    frame = frame[~((frame["persona"] == "p4") & (frame["system"] == "tuned"))]
    return frame.sample(frac=0.6, random_state=5).sort_index()


def count_slopes() -> pd.DataFrame:
    """Counts of answers: sites that react to the dose in their own way, raters in all of them."""
    axes = [[f"s{k:02d}" for k in range(1, 21)], [f"r{k}" for k in range(1, 8)], [-1.5, -0.5, 0.5, 1.5]]
    frame = pd.DataFrame(list(product(*axes)), columns=["site", "rater", "dose"])
    rng = np.random.default_rng(71)
    dose = frame["dose"].to_numpy()
    eta = 0.2 + 0.4 * dose + random_part(rng, frame, "site", [0.9, 0.5], [1.0, dose], -0.5)
    eta += random_part(rng, frame, "rater", [0.4, 0.3], [1.0, dose], 0.2)
    asked = rng.integers(1, 12, len(frame))
    frame["won"] = rng.binomial(asked, expit(eta))
    frame["lost"] = asked - frame["won"]
    return frame[rng.random(len(frame)) < 0.8]


def flat_slopes() -> pd.DataFrame:
    """Items whose slopes differ less than by chance: of variance zero, or tied to the intercept in ``tied``."""
    frame = pd.DataFrame(list(product(range(1, 25), [-1.5, -0.5, 0.5, 1.5], range(2))), columns=["item", "x", "run"])
    rng = np.random.default_rng(73)
    x = frame["x"].to_numpy()
    noise = pd.Series(rng.standard_normal(len(frame)))
    slope = (noise * x).groupby(frame["item"]).transform("sum") / 10.0
    own = random_part(rng, frame, "item", [1.0], [1.0])
    frame["y"] = (1.0 + 0.4 * x + own + noise - slope * x).round(3)
    frame["tied"] = (frame["y"] + 0.5 * own * x).round(3)
    # As many Yes of each item at -x as at x, but for a common shift: no item has a slope of its own.
    mirrored = (
        pd.Series(rng.random(len(frame)) < 0.5).groupby([frame["item"], np.abs(x), frame["run"]]).transform("first")
    )
    often = random_part(rng, frame, "item", [1.2], [1.0]) > np.where(x > 0, -0.3, 0.3)
    frame["yes"] = np.where(mirrored, often, frame["run"] == 1).astype(int)
    return frame.drop(columns="run")


if __name__ == "__main__":
    made = {
        "slopes": slopes(),
        "rare_slopes": rare_slopes(),
        "count_slopes": count_slopes(),
        "flat_slopes": flat_slopes(),
    }
    for name, frame in made.items():
        write(name, frame)
        print(name, len(frame), frame.iloc[:, -1].mean().round(3))
