"""Spread and equivalence on fitted models in simulation: coverage of 95 % intervals, errors of 5 % tests.

Studies of five personas who judge 60 items once each: binomial model with a random intercept of the item (sd 1.2),
means on the probability scale. Counted are, study by study: whether the intervals of the range and of the
noise-corrected standard deviation of `fitted_spread` hold the truth; how often it takes equal personas for different;
whether the analytic intervals (`within_group_spread` with the delta covariance) do; and, in a truth with a persona
exactly at the margin, how often two one-sided tests claim equivalence for it.

The errors of the bootstrap are pooled over all studies of a truth, one refit a study (the warp-speed bootstrap of R.
Giacomini, D. Politis and H. White, 2013, Econometric Theory 29, 567-589), because a whole bootstrap in every study
would take a hundred times as long. Fits and refits that fail are counted, and nothing is claimed from them.

Run `python -m benchmarks.spread_coverage`; 2,000 studies a truth take some ten minutes of two cores.
"""

import argparse
import json
import os
import platform
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import binomtest

from bias_platform.statistics import (
    fit_mixed_model,
    logistic_normal,
    marginal_means,
    two_one_sided_tests,
    versus_reference,
    within_group_spread,
)
from bias_platform.statistics.parametric_bootstrap import refit, simulated_design
from bias_platform.statistics.spread_of_fit import range_by_inversion

FloatArray = NDArray[np.float64]
RESULTS = Path(__file__).parent / "results" / "spread_coverage.json"
ITEMS, ITEM_SD, PERSONAS, MARGIN = 60, 1.2, "abcde", 0.15
TRUTHS: dict[str, tuple[float, tuple[float, ...]]] = {
    "all equal": (0.7, (0, 0, 0, 0, 0)),
    "one out": (0.7, (-1.2, 0, 0, 0, 0)),
    "spread evenly": (0.7, (-0.8, -0.4, 0, 0.4, 0.8)),
    "93 % Yes, one out": (3.2, (-1.2, 0, 0, 0, 0)),
    "one at the margin": (0.7, (0, 0, 0, 0, np.nan)),
}
"""Log-odds of Yes of an item in the middle, and what each persona adds; NaN: what makes a difference of `MARGIN`."""


class Study(NamedTuple):
    """What one study gives; None where a fit failed."""

    means: FloatArray
    covariance: FloatArray
    errors: FloatArray
    """Of one refit: its means less the fit's."""
    equivalence_p: FloatArray
    """Of each persona but the first against the first."""


def log_odds(truth: str) -> FloatArray:
    """(personas,) of an item in the middle."""
    base, added = TRUTHS[truth]
    start = logistic_normal([base], ITEM_SD).mean[0]

    def apart(shift: float) -> float:
        return float(logistic_normal([base + shift], ITEM_SD).mean[0] - start - MARGIN)

    wanted = np.isnan(added)
    return base + np.where(wanted, brentq(apart, 0.0, 5.0) if wanted.any() else 0.0, added)


def one_study(task: tuple[str, int]) -> Study | None:
    """Draws, fits and refits one study."""
    truth, number = task
    rng = np.random.default_rng([20, list(TRUTHS).index(truth), number])
    data = pd.DataFrame({"item": np.repeat(np.arange(ITEMS), len(PERSONAS)), "persona": list(PERSONAS) * ITEMS})
    eta = ITEM_SD * rng.standard_normal(ITEMS)[data["item"]] + np.tile(log_odds(truth), ITEMS)
    data["yes"] = (rng.random(len(data)) < expit(eta)).astype(int)
    fit = fit_mixed_model("yes ~ persona + (1 | item)", data, standard_errors="joint")
    again = refit(fit, simulated_design(fit, rng)) if fit.converged else None
    if again is None or not again.converged:
        return None
    own = marginal_means(fit, by="persona")
    means = own.on("probability")
    gaps = versus_reference(own, "persona", "a").on("probability")
    p = two_one_sided_tests(gaps.values, gaps.standard_errors, ITEMS - 1.0, margin=MARGIN).p
    errors = marginal_means(again, by="persona").on("probability").values - means.values
    return Study(means.values, means.covariance, errors, p)


def counted(hits: list[bool]) -> dict[str, Any]:
    """A share with its exact 95 % Monte-Carlo interval."""
    found = binomtest(int(np.sum(hits)), len(hits))
    bounds = found.proportion_ci(0.95)
    return {"share": round(found.statistic, 4), "lower": round(bounds.low, 4), "upper": round(bounds.high, 4)}


def summary(truth: str, studies: list[Study], failed: int) -> dict[str, Any]:
    """Shares of one truth."""
    true = logistic_normal(log_odds(truth), ITEM_SD).mean
    span, sd = float(np.ptp(true)), float(true.std(ddof=1))
    errors = np.array([study.errors for study in studies])
    covariance = np.cov(errors, rowvar=False)
    hits: dict[str, list[bool]] = {}
    for study in studies:
        of_range, p = range_by_inversion(study.means, errors)
        of_sd = within_group_spread(study.means, covariance).sd
        analytic = within_group_spread(study.means, study.covariance)
        for name, hit in {
            "range, bootstrap": of_range.lower <= span <= of_range.upper,
            "sd, bootstrap": of_sd.lower <= sd <= of_sd.upper,
            "range, delta method": analytic.range.lower <= span <= analytic.range.upper,
            "sd, delta method": analytic.sd.lower <= sd <= analytic.sd.upper,
            "found to differ, bootstrap": p < 0.05,
            "equivalence claimed of the last persona": bool(study.equivalence_p[-1] < 0.05),
        }.items():
            hits.setdefault(name, []).append(hit)
    found = {name: counted(values) for name, values in hits.items()}
    return {"true_range": round(span, 4), "true_sd": round(sd, 4), "studies": len(studies), "failed": failed, **found}


def main() -> None:
    """Runs the benchmark, writing its results truth by truth."""
    parser = argparse.ArgumentParser(description="coverage of spreads of fitted models, errors of equivalence tests")
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    found: dict[str, Any] = {}
    for truth in TRUTHS:
        begun = time.monotonic()
        tasks = [(truth, number) for number in range(options.studies)]
        with ProcessPoolExecutor(options.processes) as pool:
            drawn = list(pool.map(one_study, tasks, chunksize=20))
        studies = [study for study in drawn if study is not None]
        found[truth] = summary(truth, studies, len(drawn) - len(studies))
        print(f"{truth}: {len(studies)} studies, {time.monotonic() - begun:.0f} s", flush=True)
        options.out.parent.mkdir(parents=True, exist_ok=True)
        document = {
            "what": "coverage of 95 % intervals of spreads and errors of 5 % tests; bounds are exact 95 % intervals "
            "for the Monte-Carlo error",
            "sizes": {"items": ITEMS, "personas": len(PERSONAS), "item_sd": ITEM_SD, "margin": MARGIN},
            "found": found,
            "machine": {"python": platform.python_version()},
        }
        options.out.write_text(json.dumps(document, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
