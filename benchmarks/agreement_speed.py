"""Agreement of a persona study's size: CPU seconds beside the krippendorff and irrCAC packages for the same alphas.

4,691 items x 82 columns (a baseline and 27 personas in 3 wordings) x 5 systems, four categories, made answers. For each
of 405 columns alpha with the baseline and its error, and for all 960 pairs of personas of one dimension, wording and
system Gwet's paired test. Every measurement is a process of its own in one thread that reads the codes and times what
lies between codes and numbers; ours is the middle of five, since the first call of a process costs most. Codes are made
into what each peer wants before its clock starts. Peers give alphas only (irrCAC with errors, rounded to 5 places):
the original paired test is in an R package that is neither in Debian nor on PyPI, and is not timed.

krippendorff is among the development dependencies; irrCAC is not, and gets a folder: `pip install --no-deps --target
FOLDER irrCAC==0.4.4`. Run `python -m benchmarks.agreement_speed --irrcac FOLDER`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import combinations, pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results" / "agreement_speed.json"
ITEMS, SYSTEMS, WORDINGS, CATEGORIES = 4_691, 5, 3, 4
DIMENSIONS = (5, 6, 6, 3, 7)
PERSONAS = sum(DIMENSIONS)
PROCESSES = {"ours": 5, "krippendorff": 3, "irrCAC": 3}
GOAL_S = 5.0
PERMUTATIONS = 999


def simulate(seed: int = 2_026) -> np.ndarray:
    """Codes (systems, items, 1 + personas * wordings): the baseline first; 8 to 20 % of answers differ from it."""
    rng = np.random.default_rng(seed)
    base = rng.choice(CATEGORIES, (SYSTEMS, ITEMS, 1), p=[0.02, 0.08, 0.4, 0.5])
    columns = PERSONAS * WORDINGS
    changed = rng.random((SYSTEMS, ITEMS, columns)) < rng.uniform(0.08, 0.2, (SYSTEMS, 1, columns))
    other = rng.choice(CATEGORIES, (SYSTEMS, ITEMS, columns), p=[0.05, 0.25, 0.3, 0.4])
    return np.concatenate([base, np.where(changed, other, base)], axis=2).astype(np.int8)


def families() -> list[list[int]]:
    """Columns of personas that are compared with each other: one dimension in one wording."""
    ends = np.cumsum([0, *DIMENSIONS])
    return [
        [wording * PERSONAS + place for place in range(start, stop)]
        for wording in range(WORDINGS)
        for start, stop in pairwise(ends)
    ]


def ours(codes: np.ndarray) -> dict[str, Any]:
    """Alphas with errors, and all paired tests."""
    from bias_platform.statistics import paired_alpha_tests, pairwise_alphas

    pairs = [pair for columns in families() for pair in combinations(columns, 2)]
    start = time.process_time()
    alphas = [pairwise_alphas(one[:, 0], one[:, 1:], categories=CATEGORIES) for one in codes]
    between = time.process_time()
    tests = [paired_alpha_tests(one[:, 0], one[:, 1:], pairs, categories=CATEGORIES) for one in codes]
    end = time.process_time()
    return {
        "cpu_s": end - start,
        "alphas_cpu_s": between - start,
        "tests_cpu_s": end - between,
        "tests": sum(len(one.p) for one in tests),
        "alpha": [value for one in alphas for value in one.coefficient],
        "error": [value for one in alphas for value in one.standard_error],
    }


def null_distributions(codes: np.ndarray) -> dict[str, Any]:
    """Shares of differing pairs of all families, each with its null distribution."""
    from bias_platform.statistics import differing_share

    start = time.process_time()
    for one in codes:
        for columns in families():
            differing_share(one[:, 0], one[:, 1:][:, columns], permutations=PERMUTATIONS, categories=CATEGORIES)
    return {"cpu_s": time.process_time() - start, "families": len(families()) * SYSTEMS, "permutations": PERMUTATIONS}


def by_krippendorff(codes: np.ndarray) -> dict[str, Any]:
    """The krippendorff package, one call a column."""
    import krippendorff

    domain = range(CATEGORIES)
    tables = [one[:, [0, place]].T.astype(float) for one in codes for place in range(1, codes.shape[2])]
    start = time.process_time()
    found = [float(krippendorff.alpha(each, level_of_measurement="nominal", value_domain=domain)) for each in tables]
    return {"cpu_s": time.process_time() - start, "alpha": found}


def by_irrcac(codes: np.ndarray) -> dict[str, Any]:
    """irrCAC's Python port, one call a column."""
    import pandas as pd
    from irrCAC.raw import CAC

    labels = np.array(["Incomprehensible", "Maybe", "No", "Yes"])
    tables = [pd.DataFrame(labels[one[:, [0, place]]]) for one in codes for place in range(1, codes.shape[2])]
    start = time.process_time()
    found = [CAC(each).krippendorff()["est"] for each in tables]
    spent = time.process_time() - start
    return {
        "cpu_s": spent,
        "alpha": [float(one["coefficient_value"]) for one in found],
        "error": [float(one["se"]) for one in found],
    }


WORK = {"ours": ours, "krippendorff": by_krippendorff, "irrCAC": by_irrcac, "null": null_distributions}


def measure(work: str, data: Path, irrcac: str | None) -> dict[str, Any]:
    """One process: what it reports."""
    from benchmarks.mixed_model_speed import ONE_THREAD

    places = [str(Path(__file__).parents[1]), *([irrcac] if irrcac and work == "irrCAC" else [])]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.agreement_speed", "--work", work, "--data", str(data)],
        check=True,
        cwd=places[0],
        env=os.environ | ONE_THREAD | {"PYTHONPATH": os.pathsep.join(places)},
        capture_output=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def judged(runs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Ours beside each peer, of this run."""
    mine = runs["ours"][-1]
    spent, alphas = (median(one[name] for one in runs["ours"]) for name in ("cpu_s", "alphas_cpu_s"))
    found: dict[str, Any] = {
        "alphas": len(mine["alpha"]),
        "tests": mine["tests"],
        "ours_cpu_s": round(spent, 4),
        "ours_alphas_cpu_s": round(alphas, 4),
        "ours_tests_cpu_s": round(median(one["tests_cpu_s"] for one in runs["ours"]), 4),
        "within_goal": spent < GOAL_S,
    }
    for peer in (name for name in runs if name not in ("ours", "null")):
        theirs = median(one["cpu_s"] for one in runs[peer])
        last = runs[peer][-1]
        found[peer] = {
            "alphas_cpu_s": round(theirs, 3),
            "by_our_alphas": round(theirs / alphas, 1),
            "by_our_alphas_and_tests": round(theirs / spent, 1),
        } | {
            f"largest_gap_of_{name}": float(np.abs(np.array(last[name]) - np.array(mine[name])).max())
            for name in ("alpha", "error")
            if name in last
        }
    if "null" in runs:
        found["null_distributions"] = runs["null"][0]
    return found


def main() -> None:
    """Measures everything once and writes what was found."""
    parser = argparse.ArgumentParser(description="speed of agreement beside the krippendorff and irrCAC packages")
    parser.add_argument("--irrcac", help="folder with irrCAC; without it that peer is left out")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--work", choices=WORK, help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        print(json.dumps(WORK[options.work](np.load(options.data))))
        return
    from benchmarks.mixed_model_speed import engine_hash, machine

    peers = {name: number for name, number in PROCESSES.items() if name != "irrCAC" or options.irrcac}
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in (*peers, "null")}
    with tempfile.TemporaryDirectory() as place:
        data = Path(place) / "codes.npy"
        np.save(data, simulate())
        for turn in range(max(peers.values())):  # in turns, so that a busy spell hits everybody
            for peer, number in peers.items():
                if turn < number:
                    runs[peer].append(measure(peer, data, options.irrcac))
                    print(f"{peer:12} {runs[peer][-1]['cpu_s']:.3f} CPU s", flush=True)
        runs["null"].append(measure("null", data, None))
    known = {
        "what": (__doc__ or "").split("\n\n", maxsplit=1)[0],
        "machine": machine(),
        "engine": engine_hash(),
        "table": {"items": ITEMS, "columns": 1 + PERSONAS * WORDINGS, "systems": SYSTEMS},
        "cpu_s": {name: [round(one["cpu_s"], 4) for one in each] for name, each in runs.items()},
        "found": judged(runs),
    }
    options.out.write_text(json.dumps(known, indent=1) + "\n", "utf-8")
    print(json.dumps(known["found"], indent=1))


if __name__ == "__main__":
    main()
