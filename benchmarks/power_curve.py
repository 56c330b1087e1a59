"""What a power curve costs, and whether it is right: studies of 250 items x 40 personas in two groups.

Timed: 1,000 replicates at several gaps (10,000 answers each, `yes ~ group + (1 | item) + (1 | persona)`), the same
replicates at every gap; and the power of a declared study's report. Checked: power at no gap, and power against the t
test between personas whose noise is that of their answers (an approximation from outside: statsmodels), and against
the same small design simulated in R.

Run `OMP_NUM_THREADS=1 python -m benchmarks.power_curve`; results go to benchmarks/results/power_curve.json.
"""

import argparse
import json
import os
import platform
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from scipy.special import expit
from scipy.stats import norm
from statsmodels.stats.power import TTestIndPower

from bias_platform.analysis.assumed_answers import Assumptions, DecidedItems, GradedItems
from bias_platform.analysis.study_power import study_power, study_size
from bias_platform.catalog import load_catalog
from bias_platform.statistics.power import power_of_term
from bias_platform.statistics.study_design import Attribute, StudyDesign
from bias_platform.statistics.study_simulation import simulate_answers

RESULTS = Path(__file__).parent / "results" / "power_curve.json"
FORMULA = "yes ~ group + (1 | item) + (1 | persona)"
DESIGN = StudyDesign(
    factors={"item": 250, "persona": 40},
    attributes={"group": Attribute("persona", {"a": 20, "b": 20})},
    sds={"item": 1.5, "persona": 0.3},
    intercept=-0.3,
)
SMALL = StudyDesign(
    factors={"item": 40, "persona": 24},
    attributes={"group": Attribute("persona", {"a": 12, "b": 12})},
    sds={"item": 1.2, "persona": 0.3},
    intercept=-0.3,
)
IN_R = [
    {"test": "f", "gap": 0.0, "found": 16, "studies": 400},
    {"test": "f", "gap": 0.5, "found": 981, "studies": 1400},
    {"test": "wald", "gap": 0.0, "found": 21, "studies": 400},
    {"test": "wald", "gap": 0.5, "found": 1029, "studies": 1400},
]
"""SMALL drawn (rbinom, plogis) and fitted in R 4.2.2 with glmmTMB 1.1.5: Wald's z, and the F with 22 df from it,
without the factor that gives back what plain likelihood takes: ours finds a little less."""
Answer = TypeVar("Answer")


def timed(work: Callable[[], Answer]) -> tuple[Answer, dict[str, float]]:
    """What a piece of work gives, with its wall and CPU seconds, those of its processes included."""
    wall, cpu = time.perf_counter(), _cpu()
    answer = work()
    return answer, {"wall_s": round(time.perf_counter() - wall, 2), "cpu_s": round(_cpu() - cpu, 2)}


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def t_test_power(gap: float) -> float:
    """Personas compared by their log-odds: their deviation, and the noise of 250 answers."""
    eta = -0.3 + 1.5 * norm.ppf((np.arange(2001) + 0.5) / 2001)
    noise = 1.0 / (250 * float((expit(eta) * (1 - expit(eta))).mean()))
    return float(TTestIndPower().power(gap / np.sqrt(0.3**2 + noise), 20, 0.05)) if gap else 0.05


def term_curve(gaps: list[float], replicates: int, processes: int) -> dict[str, Any]:
    """The power curve of the mixed model's test of a group of personas."""
    found, seconds = timed(
        lambda: power_of_term(
            DESIGN,
            FORMULA,
            "group",
            pattern={"group=b": 1.0},
            gaps=gaps,
            replicates=replicates,
            seed=1,
            processes=processes,
        )
    )
    smallest = found.curve("f").smallest(0.8)
    return {
        "replicates": replicates,
        "gaps": gaps,
        "processes": processes,
        **seconds,
        "cpu_ms_per_fit": round(1000 * seconds["cpu_s"] / replicates / len(gaps), 1),
        "table": found.table().round(4).to_dict("records"),
        "t_test_power": {str(gap): round(t_test_power(gap), 4) for gap in gaps},
        "smallest_gap_at_80_percent": {
            "gap": round(smallest.estimate, 4),
            "lower": round(smallest.lower, 4),
            "upper": round(smallest.upper, 4),
        },
    }


def against_r(replicates: int, processes: int) -> dict[str, Any]:
    """Power of a small design, beside the power found in R."""
    pattern = {"group=b": 1.0}
    found = power_of_term(
        SMALL, FORMULA, "group", pattern=pattern, gaps=[0.0, 0.5], replicates=replicates, seed=2, processes=processes
    )
    return {"design": repr(SMALL), "table": found.table().round(4).to_dict("records"), "in_r": IN_R}


def study_curve(name: str, assumed: Assumptions, replicates: int) -> dict[str, Any]:
    """The power of the demo study's report."""
    catalog = load_catalog("demo")
    study = catalog.studies["offensiveness"]
    size = study_size(catalog, study)
    found, seconds = timed(lambda: study_power(study, size, assumptions=assumed, replicates=replicates, seed=1))
    return {
        "assumptions": name,
        "what": repr(assumed),
        "size": size._asdict(),
        "replicates": replicates,
        **seconds,
        "smallest": found.smallest.round(4).astype(object).where(found.smallest.notna(), None).to_dict("records"),
        "found_without_a_gap": found.curve[found.curve["gap"] == 0].round(4).to_dict("records"),
        "sentence": found.sentence,
    }


def main() -> None:
    """Runs the benchmark and writes its results."""
    parser = argparse.ArgumentParser(description="cost and correctness of power curves")
    parser.add_argument("--gaps", type=float, nargs="*", default=[0.0, 0.2, 0.3, 0.4])
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    before = os.getloadavg()[0]
    _, simulated = timed(lambda: simulate_answers(DESIGN, seed=0, replicates=200))
    report = {
        "what": "250 items x 40 personas (two groups of 20), item sd 1.5, persona sd 0.3, intercept -0.3; every gap is "
        "put into the same replicates (common random numbers), so each power is that of its gap and "
        "neighbouring gaps are correlated",
        "simulation_ms_per_study": round(1000 * simulated["cpu_s"] / 200, 2),
        "term": term_curve(options.gaps, options.replicates, options.processes),
        "against_r": against_r(options.replicates, options.processes),
        "study": [study_curve("graded items", GradedItems(), 400), study_curve("decided items", DecidedItems(), 400)],
        "machine": {
            "cores": os.cpu_count(),
            "load_before": round(before, 2),
            "load_after": round(os.getloadavg()[0], 2),
            "python": platform.python_version(),
            "blas_threads_per_process": 1,
        },
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
