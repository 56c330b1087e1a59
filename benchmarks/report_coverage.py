"""How often the report's intervals hold the truth, on studies whose truth is known.

Answers are drawn from model A (27 personas in dimensions of 5/3/6/6/7 and a generic control, items, item x system,
item x persona, wording noise), and in one design from items that are nearly decided, which no logistic model with
normal effects describes. They are put through the functions that make a report. Truth is on the probability scale, by
numerical integration over items; for the kinds named log-odds on that scale:

- *these wordings*: the wording effects that were drawn are part of the truth; items vary.
- *beyond wording*: the truth without them, integrated over their distribution; items and wordings vary.

Run `OMP_NUM_THREADS=1 python -m benchmarks.report_coverage --studies 200`; results go to
benchmarks/results/report_coverage.json.
"""

import argparse
import gc
import json
import platform
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bias_platform.analysis.answers import prepare_answers
from bias_platform.analysis.changes import system_changes
from bias_platform.analysis.contrasts import Material, control_contrasts
from bias_platform.analysis.item_cube import build_cube
from bias_platform.analysis.named_personas import fit_named_personas
from bias_platform.analysis.outcomes import persona_outcomes
from bias_platform.analysis.paired_wording import paired_wording
from bias_platform.analysis.spreads import dimension_spreads
from bias_platform.schemas.results import BEYOND_WORDING, PRIMARY, THESE_WORDINGS
from bias_platform_tests.analysis.simulated_study import SIZES, Design, SimulatedStudy, simulate_study

ALPHA = 0.05
RESULTS = Path(__file__).parent / "results" / "report_coverage.json"
DESIGNS = {
    "two systems": Design(),
    "one system says Yes to 95 %": Design(intercepts=(0.3, 4.2)),
    "no persona differs": Design(persona_sd=0.0),
    "no persona differs, strong wordings": Design(persona_sd=0.0, wording_sd=0.4, wording_system_sd=0.2),
    "no wording noise": Design(wording_sd=0.0, wording_system_sd=0.0),
    "bimodal items with flips": Design(items=60, bimodal=True),
    "item:persona:system": Design(item_persona_system_sd=0.8),
}


def report_tables(study: SimulatedStudy) -> dict[str, pd.DataFrame]:
    """The tables of `analyse_study` whose intervals are looked at, made by the same functions."""
    settings = study.inputs.study.analysis
    answers = prepare_answers(study.inputs)
    cube = build_cube(answers)
    outcomes = persona_outcomes(answers, cube, cube, settings.confidence, settings.minimum_minority)
    rows = outcomes[(outcomes["role"] != "baseline") & outcomes["degenerate"]]
    model = fit_named_personas(answers, PRIMARY, set(zip(rows["system"], rows["persona_id"], strict=True)))
    material = Material(answers, cube, model, paired_wording(answers, PRIMARY), settings)
    return {
        "control_contrasts": control_contrasts(material),
        "system_changes": system_changes(material),
        "dimension_spreads": dimension_spreads(material),
    }


def covered(study: SimulatedStudy) -> pd.DataFrame:
    """One row a claim of a study's report: kind, scope, method, whether its interval holds the truth, its error."""
    tables = report_tables(study)
    rows = [*_contrasts(study, tables), *_changes(study, tables), *_spreads(study, tables)]
    return pd.DataFrame(rows, columns=["kind", "scope", "method", "covered", "error", "width", "significant"])


def _truth(study: SimulatedStudy, scope: str) -> pd.DataFrame:
    values = study.truth.these if scope == THESE_WORDINGS else study.truth.beyond
    return pd.DataFrame(values, index=list(study.inputs.study.systems), columns=list(study.personas))


def _log_odds(study: SimulatedStudy, scope: str) -> pd.DataFrame:
    values = study.truth.these_log_odds if scope == THESE_WORDINGS else study.truth.beyond_log_odds
    return pd.DataFrame(values, index=list(study.inputs.study.systems), columns=list(study.personas))


def _on_log_odds(kind: str, row: Any, truth: float) -> Iterator[tuple[Any, ...]]:
    """A claim on the log-odds scale, where one is made and the answers follow the model."""
    if np.isfinite(row.log_odds) and np.isfinite(truth):
        held = row.log_odds_lower <= truth <= row.log_odds_upper
        width, found = row.log_odds_upper - row.log_odds_lower, row.log_odds_p_adjusted < ALPHA
        yield f"{kind}, log-odds", row.scope, "mixed model", held, row.log_odds - truth, width, found


def _row(kind: str, row: Any, truth: float) -> tuple[Any, ...]:
    held = row.lower <= truth <= row.upper
    return kind, row.scope, row.method, held, row.difference - truth, row.upper - row.lower, row.significant


def _contrasts(study: SimulatedStudy, tables: dict[str, pd.DataFrame]) -> Iterator[tuple[Any, ...]]:
    for scope in (THESE_WORDINGS, BEYOND_WORDING):
        truth = _truth(study, scope)
        log_odds = _log_odds(study, scope)
        table = tables["control_contrasts"]
        for row in table[table["scope"] == scope].itertuples():
            gap = truth.loc[row.system, row.persona_id] - truth.loc[row.system].iloc[0]
            yield _row("persona - control", row, gap)
            link = log_odds.loc[row.system, row.persona_id] - log_odds.loc[row.system].iloc[0]
            yield from _on_log_odds("persona - control", row, link)


def _changes(study: SimulatedStudy, tables: dict[str, pd.DataFrame]) -> Iterator[tuple[Any, ...]]:
    for row in tables["system_changes"].itertuples():
        truth = _truth(study, row.scope)
        gaps = truth.sub(truth.iloc[:, 0], axis=0)[row.persona_id]
        yield _row("change between systems", row, gaps[row.to_system] - gaps[row.from_system])
        log_odds = _log_odds(study, row.scope)
        links = log_odds.sub(log_odds.iloc[:, 0], axis=0)[row.persona_id]
        yield from _on_log_odds("change between systems", row, links[row.to_system] - links[row.from_system])


def _spreads(study: SimulatedStudy, tables: dict[str, pd.DataFrame]) -> Iterator[tuple[Any, ...]]:
    for row in tables["dimension_spreads"].itertuples():
        truth = _truth(study, row.scope).loc[row.system]
        inside = truth[[name for name in truth.index if name.startswith(f"{row.dimension}-")]]
        for kind, found, lower, upper, value in (
            ("spread (max - min)", row.spread, row.spread_lower, row.spread_upper, np.ptp(inside)),
            ("spread (sd)", row.deviation, row.deviation_lower, row.deviation_upper, inside.std(ddof=1)),
        ):
            held = lower - 1e-12 <= value <= upper + 1e-12
            yield kind, row.scope, row.method, held, found - value, upper - lower, False


def one_study(task: tuple[str, Design, int]) -> pd.DataFrame:
    """Simulates and analyses one study of a design."""
    name, design, seed = task
    study = simulate_study(design, seed)
    return covered(study).assign(design=name, study=seed)


def pooled(claims: pd.DataFrame, by: list[str]) -> list[dict[str, Any]]:
    """Coverage with its Monte-Carlo error, studies as clusters."""
    rows = []
    for key, part in claims.groupby(by, sort=False):
        sums = part.groupby(["design", "study"])["covered"].agg(["sum", "size"])
        rate = sums["sum"].sum() / sums["size"].sum()
        residual = sums["sum"] - rate * sums["size"]
        studies = len(sums)
        error = np.sqrt(studies / max(1, studies - 1) * (residual**2).sum()) / sums["size"].sum()
        rows.append(
            {
                **dict(zip(by, key, strict=True)),
                "studies": studies,
                "claims": len(part),
                "coverage": round(float(rate), 4),
                "monte_carlo_error": round(float(error), 4),
                "mean_error": round(float(part["error"].mean()), 5),
                "mean_width": round(float(part["width"].mean()), 4),
            }
        )
    return rows


def familywise(claims: pd.DataFrame) -> list[dict[str, Any]]:
    """Share of studies without any persona difference in which Holm finds one."""
    of_control = claims["kind"].str.startswith("persona - control")
    null = claims[claims["design"].str.startswith("no persona") & of_control]
    rows = []
    for (design, kind, scope), part in null.groupby(["design", "kind", "scope"], sort=False):
        found = part.groupby("study")["significant"].any()
        rate = float(found.mean())
        error = float(np.sqrt(rate * (1 - rate) / len(found)))
        where = {"design": design, "kind": kind, "scope": scope}
        rows.append({**where, "studies": len(found), "rate": rate, "monte_carlo_error": error})
    return rows


def main() -> None:
    """Runs the benchmark and writes its results."""
    parser = argparse.ArgumentParser(description="coverage of the report's intervals")
    parser.add_argument("--studies", type=int, default=200, help="studies a design")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--designs", nargs="*", default=list(DESIGNS), choices=list(DESIGNS))
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    start = time.time()
    places = {name: place for place, name in enumerate(DESIGNS)}  # no seed is used twice
    tasks = [(n, DESIGNS[n], 10_000 * (places[n] + 1) + k) for k in range(options.studies) for n in options.designs]
    gc.freeze()  # what is imported stays: full collections, which an adjustment of p values asks for, become cheap
    with ProcessPoolExecutor(options.processes) as pool:
        claims = pd.concat(pool.map(one_study, tasks, chunksize=2), ignore_index=True)
    report = {
        "what": "coverage of 95 % intervals of the regression report on studies drawn from model A and, where named "
        "bimodal, from items that are nearly decided; "
        "'these wordings': truth at the drawn wordings, 'beyond wording': truth over all wordings",
        "sizes": {"personas": dict(SIZES), "items": Design().items, "wordings": Design().templates},
        "designs": {name: repr(DESIGNS[name]) for name in options.designs},
        "pooled": pooled(claims, ["kind", "scope"]),
        "by_design": pooled(claims, ["design", "kind", "scope", "method"]),
        "familywise_error": familywise(claims),
        "seconds": round(time.time() - start),
        "machine": {"python": platform.python_version(), "processes": options.processes},
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    print(pd.DataFrame(report["pooled"]).to_string())
    print(pd.DataFrame(report["by_design"]).to_string())
    print(pd.DataFrame(report["familywise_error"]).to_string())


if __name__ == "__main__":
    main()
