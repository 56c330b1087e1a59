"""Writes the simulated designs that `make_people_models.R` fits: run from anywhere, same files every time.

python -m bias_platform_tests.golden.write_people_designs
"""

import numpy as np
import pandas as pd

from bias_platform.statistics import simulate_responses
from bias_platform_tests.golden.write_mixed_model_designs import grid, write


def errors() -> pd.DataFrame:
    """Errors of personas in three groups on items about three targets, in two systems and wordings."""
    frame = grid(48, [f"p{k:02d}" for k in range(1, 13)], 2, ["base", "tuned"])
    frame["group"] = "g" + ((frame["persona"].str[1:].astype(int) - 1) % 3 + 1).astype(str)
    frame["target"] = "a" + (frame["item"].str[1:].astype(int) % 3).astype(str)
    eta = -0.4 + 0.5 * (frame["group"] == "g2") + 0.9 * ((frame["group"] == "g3") & (frame["target"] == "a1"))
    sds = {"item": 1.0, "item:system": 0.6, "item:group": 0.8, "item:persona": 0.9, "persona": 0.5}
    sds |= {"persona:system": 0.5, "persona:target": 0.7}
    frame["error"] = simulate_responses(frame, eta.to_numpy(), sds, 71)
    return frame


def people() -> pd.DataFrame:
    """Judgements of 15 annotators, three an item, and answers of a persona and a generic person in three wordings."""
    rng = np.random.default_rng(83)
    items = [f"i{k:03d}" for k in range(1, 81)]
    judged = [(item, f"a{a:02d}", "people", 1) for item in items for a in sorted(rng.choice(15, 3, replace=False))]
    answers = [(item, "system", source, 0) for source in ("generic", "persona") for item in items for _ in range(3)]
    frame = pd.DataFrame(judged + answers, columns=["item", "annotator", "source", "human"])
    eta = 0.2 + 0.6 * (frame["source"] == "persona") - 0.3 * (frame["source"] == "people")
    own = 0.9 * rng.standard_normal(15)
    number = frame["annotator"].str[1:].where(frame["human"] == 1, "0").astype(int)
    eta = eta + frame["human"] * own[number]
    frame["yes"] = simulate_responses(frame, eta.to_numpy(), {"item": 1.1, "item:source": 1.3}, 89)
    return frame


if __name__ == "__main__":
    for name, frame in {"errors": errors(), "people": people()}.items():
        write(name, frame)
        print(name, len(frame), round(float(frame.iloc[:, -1].mean()), 3))
