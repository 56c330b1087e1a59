"""Writes the simulated designs that `make_mixed_models.R` fits: run from anywhere, same files every time.

python bias_platform_tests/golden/write_mixed_model_designs.py
"""

import gzip
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from bias_platform.statistics import simulate_responses

HERE = Path(__file__).parent


def grid(items: int, personas: Sequence[str], templates: int, systems: Sequence[str]) -> pd.DataFrame:
    """All combinations, one row an answer."""
    axes = [range(1, items + 1), personas, [f"t{k}" for k in range(1, templates + 1)], systems]
    frame = pd.DataFrame(list(product(*axes)), columns=["item", "persona", "template", "system"])
    frame["item"] = frame["item"].map("i{:03d}".format)
    return frame


def model_a(items: int = 40, seed: int = 11) -> pd.DataFrame:
    """Named personas against a control, with wording noise large enough to be seen."""
    personas = ["control", *(f"p{k}" for k in range(1, 7))]
    frame = grid(items, personas, 3, ["base", "tuned"])
    shift = {name: 0.3 * k - 0.8 for k, name in enumerate(personas)}
    eta = frame["persona"].map(shift) * (1.0 - 0.5 * (frame["system"] == "tuned")) + 0.2
    sds = {
        "item": 1.4,
        "item:system": 0.6,
        "item:persona": 0.7,
        "persona:template": 0.5,
        "persona:template:system": 0.6,
    }
    frame["yes"] = simulate_responses(frame, eta.to_numpy(), sds, seed)
    return frame


def model_b() -> pd.DataFrame:
    """Personas as a sample from groups."""
    frame = grid(60, [f"p{k:02d}" for k in range(1, 13)], 1, ["base", "tuned"]).drop(columns="template")
    frame["group"] = "g" + ((frame["persona"].str[1:].astype(int) - 1) % 3 + 1).astype(str)
    eta = 0.4 * (frame["group"] == "g2") - 0.6 * (frame["system"] == "tuned")
    sds = {"item": 1.2, "item:system": 0.5, "persona": 0.5, "persona:system": 0.4}
    frame["yes"] = simulate_responses(frame, eta.to_numpy(), sds, 23)
    return frame


def nested() -> pd.DataFrame:
    """Three systems that react to each item, and to each persona with each item, in their own way."""
    frame = grid(25, ["control", "p1", "p2", "p3", "p4"], 3, ["base", "tuned", "small"])
    eta = 0.5 * (frame["persona"] == "p2") - 0.4 * (frame["system"] == "tuned") + 0.1
    sds = {"item": 1.3, "item:system": 0.8, "item:persona": 0.8, "item:persona:system": 1.0}
    frame["yes"] = simulate_responses(frame, eta.to_numpy(), sds, 41)
    return frame


def rare() -> pd.DataFrame:
    """Some 8 % Yes, 45 % of the rows missing at random, and one cell that was never asked."""
    frame = grid(60, ["control", "p1", "p2", "p3", "p4"], 3, ["base", "tuned"])
    eta = -3.4 + 0.8 * (frame["persona"] == "p2") + 0.5 * (frame["system"] == "tuned")
    sds = {"item": 1.3, "item:persona": 0.9, "persona:template": 0.8}
    frame["yes"] = simulate_responses(frame, eta.to_numpy(), sds, 37)
    frame = frame[~((frame["persona"] == "p4") & (frame["system"] == "tuned"))]
    return frame.sample(frac=0.55, random_state=5).sort_index()


def scores() -> pd.DataFrame:
    """Margins of one system: items x personas x wordings, a sixth of the rows missing, of one cell more than half."""
    frame = grid(40, ["control", "p1", "p2", "p3", "p4"], 3, ["base"]).drop(columns="system")
    rng = np.random.default_rng(53)
    value = 0.7 + 0.3 * (frame["persona"] == "p2") - 0.2 * (frame["template"] == "t3")
    sds = [("item", 1.3), ("item:persona", 0.5), ("item:template", 0.3), ("persona:template", 0.25)]
    for term, sd in sds:
        level = frame.groupby(term.split(":")).ngroup()
        value += sd * rng.standard_normal(level.max() + 1)[level]
    frame["margin"] = (value + 0.4 * rng.standard_normal(len(frame))).round(4)
    asked = ~((frame["item"] < "i021") & (frame["persona"] == "p4") & (frame["template"] == "t2"))
    return frame[asked & (rng.random(len(frame)) < 5 / 6)]


def write(name: str, frame: pd.DataFrame) -> None:
    """Write a compressed CSV without a time stamp, so that the same rows give the same bytes."""
    text = frame.to_csv(index=False, lineterminator="\n").encode()
    (HERE / f"{name}.csv.gz").write_bytes(gzip.compress(text, 9, mtime=0))


if __name__ == "__main__":
    made = {"model_a": model_a(), "model_b": model_b(), "nested": nested(), "rare": rare(), "scores": scores()}
    for name, frame in made.items():
        write(name, frame)
        print(name, len(frame), round(float(frame.iloc[:, -1].mean()), 3))
