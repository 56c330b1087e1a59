"""Ordinal mixed models in simulation: coverage of intervals, errors of tests, of equivalence and of proportional odds.

Studies as of named personas (model A), small: a control and three personas, 30 items, three wordings, answers
No < Maybe < Yes, one system. Items and items' reactions to personas are random, in one design personas' reactions to
wordings as well. Counted are, study by study: whether 95 % intervals hold the truth for persona - control on the latent
scale and for the difference of P(Yes) integrated over the random effects; how often tests at 5 % reject what is true
(persona, by likelihood ratio, F and Wald; proportional odds); and how often equivalence is claimed for a persona whose
true difference of P(Yes) is exactly the margin. Fits that fail are counted, and nothing is claimed from them.

Run `python -m benchmarks.ordinal_calibration`; results are written after every round, and an interrupted run goes on
from there.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from scipy.optimize import brentq

from benchmarks.mixed_model_calibration import Study, Tally
from bias_platform.statistics import (
    EstimateSet,
    MixedModelFit,
    ModelError,
    carried_df,
    category_probabilities,
    fit_mixed_model,
    logistic_normal,
    marginal_means,
    proportional_odds_test,
    term_tests,
    versus_reference,
)
from bias_platform.statistics.equivalence_tests import two_one_sided_tests
from bias_platform.statistics.estimates import LINK, PROBABILITY

RESULTS = Path(__file__).parent / "results" / "ordinal_calibration.json"
CONTROL, PERSONAS, WORDINGS, ITEMS = "control", ("control", "p1", "p2", "p3"), ("t1", "t2", "t3"), 30
CATEGORIES = ("No", "Maybe", "Yes")
WORDING_SHIFTS = np.array([0.2, -0.3, 0.1])
ALPHA, MARGIN, CHUNK = 0.05, 0.15, 20
TERMS = "(1 | item) + (1 | item:persona)"
IN_SD, WORDING_SD = {"item": 1.2, "item:persona": 0.6}, {"persona:template": 0.3}


@dataclass(frozen=True)
class Design:
    """What is true of the studies of one design."""

    studies: int
    shifts: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Of the personas on the latent scale; NaN stands for the one at which P(Yes) differs by the margin."""
    thresholds: tuple[float, float] = (-0.4, 0.6)
    sds: Mapping[str, float] = field(default_factory=lambda: IN_SD)

    @property
    def formula(self) -> str:
        """The model that simulated the answers."""
        return "answer ~ persona + C(template, contr.sum) + " + " + ".join(f"(1 | {term})" for term in self.sds)

    def yes(self, shift: float) -> float:
        """P(Yes) of a persona, averaged over items, their reactions and the wordings."""
        total = float(np.sqrt(sum(sd**2 for sd in self.sds.values())))
        return float(logistic_normal(shift + WORDING_SHIFTS - self.thresholds[1], total).mean.mean())

    @cached_property
    def latent(self) -> dict[str, float]:
        """True latent effect by persona."""
        shifts = dict(zip(PERSONAS[1:], self.shifts, strict=True))
        return {name: self._at_margin() if np.isnan(shift) else shift for name, shift in shifts.items()}

    @cached_property
    def gaps(self) -> dict[str, float]:
        """True difference of P(Yes) from the control by persona."""
        return {name: self.yes(shift) - self.yes(0.0) for name, shift in self.latent.items()}

    def _at_margin(self) -> float:
        found: float = brentq(lambda shift: self.yes(shift) - self.yes(0.0) - MARGIN, 0.0, 6.0)
        return found


DESIGNS = {
    "personas differ": Design(2000, (np.nan, -0.5, 0.0)),
    "no persona differs": Design(4000),
    "personas differ, 90 % Yes": Design(2000, (0.5, -0.5, 0.0), thresholds=(-3.7, -2.7)),
    "no persona differs, no reactions of items": Design(4000, sds={"item": 1.2, "item:persona": 0.0}),
    "no persona differs, wordings": Design(4000, sds={**IN_SD, **WORDING_SD}),
}


def one_study(task: tuple[str, int]) -> Study:
    """Simulates and fits a study of a design."""
    name, number = task
    design, start = DESIGNS[name], time.process_time()
    data = simulate(design, np.random.default_rng([list(DESIGNS).index(name), number]))
    try:
        fit = fit_mixed_model(design.formula, data, family="ordinal")
    except ModelError:
        return Study([], [], ["refused"], time.process_time() - start)
    states = _states(fit)
    if not fit.converged or fit.diagnostics.separated:
        return Study([], [], states, time.process_time() - start)
    claims, equivalences = _claims(design, fit)
    tests = equivalences + _tests(design, fit)
    return Study(claims, tests, states, time.process_time() - start)


def simulate(design: Design, rng: np.random.Generator) -> pd.DataFrame:
    """One row an answer."""
    axes = [range(ITEMS), PERSONAS, WORDINGS]
    frame = pd.DataFrame(list(product(*axes)), columns=["item", "persona", "template"])
    shifts = {CONTROL: 0.0} | design.latent
    latent = frame["persona"].map(shifts).to_numpy(float) + WORDING_SHIFTS[frame["template"].str[1:].astype(int) - 1]
    for term, sd in design.sds.items():
        level = frame.groupby(term.split(":")).ngroup().to_numpy()
        latent = latent + rng.normal(0.0, sd, level.max() + 1)[level]
    drawn = np.digitize(latent + rng.logistic(size=len(frame)), design.thresholds)
    return frame.assign(answer=pd.Categorical.from_codes(drawn, CATEGORIES, ordered=True))


def _claims(design: Design, fit: MixedModelFit) -> tuple[list[tuple[str, str, str, bool]], list[tuple[str, str, bool]]]:
    """Coverage of each contrast, and claims of equivalence that are not true."""
    df = carried_df(fit.design, ["persona"])["persona"].df
    shares = category_probabilities(fit, "persona")
    yes = shares.subset((shares.labels["category"] == CATEGORIES[-1]).to_numpy())
    claims: list[tuple[str, str, str, bool]] = []
    false: list[tuple[str, str, bool]] = []
    scales: dict[str, tuple[EstimateSet, dict[str, float]]] = {
        LINK: (marginal_means(fit, "persona"), design.latent),
        PROBABILITY: (yes, design.gaps),
    }
    for scale, (means, true) in scales.items():
        gaps = versus_reference(means, "persona", CONTROL)
        for how, freedom in (("normal", np.inf), ("t", df)):
            for row in gaps.frame(scale, degrees_of_freedom=freedom).itertuples():
                held = bool(row.lower <= true[row.level] <= row.upper)
                claims.append((f"{scale}, {how}", "items", f"{row.level} - {CONTROL}", held))
                if scale == PROBABILITY and abs(abs(true[row.level]) - MARGIN) < 1e-9:
                    p = two_one_sided_tests(row.estimate, row.standard_error, freedom, margin=MARGIN).p
                    false.append((f"equivalence at the margin, {how}", "items", bool(p < ALPHA)))
    return claims, false


def _tests(design: Design, fit: MixedModelFit) -> list[tuple[str, str, bool]]:
    """Rejections of what is true."""
    odds = proportional_odds_test(fit, "persona").iloc[0]
    found = [("proportional odds of persona", "items", bool(odds["p"] < ALPHA))] if odds["converged"] else []
    if any(design.shifts):
        return found
    row = term_tests(fit, "persona").iloc[0]
    return found + [
        (f"{kind} of persona", str(row["carrier"]), bool(row[f"{kind}_p"] < ALPHA)) for kind in ("lr", "f", "wald")
    ]


def _states(fit: MixedModelFit) -> list[str]:
    said = {
        "fitted": True,
        "not converged": not fit.converged,
        "a variance at zero": bool(fit.diagnostics.singular_terms),
        "separated": bool(fit.diagnostics.separated),
    }
    return [what for what, is_so in said.items() if is_so]


def report(tallies: Mapping[str, Tally]) -> dict[str, Any]:
    """What is known of every design."""
    return {
        "what": "ordinal mixed models: coverage of 95 % intervals and error of 5 % tests; bounds are exact 95 % "
        "intervals for the Monte-Carlo error",
        "sizes": {"items": ITEMS, "personas": PERSONAS, "wordings": WORDINGS, "margin": MARGIN},
        "designs": {
            name: {"formula": one.formula, "latent": one.latent, "thresholds": one.thresholds, "sds": dict(one.sds)}
            | {"yes": {persona: round(one.yes(shift), 4) for persona, shift in ({CONTROL: 0.0} | one.latent).items()}}
            for name, one in DESIGNS.items()
        },
        "found": {name: tally.report() for name, tally in tallies.items()},
        "machine": {"python": platform.python_version()},
    }


def _write(path: Path, tallies: Mapping[str, Tally]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(report(tallies), indent=1) + "\n", "utf-8")
    unfinished.replace(path)


def main() -> None:
    """Runs the benchmark, writing its results after every round."""
    parser = argparse.ArgumentParser(description="coverage and errors of ordinal mixed models")
    parser.add_argument("--studies", type=float, default=1.0, help="share of 2,000 (coverage) and 4,000 (tests)")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--designs", nargs="*", default=list(DESIGNS), choices=list(DESIGNS))
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    known = json.loads(options.out.read_text("utf-8"))["found"] if options.out.exists() else {}
    tallies = {name: Tally(known.get(name)) for name in DESIGNS if name in options.designs or name in known}
    wanted = {name: int(options.studies * DESIGNS[name].studies) for name in options.designs}
    with ProcessPoolExecutor(options.processes) as pool:
        while tasks := [
            (name, tallies[name].studies + k)
            for name, count in wanted.items()
            for k in range(min(CHUNK, count - tallies[name].studies))
        ]:
            for (name, _), study in zip(tasks, pool.map(one_study, tasks, chunksize=5), strict=True):
                tallies[name].add(study)
            _write(options.out, tallies)
            print({name: f"{tallies[name].studies}/{count}" for name, count in wanted.items()}, flush=True)


if __name__ == "__main__":
    main()
