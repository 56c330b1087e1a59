"""How often a named persona is found to differ (5 %, one by one) where none does, by method.

One system, 40 items, 12 personas in two dimensions and the generic person, 3 wordings; answers drawn on the logit
scale, analysed by the report's own code: GLM with iid and clustered errors, GEE, and the item-paired analysis of the
report in both scopes. Shares are over all persona contrasts of a study; their Monte-Carlo standard error is that of the
mean of studies, because contrasts of a study share their generic person.

Run `OMP_NUM_THREADS=1 python -m benchmarks.clustered_alternatives`: a few minutes; writes
benchmarks/results/clustered_alternatives.json.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bias_platform.analysis.answers import prepare_answers
from bias_platform.analysis.clustered_alternatives import clustered_alternatives
from bias_platform.analysis.contrasts import control_contrasts
from bias_platform.analysis.material import gather
from bias_platform.schemas.results import PRIMARY
from bias_platform.schemas.results_of_alternatives import OWN_PAIRED
from bias_platform_tests.analysis.simulated_study import Design, simulate_study

RESULTS = Path(__file__).parent / "results" / "clustered_alternatives.json"
STUDIES, ALPHA = 500, 0.05
_NONE: dict[str, Any] = {
    "systems": ("small",),
    "sizes": {"gender": 5, "race": 7},
    "persona_sd": 0.0,
    "item_system_sd": 0.0,
    "wording_sd": 0.0,
    "wording_system_sd": 0.0,
}
DESIGNS = {
    "items differ (sd 1.3), personas on items a little (0.3)": Design(**_NONE),
    "items alike (0.3), personas on items differ (1.0)": Design(**_NONE, item_sd=0.3, item_persona_sd=1.0),
    "items differ, wordings too (0.3)": Design(**(_NONE | {"wording_sd": 0.3})),
}


def found_to_differ(design: Design, seed: int) -> dict[str, float]:
    """Share of the personas of one study that are found to differ, by method and scope."""
    study = simulate_study(design, seed)
    answers, settings = prepare_answers(study.inputs), study.inputs.study.analysis
    report = control_contrasts(gather(answers, PRIMARY, settings))
    others = clustered_alternatives(answers, report, settings)["alternative_contrasts"]
    both = pd.concat([report.assign(method=OWN_PAIRED), others])
    shares = (both["p_value"] < ALPHA).groupby([both["method"], both["scope"]]).mean()
    return {f"{method}, {scope}": float(share) for (method, scope), share in shares.items()}


def main() -> None:
    """Writes share and Monte-Carlo standard error of each design and method."""
    results: dict[str, Any] = {"studies": STUDIES, "alpha": ALPHA}
    for number, (name, design) in enumerate(DESIGNS.items()):
        table = pd.DataFrame([found_to_differ(design, 10_000 * number + k) for k in range(STUDIES)])
        error = table.std() / np.sqrt(table.count())
        results[name] = {
            method: {"found": round(float(table[method].mean()), 4), "standard_error": round(float(error[method]), 4)}
            for method in table
        }
        print(name, json.dumps(results[name], indent=1), flush=True)
        RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
