"""Ordinal mixed models beside ordinal's clmm: CPU seconds with standard errors, and who finds the optimum.

Two crossed random intercepts (posts x 40 personas in 5 groups, each answer by one of 4 systems, drawn), answers
No < Maybe < Yes, 19 slopes and 2 thresholds, 1,000 to 10,000 rows. Every measurement is a process of its own in one
thread that reads the same answers and times what lies between the data frame and estimates with standard errors.
Ours is the middle of five first fits, each in a fresh process; clmm runs once a case, since at 10,000 rows that takes
many minutes. Results are written after each process, so an interrupted run goes on where it stopped.

R with ordinal comes from Debian's r-cran-ordinal and r-cran-jsonlite. Run `python -m benchmarks.ordinal_speed`.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.mixed_model_speed import ONE_THREAD, PARTS, engine_hash, machine

RESULTS = Path(__file__).parent / "results" / "ordinal_speed.json"
FORMULA = "answer ~ system * group + (1 | post) + (1 | persona)"
CATEGORIES = ["No", "Maybe", "Yes"]
PERSONAS, GROUPS, SYSTEMS = 40, 5, 4
POSTS = {"1k": 25, "3k": 75, "10k": 250}
SDS = {"post": 1.5, "persona": 0.3}
PROCESSES = {"ours": 5, "clmm": 1}
LEAST_RATIO = 50.0
ESTIMATES = ("names", "coefficients", "standard_errors", "sds", "said", "versions")


def simulate(posts: int) -> pd.DataFrame:
    """Every persona on every post, one row an answer."""
    rng = np.random.default_rng([2_026, posts])
    post, persona = (axis.ravel() for axis in np.meshgrid(np.arange(posts), np.arange(PERSONAS), indexing="ij"))
    system, group = rng.integers(0, SYSTEMS, len(post)), persona % GROUPS
    latent = rng.normal(0.0, 0.4, (SYSTEMS, GROUPS))[system, group]
    latent += rng.normal(0.0, SDS["post"], posts)[post] + rng.normal(0.0, SDS["persona"], PERSONAS)[persona]
    answer = np.digitize(latent + rng.logistic(size=len(post)), [-0.3, 0.5])
    codes = {"post": post, "persona": persona, "system": system, "group": group}
    frame = pd.DataFrame({name: pd.Categorical([f"{name}{k + 1}" for k in code]) for name, code in codes.items()})
    return frame.assign(answer=pd.Categorical.from_codes(answer, CATEGORIES, ordered=True))


def measure(peer: str, frame: pd.DataFrame) -> dict[str, Any]:
    """One process: what it reports of its fit."""
    spec = {
        "work": "ours",
        "formula": FORMULA,
        "fixed": "system * group",
        "sum_coded": [],
        "outcome": "answer",
        "categories": CATEGORIES,
        "family": "ordinal",
        "errors": "full",
        "again_s": 0.5,
    }
    with tempfile.TemporaryDirectory() as place:
        data, told, out = Path(place) / "data", Path(place) / "spec.json", Path(place) / "out.json"
        told.write_text(json.dumps(spec), "utf-8")
        if peer == "ours":
            frame.to_parquet(data, index=False)
            command = [sys.executable, str(PARTS / "peer.py")]
        else:
            frame.to_csv(data, index=False)
            command = ["Rscript", "--vanilla", str(PARTS / "clmm.R")]
        subprocess.run(
            [*command, str(data), str(told), str(out)],
            check=True,
            cwd=PARTS.parents[1],
            env=os.environ | ONE_THREAD,
            capture_output=True,
        )
        found: dict[str, Any] = json.loads(out.read_text("utf-8"))
    return found | ({"engine": engine_hash()} if peer == "ours" else {})


def judged(case: dict[str, Any]) -> dict[str, Any]:
    """Ours beside clmm: CPU, log-likelihood, coefficients in standard errors, standard errors, deviations."""
    if not {"ours", "clmm"} <= case["peers"].keys():
        return {}
    runs, theirs = case["peers"]["ours"], case["peers"]["clmm"][-1]
    ours, errors = runs[-1], np.array(theirs["standard_errors"], dtype=float)
    if ours["names"] != theirs["names"]:
        raise AssertionError("the two fits do not have the same coefficients")
    seconds = median(run["cpu_s"] for run in runs)
    again = [value for run in runs for value in run["again_cpu_s"]]
    gap = np.abs(np.array(ours["coefficients"]) - np.array(theirs["coefficients"])) / errors
    ratio = np.array(ours["standard_errors"]) / errors
    return {
        "ours_cpu_s": round(seconds, 4),
        "ours_again_cpu_s": round(median(again), 4) if again else None,
        "clmm_cpu_s": round(theirs["cpu_s"], 2),
        "clmm_by_ours": round(theirs["cpu_s"] / seconds, 1),
        "at_least_50_times": theirs["cpu_s"] >= LEAST_RATIO * seconds,
        "loglik_ours_less_clmm": ours["loglik"] - theirs["loglik"],
        "coefficients_apart_in_se": round(float(gap.max()), 6),
        "se_ratio": [round(float(ratio.min()), 5), round(float(ratio.max()), 5)],
        "sd_ratio": {name: round(sd / theirs["sds"][name], 6) for name, sd in ours["sds"].items()},
    }


def lists_on_one_line(text: str) -> str:
    """JSON that can be read."""
    return re.sub(r"\[[^\[\]{}]*\]", lambda found: re.sub(r"\s+", " ", found[0]), text)


def write(path: Path, cases: dict[str, Any]) -> None:
    """All that is known; of several runs, which give the same estimates, those of the last."""
    for case in cases.values():
        case["found"] = judged(case)
        for runs in case["peers"].values():
            runs[:-1] = [{name: value for name, value in run.items() if name not in ESTIMATES} for run in runs[:-1]]
    known = {"what": (__doc__ or "").split("\n\n", maxsplit=1)[0], "machine": machine(), "cases": cases}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(lists_on_one_line(json.dumps(known, indent=1)) + "\n", "utf-8")


def main() -> None:
    """Measures what is asked for and not yet known."""
    parser = argparse.ArgumentParser(description="speed of ordinal mixed models beside clmm")
    parser.add_argument("--cases", nargs="*", choices=POSTS, default=list(POSTS))
    parser.add_argument("--peers", nargs="*", choices=PROCESSES, default=list(PROCESSES))
    parser.add_argument("--again", action="store_true", help="measure once more what is known")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    cases = json.loads(options.out.read_text("utf-8"))["cases"] if options.out.exists() else {}
    for name in options.cases:
        frame = simulate(POSTS[name])
        case = cases.setdefault(name, {"formula": FORMULA, "rows": len(frame), "sds": SDS, "peers": {}})
        for peer in options.peers:
            runs = [] if options.again else case["peers"].get(peer, [])
            while len(runs) < PROCESSES[peer]:
                runs.append(measure(peer, frame))
                case["peers"][peer] = runs
                write(options.out, cases)
                print(
                    f"{name:5} {peer:6} {runs[-1]['cpu_s']:.3f} CPU s, log-likelihood {runs[-1]['loglik']:.6f}",
                    flush=True,
                )
    write(options.out, cases)
    for name, case in cases.items():
        print(name, json.dumps(case["found"]), flush=True)


if __name__ == "__main__":
    main()
