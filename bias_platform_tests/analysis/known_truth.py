"""What a report claims of a simulated study, held against the truth it was drawn from."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bias_platform.analysis.answers import Answers, prepare_answers
from bias_platform.analysis.changes import system_changes
from bias_platform.analysis.comparisons import equivalence_p
from bias_platform.analysis.contrasts import control_contrasts
from bias_platform.analysis.item_cube import ItemCube, build_cube
from bias_platform.analysis.item_pairs import skewness_shift
from bias_platform.analysis.material import Material, gather
from bias_platform.analysis.named_personas import NamedPersonas, fit_named_personas
from bias_platform.analysis.outcomes import persona_outcomes
from bias_platform.analysis.pairs import persona_pairs
from bias_platform.analysis.pattern_null import pattern_null
from bias_platform.analysis.scored import gather_scores
from bias_platform.analysis.scored_models import fit_scores
from bias_platform.analysis.spreads import dimension_spreads
from bias_platform.schemas.results import PRIMARY, THESE_WORDINGS
from bias_platform_tests.analysis.simulated_study import Design, SimulatedStudy

ALPHA = 0.05
DRAWS = 99
"""Permutations of the null pattern: enough for a test at 5 %."""
CLAIM = ["kind", "scope", "method", "covered", "error", "width", "significant"]
SHARP = 2.0
"""Differences of so many standard errors are far enough from zero for their margin to be a sharp one."""


class Findings(NamedTuple):
    """What came of one study."""

    claims: pd.DataFrame
    """One row an interval: `CLAIM`."""
    rejections: pd.DataFrame
    """One row a test of a null hypothesis that is true: kind, scope, rejected."""


def findings(study: SimulatedStudy, design: Design, models: bool = True) -> Findings:
    """Makes the tables of `analyse_study` by the same functions and holds them against the truth.

    Args:
        study: drawn from `design`.
        design: says which null hypotheses are true.
        models: whether mixed models are fitted, which is what costs time.
    """
    settings = study.inputs.study.analysis
    answers = prepare_answers(study.inputs)
    cube = build_cube(answers)
    still = design.persona_sd == 0 and not design.far_out and not design.bimodal
    model = _model(answers, cube, study, still) if models else NamedPersonas(PRIMARY)
    material = gather(answers, PRIMARY, settings, cube, model.means)
    contrasts = control_contrasts(material)
    scores = gather_scores(answers, settings)[0]
    claims = [
        *_contrasts(study, contrasts),
        *_changes(study, system_changes(material)),
        *_pairs(study, persona_pairs(material)),
        *_spreads(study, dimension_spreads(material)),
        *(_scored(study, scores) if scores else ()),
    ]
    rejections = [*_equivalence(study, contrasts, material)]
    if still:
        tests = [*model.records.tests, *(fit_scores(answers, settings.changes).tests if scores and models else [])]
        rejections += [*_terms(tests, design), *_pattern(answers, cube, study, design)]
    return Findings(
        pd.DataFrame(claims, columns=CLAIM), pd.DataFrame(rejections, columns=["kind", "scope", "rejected"])
    )


def _model(answers: Answers, cube: ItemCube, study: SimulatedStudy, likelihood_ratio: bool) -> NamedPersonas:
    settings = study.inputs.study.analysis
    outcomes = persona_outcomes(answers, cube, cube, settings.confidence, settings.minimum_minority)
    rows = outcomes[(outcomes["role"] != "baseline") & outcomes["degenerate"]]
    cells = set(zip(rows["system"], rows["persona_id"], strict=True))
    return fit_named_personas(answers, PRIMARY, cells, likelihood_ratio=likelihood_ratio)


class _Truth(NamedTuple):
    """Of one scope: values by system and persona, the control's first."""

    probability: pd.DataFrame
    log_odds: pd.DataFrame
    margin: pd.DataFrame


def _truth(study: SimulatedStudy, scope: str) -> _Truth:
    t = study.truth
    these = (t.these, t.these_log_odds, t.these_margins)
    beyond = (t.beyond, t.beyond_log_odds, t.beyond_margins)
    names = (list(study.inputs.study.systems), list(study.personas))
    return _Truth(*(pd.DataFrame(values, *names) for values in (these if scope == THESE_WORDINGS else beyond)))


def _claim(kind: str, row: Any, truth: float, method: str) -> tuple[Any, ...]:
    held = row.lower <= truth <= row.upper
    return kind, row.scope, method, held, row.difference - truth, row.upper - row.lower, row.significant


def _on_log_odds(kind: str, row: Any, truth: float) -> Iterator[tuple[Any, ...]]:
    """A claim on the log-odds scale, where one is made and the answers follow the model."""
    if np.isfinite(row.log_odds) and np.isfinite(truth):
        held = row.log_odds_lower <= truth <= row.log_odds_upper
        width, found = row.log_odds_upper - row.log_odds_lower, row.log_odds_p_adjusted < ALPHA
        yield f"{kind}, log-odds", row.scope, "mixed model", held, row.log_odds - truth, width, found


def _against_control(values: pd.DataFrame) -> pd.DataFrame:
    return values.sub(values.iloc[:, 0], axis=0)


def _contrasts(study: SimulatedStudy, table: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    for scope, part in table.groupby("scope"):
        gaps, links, _ = (_against_control(values) for values in _truth(study, str(scope)))
        for row in part.itertuples():
            yield _claim("persona - control", row, gaps.loc[row.system, row.persona_id], row.method)
            yield from _on_log_odds("persona - control", row, links.loc[row.system, row.persona_id])


def _changes(study: SimulatedStudy, table: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    for scope, part in table.groupby("scope") if len(table) else ():
        gaps, links, _ = (_against_control(values) for values in _truth(study, str(scope)))
        for row in part.itertuples():
            gap, link = gaps[row.persona_id], links[row.persona_id]
            moved = gap[row.to_system] - gap[row.from_system]
            yield _claim("change between systems", row, moved, row.method)
            yield from _on_log_odds("change between systems", row, link[row.to_system] - link[row.from_system])


def _pairs(study: SimulatedStudy, table: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    for scope, part in table.groupby("scope") if len(table) else ():
        values = _truth(study, str(scope)).probability
        for row in part.itertuples():
            gap = values.loc[row.system, row.persona_id] - values.loc[row.system, row.other_id]
            yield _claim("pair of personas", row, gap, row.method)


def _spreads(study: SimulatedStudy, table: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    for row in table.itertuples():
        truth = _truth(study, row.scope).probability.loc[row.system]
        inside = truth[[name for name in truth.index if name.startswith(f"{row.dimension}-")]]
        for kind, found, lower, upper, value in (
            ("spread (max - min)", row.spread, row.spread_lower, row.spread_upper, np.ptp(inside)),
            ("spread (sd)", row.deviation, row.deviation_lower, row.deviation_upper, inside.std(ddof=1)),
        ):
            held = lower - 1e-12 <= value <= upper + 1e-12
            yield kind, row.scope, row.method, held, found - value, upper - lower, False


def _scored(study: SimulatedStudy, scores: Material) -> Iterator[tuple[Any, ...]]:
    for scope, part in control_contrasts(scores).groupby("scope"):
        gaps = _against_control(_truth(study, str(scope)).margin)
        for row in part.itertuples():
            yield _claim("scores, persona - control", row, gaps.loc[row.system, row.persona_id], "item-paired")
    for scope, part in system_changes(scores).groupby("scope"):
        gaps = _against_control(_truth(study, str(scope)).margin)
        for row in part.itertuples():
            gap = gaps[row.persona_id]
            moved = gap[row.to_system] - gap[row.from_system]
            yield _claim("scores, change between systems", row, moved, "item-paired")


def _equivalence(study: SimulatedStudy, table: pd.DataFrame, material: Material) -> Iterator[tuple[Any, ...]]:
    """Claims that a difference is within a margin that is exactly as large as it is: each one is false."""
    for scope, whole in table.groupby("scope"):
        gaps = _against_control(_truth(study, str(scope)).probability)
        margin = np.abs([gaps.loc[row.system, row.persona_id] for row in whole.itertuples()])
        sharp = margin > SHARP * whole["standard_error"].to_numpy(float)
        part, margin, control = whole[sharp], margin[sharp], material.answers.control
        if part.empty:
            continue
        pairs = [[(1.0, row.persona_id, row.system), (-1.0, control, row.system)] for row in part.itertuples()]
        away = part["difference"] + skewness_shift(material.gaps(str(scope), pairs).gaps, 1 - ALPHA)
        p = equivalence_p(part.assign(difference=away), margin, np.full(len(part), float(len(material.cube.items))))
        for one in p[np.isfinite(p)]:
            yield "equivalence at its margin", scope, one < ALPHA


def _terms(tests: list[dict[str, Any]], design: Design) -> Iterator[tuple[Any, ...]]:
    """Tests of persona and persona x system, where no persona differs; in these wordings only if those do nothing."""
    still = not design.wording_sd and not design.wording_system_sd
    for row in tests:
        if "persona" not in row["term"] or (row["scope"] == THESE_WORDINGS and not still):
            continue
        what = f"change of {row['term']}" if "→" in row["systems"] else row["term"]
        for name in ("f_p", "lr_p", "wald_p"):
            if np.isfinite(row[name]):
                yield f"{row['model']}: {what}, {name}", row["scope"], row[name] < ALPHA


def _pattern(answers: Answers, cube: ItemCube, study: SimulatedStudy, design: Design) -> Iterator[tuple[Any, ...]]:
    """Personas are exchangeable where neither they nor their wordings do anything."""
    if design.wording_sd or design.wording_system_sd:
        return
    table = pattern_null(answers, cube, study.inputs.study.analysis, DRAWS)
    for row in table.itertuples():
        where = "" if row.system != "all" else ", all systems"
        yield f"null pattern: {row.pattern}{where}", THESE_WORDINGS, row.frequency <= ALPHA
