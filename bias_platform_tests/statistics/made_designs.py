"""Small designs for tests that need no reference software."""

from itertools import product

import numpy as np
import pandas as pd

from bias_platform.statistics import simulate_responses

MODEL_A = (
    "yes ~ persona * system + C(template, contr.sum) + (1 | item) + (1 | item:system) + (1 | item:persona)"
    " + (1 | persona:template) + (1 | persona:template:system)"
)
FOUR_NESTED = MODEL_A.replace(" + (1 | persona:template)", " + (1 | item:persona:system) + (1 | persona:template)")
MODEL_A_SDS = {"item": 1.2, "item:system": 0.5, "item:persona": 0.5, "persona:template": 0.4}


def named_personas(items: int = 18, personas: int = 4, seed: int = 1, share: float = 1.0) -> pd.DataFrame:
    """A study of model A with two systems and three wordings."""
    axes = [range(items), [f"p{k}" for k in range(personas)], ["t1", "t2", "t3"], ["base", "tuned"]]
    frame = pd.DataFrame(list(product(*axes)), columns=["item", "persona", "template", "system"])
    eta = 0.6 * (frame["persona"] == "p1") - 0.4 * (frame["system"] == "tuned")
    frame["yes"] = simulate_responses(frame, eta.to_numpy(), MODEL_A_SDS, seed)
    frame["x"] = np.random.default_rng(seed).normal(size=len(frame)).round(3)
    return frame.sample(frac=share, random_state=seed) if share < 1 else frame
