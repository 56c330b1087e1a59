"""Bootstrap likelihood-ratio tests and profile intervals in small studies.

Counted are how often bootstrap and asymptotic tests find what is not there, and how often profile and Wald intervals of
a deviation hold the true one.

With 19 replicates, p <= 0.05 where the observed likelihood ratio is above all of them: in 5 % of null studies, if the
test is right. Studies that cannot be fitted are counted, and nothing is claimed from them.

Run `python -m benchmarks.bootstrap_test_calibration 400`, or with a word of the designs that are wanted after it.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import binomtest

from bias_platform.statistics import MixedModelFit, ModelError, fit_mixed_model
from bias_platform.statistics.bootstrap_test import bootstrap_likelihood_ratio_test
from bias_platform.statistics.profile_likelihood import profile_intervals

RESULT = Path(__file__).parent / "results" / "bootstrap_test_calibration.json"
REPLICATES = 19
Generator = np.random.Generator


class Study(NamedTuple):
    """A drawn study, and the term that is truly nothing."""

    formula: str
    data: pd.DataFrame
    family: str
    term: str

    def fit(self) -> MixedModelFit:
        """By maximum likelihood."""
        method = "ML" if self.family == "gaussian" else None
        return fit_mixed_model(self.formula, self.data, self.family, method=method)


def gaussian_groups(rng: Generator) -> Study:
    """6 items, half of them in each group, 4 measurements an item; item and residual deviation 1."""
    data = pd.DataFrame({"item": np.repeat(np.arange(6), 4), "group": np.repeat(["a", "b"], 12)})
    data["y"] = rng.normal(size=6)[data["item"]] + rng.normal(size=24)
    return Study("y ~ group + (1 | item)", data, "gaussian", "group")


def binomial_groups(rng: Generator) -> Study:
    """8 items, half of them in each group, 12 answers an item; item deviation 1."""
    won = rng.binomial(12, expit(rng.normal(size=8)))
    data = pd.DataFrame({"item": np.arange(8), "group": np.repeat(["a", "b"], 4), "won": won, "lost": 12 - won})
    return Study("cbind(won, lost) ~ group + (1 | item)", data, "binomial", "group")


def gaussian_variance(rng: Generator) -> Study:
    """8 items crossed with 6 personas; personas do not vary."""
    data = pd.DataFrame({"item": np.repeat(np.arange(8), 6), "persona": np.tile(np.arange(6), 8)})
    data["y"] = rng.normal(size=8)[data["item"]] + rng.normal(size=48)
    return Study("y ~ 1 + (1 | item) + (1 | persona)", data, "gaussian", "persona")


def only_variance(rng: Generator) -> Study:
    """8 items with 12 answers each that do not vary."""
    won = rng.binomial(12, 0.4, 8)
    data = pd.DataFrame({"item": np.arange(8), "won": won, "lost": 12 - won})
    return Study("cbind(won, lost) ~ 1 + (1 | item)", data, "binomial", "item")


def tested(study: Study, seed: int) -> tuple[bool, ...]:
    """Whether the bootstrap and the asymptotic test reject at 5 %, and whether a refit was lost."""
    found = bootstrap_likelihood_ratio_test(study.fit(), study.term, replicates=REPLICATES, seed=seed)
    return found.p <= 0.05, found.asymptotic_p <= 0.05, found.counts["usable"] < REPLICATES


def covered(study: Study, seed: int) -> tuple[bool, ...]:
    """Whether the profile and Wald's interval of the items' deviation hold 1, and whether the profile converged not."""
    del seed
    fit = study.fit()
    row = profile_intervals(fit, "item").iloc[0]
    sd, error = fit.variance_components.loc[0, ["sd", "sd_standard_error"]].astype(float)
    return bool(row["lower"] <= 1.0 <= row["upper"]), bool(abs(sd - 1.0) <= 1.959964 * error), not row["converged"]


def covered_restricted(study: Study, seed: int) -> tuple[bool, ...]:
    """The same of the restricted likelihood."""
    del seed
    fit = fit_mixed_model(study.formula, study.data, study.family)
    row = profile_intervals(fit, "item", restricted=True).iloc[0]
    sd, error = fit.variance_components.loc[0, ["sd", "sd_standard_error"]].astype(float)
    return bool(row["lower"] <= 1.0 <= row["upper"]), bool(abs(sd - 1.0) <= 1.959964 * error), not row["converged"]


def shares(
    draw: Callable[[Generator], Study],
    judge: Callable[[Study, int], tuple[bool, ...]],
    names: tuple[str, ...],
    studies: int,
) -> dict[str, Any]:
    """Share of the studies, with its 95 % Monte-Carlo interval (Clopper and Pearson), by name."""
    rows = []
    for k in range(studies):
        try:
            rows.append(judge(draw(np.random.default_rng([7, k])), k))
        except (ModelError, np.linalg.LinAlgError):
            continue
    result: dict[str, Any] = {"design": draw.__doc__, "studies": studies, "not_fitted": studies - len(rows)}
    for name, hits in zip(names, np.array(rows).sum(axis=0).tolist(), strict=True):
        interval = binomtest(hits, len(rows)).proportion_ci(0.95)
        result[name] = [round(value, 4) for value in (hits / len(rows), interval.low, interval.high)]
    return result


RESTRICTED = "restricted deviation in gaussian_groups"
COVERAGE = {f"deviation in {draw.__name__}": draw for draw in (gaussian_groups, binomial_groups)}
TESTS = {
    f"test in {draw.__name__}": draw for draw in (gaussian_groups, binomial_groups, gaussian_variance, only_variance)
}


def main(studies: int, wanted: str) -> None:
    """The designs whose name holds a word; each is added to the result as soon as it is done."""
    for name in [one for one in (RESTRICTED, *COVERAGE, *TESTS) if wanted in one]:
        counted: tuple[str, ...] = ("profile_covers", "wald_covers", "profile_not_converged")
        if name == RESTRICTED:
            found = shares(gaussian_groups, covered_restricted, counted, 4 * studies)
        elif name in COVERAGE:
            found = shares(COVERAGE[name], covered, counted, 4 * studies)
        else:
            counted = ("bootstrap_rejects", "asymptotic_rejects", "refit_lost")
            found = shares(TESTS[name], tested, counted, studies)
        known = json.loads(RESULT.read_text("utf-8")) if RESULT.exists() else {}
        RESULT.write_text(json.dumps(known | {name: found}, indent=2) + "\n", "utf-8")
        print(name, found, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "")
