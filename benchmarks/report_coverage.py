"""How often the report's intervals hold the truth and its tests keep to 5 %, on studies whose truth is known.

Answers are drawn from model A (27 personas in dimensions of 5/3/6/6/7 and a generic control, items, item x system,
item x persona, wording noise), in one design from items that are nearly decided, and in some as the sign of scores that
follow a Gaussian model with a scale of its own for each system. They are put through the functions that make a report.
Truth is on the probability scale, by numerical integration over items; for the kinds named log-odds or scores on those
scales:

- *these wordings*: the wording effects that were drawn are part of the truth; items vary.
- *beyond wording*: the truth without them, integrated over their distribution; items and wordings vary.

Tests are looked at where what they test is true: terms of the models and the null pattern where no persona differs (in
these wordings only where wordings do nothing), equivalence at a margin that is just as large as the true difference.

Run `OMP_NUM_THREADS=1 python -m benchmarks.report_coverage --studies 200`; results go to
benchmarks/results/report_coverage.json.
"""

import argparse
import json
import platform
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bias_platform_tests.analysis.known_truth import findings
from bias_platform_tests.analysis.simulated_study import SIZES, Design, simulate_study

RESULTS = Path(__file__).parent / "results" / "report_coverage.json"
_STILL: dict[str, Any] = {"wording_sd": 0.0, "wording_system_sd": 0.0}
DESIGNS = {
    "two systems": Design(),
    "one system says Yes to 95 %": Design(intercepts=(0.3, 4.2)),
    "no persona differs": Design(persona_sd=0.0),
    "no persona differs, strong wordings": Design(persona_sd=0.0, wording_sd=0.4, wording_system_sd=0.2),
    "no wording noise": Design(**_STILL),
    "bimodal items with flips": Design(items=60, bimodal=True),
    "item:persona:system": Design(item_persona_system_sd=0.8),
    "one persona of each dimension far out": Design(persona_sd=0.1, system_persona_sd=0.05, far_out=1.0),
    "5 % of answers lost, more where items are Yes": Design(lost=0.05, lost_by_item=True),
    "two wordings": Design(templates=2),
    "four orders of the options": Design(orders=4),
    "no persona differs, no wording noise": Design(persona_sd=0.0, **_STILL),
    "scores": Design(scales=(1.0, 0.3)),
    "scores, no persona differs": Design(scales=(1.0, 0.3), persona_sd=0.0),
    "scores, no persona differs, no wording noise": Design(scales=(1.0, 0.3), persona_sd=0.0, **_STILL),
}


class Study(NamedTuple):
    """One simulated and analysed study."""

    claims: pd.DataFrame
    rejections: pd.DataFrame
    seconds: float
    """Of processor."""


def one_study(task: tuple[str, int, bool]) -> Study:
    """Simulates and analyses one study of a design, with or without mixed models."""
    name, seed, models = task
    start = time.process_time()
    found = findings(simulate_study(DESIGNS[name], seed), DESIGNS[name], models)
    seconds = time.process_time() - start
    labels = {"design": name, "study": seed}
    return Study(found.claims.assign(**labels), found.rejections.assign(**labels), seconds)


def pooled(rows: pd.DataFrame, by: list[str], what: str) -> list[dict[str, Any]]:
    """Share of `what` with its Monte-Carlo error, studies as clusters."""
    made = []
    for key, part in rows.groupby(by, sort=False):
        sums = part.groupby(["design", "study"])[what].agg(["sum", "size"]).astype(float)
        rate = sums["sum"].sum() / sums["size"].sum()
        residual = sums["sum"] - rate * sums["size"]
        studies = len(sums)
        error = np.sqrt(studies / max(1, studies - 1) * (residual**2).sum()) / sums["size"].sum()
        row = {**dict(zip(by, key, strict=True)), "studies": studies, "claims": len(part)}
        row |= {"rate": round(float(rate), 4), "monte_carlo_error": round(float(error), 4)}
        if "width" in part:
            row |= {
                "mean_error": round(float(part["error"].mean()), 5),
                "mean_width": round(float(part["width"].mean()), 4),
            }
        made.append(row)
    return made


def familywise(claims: pd.DataFrame) -> list[dict[str, Any]]:
    """Share of studies without any persona difference in which Holm finds one."""
    of_control = claims["kind"].str.contains("persona - control")
    null = claims[claims["design"].str.contains("no persona") & of_control]
    # a claim about these wordings is only null where wordings do nothing
    null = null[(null["scope"] == "beyond wording") | null["design"].str.contains("no wording noise")]
    found = null.groupby(["design", "kind", "scope", "study"], sort=False)["significant"].any().reset_index()
    return pooled(found, ["design", "kind", "scope"], "significant")


def main() -> None:
    """Runs the benchmark and writes its results."""
    parser = argparse.ArgumentParser(description="coverage of the report's intervals, error of its tests")
    parser.add_argument("--studies", type=int, default=200, help="studies a design")
    parser.add_argument("--first", type=int, default=0, help="number of the first study, to add to earlier ones")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--designs", nargs="*", default=list(DESIGNS), choices=list(DESIGNS))
    parser.add_argument("--without-models", action="store_true", help="no mixed models: many times as fast")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    start = time.time()
    places = {name: 100_000 * (place + 1) for place, name in enumerate(DESIGNS)}  # no seed is used twice
    numbers = range(options.first, options.first + options.studies)
    tasks = [(name, places[name] + k, not options.without_models) for k in numbers for name in options.designs]
    with ProcessPoolExecutor(options.processes) as pool:
        studies = list(pool.map(one_study, tasks, chunksize=2))
    report = _report(studies, [name for name, *_ in tasks], options, round(time.time() - start))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    for name in ("coverage", "coverage_by_design", "error_of_tests", "familywise_error", "processor_seconds_a_study"):
        print(name, pd.DataFrame(report[name]).to_string(), sep="\n")


def _report(studies: list[Study], names: list[str], options: argparse.Namespace, seconds: int) -> dict[str, Any]:
    claims = pd.concat([study.claims for study in studies], ignore_index=True)
    rejections = pd.concat([study.rejections for study in studies], ignore_index=True)
    claims = claims[claims["width"].notna()]
    cost = pd.Series([study.seconds for study in studies]).groupby(pd.Series(names), sort=False).mean()
    return {
        "what": "coverage of 95 % intervals and error of 5 % tests of the regression report on simulated studies; "
        "'these wordings': truth at the drawn wordings, 'beyond wording': truth over all wordings",
        "sizes": {"personas": dict(SIZES), "items": Design().items, "wordings": Design().templates},
        "designs": {name: repr(DESIGNS[name]) for name in options.designs},
        "mixed_models": not options.without_models,
        "coverage": pooled(claims, ["kind", "scope"], "covered"),
        "coverage_by_design": pooled(claims, ["design", "kind", "scope", "method"], "covered"),
        "error_of_tests": pooled(rejections, ["design", "kind", "scope"], "rejected"),
        "familywise_error": familywise(claims),
        "processor_seconds_a_study": [{"design": n, "seconds": round(float(s), 2)} for n, s in cost.items()],
        "seconds": seconds,
        "machine": {"python": platform.python_version(), "processes": options.processes},
    }


if __name__ == "__main__":
    main()
