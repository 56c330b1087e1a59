"""How often the mixed models' intervals hold the truth, and how often their tests reject a true null hypothesis.

Model A (27 personas in dimensions of 5/3/6/6/7 and a generic control, two systems, three wordings, 40 items; persona x
system, item x system, item x persona and wording variance), fitted as a report fits it, in both scopes: every contrast
of a persona with the control, its change between systems, and the first pair of each dimension, on the log-odds scale,
each contrast counted by its name; F of persona and of persona x system where no persona differs. Model B (personas as a
sample of their group): F, likelihood ratio and Wald of group and group x system where no group differs.

Fits that fail, are refused, singular, separated or have not converged are counted; what they do not claim is neither
covered nor rejected.

Run `OMP_NUM_THREADS=1 python -m benchmarks.mixed_model_calibration`; it goes on where benchmarks/results/
mixed_model_calibration.json ends, so that it can be stopped at any time.
"""

import argparse
import json
import platform
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from bias_platform.analysis.answers import prepare_answers
from bias_platform.analysis.contrasts import versus_control
from bias_platform.analysis.item_cube import build_cube
from bias_platform.analysis.named_personas import NamedPersonas, fit_named_personas
from bias_platform.analysis.outcomes import persona_outcomes
from bias_platform.analysis.scoped_means import ScopedMeans
from bias_platform.schemas.results import PRIMARY, THESE_WORDINGS
from bias_platform.statistics import (
    Attribute,
    ModelError,
    StudyDesign,
    contrast,
    fit_mixed_model,
    simulate_study,
    term_tests,
)
from bias_platform.statistics.estimates import LINK
from bias_platform_tests.analysis.simulated_study import CONTROL, SIZES, Design, SimulatedStudy
from bias_platform_tests.analysis.simulated_study import simulate_study as simulate_named

RESULTS = Path(__file__).parent / "results" / "mixed_model_calibration.json"
ALPHA, CHUNK = 0.05, 10
_STILL: dict[str, Any] = {"persona_sd": 0.0}
NAMED = {
    "A, personas differ": (Design(), 2000),
    "A, one persona of each dimension far out": (Design(persona_sd=0.1, system_persona_sd=0.05, far_out=1.0), 2000),
    "A, one system says Yes to 95 %": (Design(intercepts=(0.3, 4.2)), 2000),
    "A, no persona differs": (Design(**_STILL), 4000),
    "A, no persona differs, strong wordings": (Design(**_STILL, wording_sd=0.4, wording_system_sd=0.2), 4000),
    "A, no persona differs, no wording noise": (Design(**_STILL, wording_sd=0.0, wording_system_sd=0.0), 4000),
}
GROUPS = StudyDesign(
    factors={"item": 60, "persona": 27, "system": ("base", "tuned")},
    attributes={"group": Attribute("persona", SIZES)},
    sds={"item": 1.3, "item:system": 0.5, "persona": 0.4, "persona:system": 0.25},
    intercept=0.2,
)


def _far_out(size: float) -> dict[str, float]:
    """The first persona of each group far out, the others moved back so that the group's mean stays where it was."""
    found, last = {}, 0
    for count in SIZES.values():
        found |= {f"persona=persona{last + 1 + k}": size if k == 0 else -size / (count - 1) for k in range(count)}
        last += count
    return found


GROUPED: dict[str, tuple[StudyDesign, dict[str, float], int]] = {
    "B, no group differs": (GROUPS, {}, 4000),
    "B, no group differs, 95 % Yes": (
        StudyDesign(GROUPS.factors, GROUPS.attributes, GROUPS.sds, intercept=4.2), {}, 4000,
    ),
    "B, no group differs, one persona of each far out": (
        GROUPS, _far_out(1.0), 4000,
    ),
}  # fmt: skip
GROUP_MODEL = (
    "yes ~ C(group, contr.sum) * C(system, contr.sum)"
    " + (1 | item) + (1 | item:system) + (1 | persona) + (1 | persona:system)"
)
WANTED = {name: count for name, (_, count) in NAMED.items()} | {name: row[-1] for name, row in GROUPED.items()}


class Study(NamedTuple):
    """What came of one study."""

    claims: list[tuple[str, str, str, bool]]
    """Kind, scope, name of the contrast, whether the interval holds the truth."""
    tests: list[tuple[str, str, bool]]
    """Test, scope, whether it rejects a hypothesis that is true."""
    states: list[str]
    seconds: float
    """Of processor."""


def one_study(task: tuple[str, int]) -> Study:
    """Simulates and fits a study of a design."""
    name, number = task
    seed, start = 1_000_000 * (1 + list(WANTED).index(name)) + number, time.process_time()
    found = _grouped(name, seed) if name in GROUPED else _named(name, seed)
    return found._replace(seconds=time.process_time() - start)


def _named(name: str, seed: int) -> Study:
    design = NAMED[name][0]
    study = simulate_named(design, seed)
    answers = prepare_answers(study.inputs)
    cube, settings = build_cube(answers), study.inputs.study.analysis
    outcomes = persona_outcomes(answers, cube, cube, settings.confidence, settings.minimum_minority)
    rows = outcomes[(outcomes["role"] != "baseline") & outcomes["degenerate"]]
    degenerate = set(zip(rows["system"], rows["persona_id"], strict=True))
    model = fit_named_personas(answers, PRIMARY, degenerate, likelihood_ratio=False)
    claims = [row for scope, means in model.means.items() for row in _claims(study, scope, means)]
    return Study(claims, _true_nulls(model, design), _states(model), 0.0)


def _claims(study: SimulatedStudy, scope: str, means: ScopedMeans) -> list[tuple[str, str, str, bool]]:
    truth = study.truth.these_log_odds if scope == THESE_WORDINGS else study.truth.beyond_log_odds
    systems, personas = study.inputs.study.systems, study.personas
    value = {(s, p): truth[i, k] for i, s in enumerate(systems) for k, p in enumerate(personas)}
    against = versus_control(means, CONTROL)
    if against is None:
        return []
    found = []
    for row in _intervals(against):
        gap = value[row.system, row.persona_id] - value[row.system, CONTROL]
        found.append(("persona - control", scope, f"{row.persona_id} in {row.system}", row.lower <= gap <= row.upper))
    for row in _intervals(_changed(against, *systems)):
        gaps = [value[s, row.persona_id] - value[s, CONTROL] for s in systems]
        found.append(("change between systems", scope, row.persona_id, row.lower <= gaps[1] - gaps[0] <= row.upper))
    for row in _intervals(_first_pairs(against)):
        gap = value[row.system, row.persona_id] - value[row.system, row.other_id]
        name = f"{row.persona_id} - {row.other_id} in {row.system}"
        found.append(("pair of personas", scope, name, row.lower <= gap <= row.upper))
    return [(kind, scope, name, bool(covered)) for kind, scope, name, covered in found]


def _changed(against: ScopedMeans, before: str, after: str) -> ScopedMeans:
    labels = against.means.labels
    there = set(labels.loc[labels["system"] == before, "persona_id"])
    both = [p for p in labels.loc[labels["system"] == after, "persona_id"] if p in there]
    moves = [{(after, p): 1.0, (before, p): -1.0} for p in both]
    return _combined(against, moves, pd.DataFrame({"persona_id": both}))


def _first_pairs(against: ScopedMeans) -> ScopedMeans:
    """The first two personas of each dimension, in each system."""
    known = set(zip(against.means.labels["system"], against.means.labels["persona_id"], strict=True))
    wanted = [(s, f"{d}-0", f"{d}-1") for s in dict.fromkeys(s for s, _ in sorted(known)) for d in SIZES]
    there = [(s, a, b) for s, a, b in wanted if {(s, a), (s, b)} <= known]
    moves = [{(s, a): 1.0, (s, b): -1.0} for s, a, b in there]
    return _combined(against, moves, pd.DataFrame(there, columns=["system", "persona_id", "other_id"]))


def _combined(against: ScopedMeans, moves: list[dict[tuple[str, str], float]], labels: pd.DataFrame) -> ScopedMeans:
    known = list(zip(against.means.labels["system"], against.means.labels["persona_id"], strict=True))
    weights = np.array([[move.get(cell, 0.0) for cell in known] for move in moves]).reshape(len(moves), len(known))
    return against.replaced(contrast(against.means, weights, labels))


def _intervals(means: ScopedMeans) -> list[Any]:
    labels = means.means.labels.reset_index(drop=True)
    frame = labels.join(means.frame(LINK, 1.0 - ALPHA)[["lower", "upper"]])
    return list(frame[np.isfinite(frame["lower"])].itertuples(index=False))


def _true_nulls(model: NamedPersonas, design: Design) -> list[tuple[str, str, bool]]:
    """Of persona tests, in these wordings only where wordings do nothing."""
    if design.persona_sd or design.far_out:
        return []
    still = not design.wording_sd and not design.wording_system_sd
    return [
        (f"F of {row['term']}", str(row["scope"]), bool(row["f_p"] < ALPHA))
        for row in model.records.tests
        if "persona" in str(row["term"]) and (still or row["scope"] != THESE_WORDINGS) and np.isfinite(row["f_p"])
    ]


def _states(model: NamedPersonas) -> list[str]:
    return [
        f"{str(row['model']).rsplit(', ', 1)[-1]}: {what}"
        for row in model.records.fits
        for what, said in {
            "fitted": True,
            "refused or failed": "Not used" in str(row["notes"]) or not row["rows"],
            "not converged": bool(row["rows"]) and not row["converged"],
            "a variance at zero": "zero" in str(row["notes"]),
            "separated": "No finite estimate" in str(row["notes"]),
        }.items()
        if said
    ]


def _grouped(name: str, seed: int) -> Study:
    design, effects, _ = GROUPED[name]
    data = simulate_study(design, effects, seed=seed)
    try:
        fit = fit_mixed_model(GROUP_MODEL, data)
    except ModelError:
        return Study([], [], ["all: refused or failed"], 0.0)
    found = fit.diagnostics
    said = {
        "fitted": True,
        "not converged": not fit.converged,
        "a variance at zero": bool(found.singular_terms),
        "separated": bool(found.separated),
    }
    states = [f"all: {what}" for what, is_so in said.items() if is_so]
    if not fit.converged or found.separated:
        return Study([], [], states, 0.0)
    tests = []
    for row in term_tests(fit, ["group", "group:system"]).to_dict("records"):
        term = "group:system" if ":" in row["term"] else "group"
        for kind in ("f", "lr", "wald"):
            if np.isfinite(row[f"{kind}_p"]):
                tests.append((f"{kind} of {term}", "all", bool(row[f"{kind}_p"] < ALPHA)))
    return Study([], tests, states, 0.0)


class Tally:
    """Counts of one design; can be read back from the results."""

    def __init__(self, known: dict[str, Any] | None = None) -> None:
        known = known or {}
        self.studies = int(known.get("studies", 0))
        self.seconds = float(known.get("processor_seconds", 0.0))
        self.states = Counter(known.get("states", {}))
        self.seen, self.right = Counter[str](), Counter[str]()
        for part, hits in (("contrasts", "covered"), ("tests", "rejected")):
            for row in known.get(part, []):
                key = "|".join(str(row[k]) for k in ("kind", "scope", "name") if k in row)
                self.seen[key], self.right[key] = row["studies"], row[hits]

    def add(self, study: Study) -> None:
        """Counts one study."""
        self.studies += 1
        self.seconds += study.seconds
        self.states.update(study.states)
        for *key, right in [*study.claims, *study.tests]:
            self.seen["|".join(key)] += 1
            self.right["|".join(key)] += right

    def rows(self, parts: int, hits: str) -> list[dict[str, Any]]:
        """Contrasts (three parts in a key) or tests (two)."""
        names = ("kind", "scope", "name")[:parts]
        return [
            dict(zip(names, key.split("|"), strict=True))
            | {
                "studies": n,
                hits: self.right[key],
                **_rate(self.right[key], n),
            }
            for key, n in self.seen.items()
            if key.count("|") == parts - 1
        ]

    def report(self) -> dict[str, Any]:
        """As it stands in the results."""
        return {
            "studies": self.studies,
            "processor_seconds": round(self.seconds, 1),
            "states": dict(self.states),
            "contrasts_together": _together(self.rows(3, "covered")),
            "tests": self.rows(2, "rejected"),
            "contrasts": self.rows(3, "covered"),
        }


def _rate(hits: int, n: int) -> dict[str, float]:
    """A share with its exact 95 % interval for the Monte-Carlo error."""
    found = binomtest(hits, n).proportion_ci(0.95)
    return {"rate": round(hits / n, 4), "lower": round(float(found.low), 4), "upper": round(float(found.high), 4)}


def _together(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The named contrasts of each kind and scope: their lowest and highest coverage, and how many are within bounds."""
    if not rows:
        return []
    frame = pd.DataFrame(rows)
    frame["within"] = (frame["lower"] >= 0.93) & (frame["upper"] <= 0.97)
    grouped = frame.groupby(["kind", "scope"], sort=False)
    return [
        {
            "kind": kind,
            "scope": scope,
            "contrasts": len(part),
            "rate": round(float(part["covered"].sum() / part["studies"].sum()), 4),
            "lowest": float(part["rate"].min()),
            "highest": float(part["rate"].max()),
            "whole_interval_within_93_and_97": int(part["within"].sum()),
            "interval_reaches_93_to_97": int(((part["upper"] >= 0.93) & (part["lower"] <= 0.97)).sum()),
        }
        for (kind, scope), part in grouped
    ]


def _next_tasks(tallies: dict[str, Tally], wanted: dict[str, int]) -> list[tuple[str, int]]:
    """A chunk of each unfinished design, so that all of them are equally far at any time."""
    tasks = []
    for name, tally in tallies.items():
        tasks += [(name, tally.studies + k) for k in range(min(CHUNK, wanted[name] - tally.studies))]
    return tasks


def _write(path: Path, tallies: dict[str, Tally], processes: int) -> None:
    report = {
        "what": "coverage of 95 % intervals on the log-odds scale and error of 5 % tests of mixed models; "
        "bounds are exact 95 % intervals for the Monte-Carlo error",
        "sizes": {"personas": SIZES, "items": {"A": Design().items, "B": 60}, "wordings": {"A": 3, "B": 1}},
        "designs": {name: repr(design) for name, (design, _) in NAMED.items()}
        | {name: f"{row[0]!r} {row[1]}" for name, row in GROUPED.items()},
        "group_model": GROUP_MODEL,
        "found": {name: tally.report() for name, tally in tallies.items()},
        "machine": {"python": platform.python_version(), "processes": processes},
    }
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    unfinished.replace(path)


def main() -> None:
    """Runs the benchmark, writing its results after every round."""
    parser = argparse.ArgumentParser(description="coverage and type-I error of the mixed models")
    parser.add_argument(
        "--studies", type=float, default=1.0, help="share of 2,000 (coverage) and 4,000 (tests) studies"
    )
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--designs", nargs="*", default=list(WANTED), choices=list(WANTED))
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    known = json.loads(options.out.read_text("utf-8"))["found"] if options.out.exists() else {}
    tallies = {name: Tally(known.get(name)) for name in WANTED if name in options.designs or name in known}
    wanted = {name: int(options.studies * WANTED[name]) if name in options.designs else 0 for name in tallies}
    with ProcessPoolExecutor(options.processes) as pool:
        while tasks := _next_tasks(tallies, wanted):
            for (name, _), study in zip(tasks, pool.map(one_study, tasks, chunksize=2), strict=True):
                tallies[name].add(study)
            _write(options.out, tallies, options.processes)
            print({name: f"{tally.studies}/{wanted[name]}" for name, tally in tallies.items()}, flush=True)


if __name__ == "__main__":
    main()
