"""How far the scores of the options favour Yes, by system and persona: means of margins, and what must be said of them.

Contrasts of margins are made by the modules that make those of answers (`contrasts`, `changes`), from the material of
the reading `scored`; their models are in `scored_models`.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from bias_platform.analysis.answers import Answers
from bias_platform.analysis.changes import system_changes
from bias_platform.analysis.contrasts import control_contrasts
from bias_platform.analysis.fit_records import Records
from bias_platform.analysis.item_cube import label_of
from bias_platform.analysis.item_pairs import paired_differences
from bias_platform.analysis.material import Material, gather
from bias_platform.analysis.scored_models import fit_scores
from bias_platform.catalog.entries import AnalysisSettings, StudyEntry
from bias_platform.errors import counted
from bias_platform.schemas.results import SCORE_SCALES, SCORED


def gather_scores(answers: Answers, settings: AnalysisSettings) -> tuple[Material | None, list[str]]:
    """The material of the margins and what a reader must know; None where there are no margins."""
    rows = answers.frame
    if not rows["scored"].any():
        return None, []
    known = np.isfinite(rows["margin"].to_numpy(float))
    if not known.any():
        why = "the options leave nothing to set Yes against, or all probability is on one side"
        return None, [f"Scores were not analysed as a margin of Yes: {why}."]
    lost = int((~known).sum())
    said = f"{counted(lost, 'question')} of {len(rows):,} without scores: left out of the analysis of scores."
    return gather(answers, SCORED, settings), [said] if lost else []


def scored_margins(material: Material, scale: str) -> pd.DataFrame:
    """Mean margin of each system x persona with an interval over items; schema `ScoredMargins`.

    No interval where nearly all items have the same margin: nothing tells how much others would differ.
    """
    cube = material.cube
    means = cube.mean.transpose(0, 2, 1).reshape(len(cube.items), -1)
    found = paired_differences(means, material.settings.confidence, np.inf, material.reading.rounding)
    grid = pd.MultiIndex.from_product([cube.systems, cube.personas], names=["system", "persona_id"])
    table: pd.DataFrame = grid.to_frame(index=False)
    table = table.join(label_of(material.answers.personas, table["persona_id"])["label"]).assign(
        scale=scale,
        answers=cube.known.sum(axis=0).T.ravel().astype(np.int64),
        mean=found.difference,
        lower=found.lower,
        upper=found.upper,
    )
    return table[found.items > 0]


def without_interval(contrasts: pd.DataFrame) -> list[str]:
    """What to say of scored contrasts that have an estimate but no interval."""
    if contrasts.empty:
        return []
    silent = contrasts[contrasts["difference"].notna() & contrasts["p_value"].isna()]
    systems = list(dict.fromkeys(silent["system"]))
    if not systems:
        return []
    pairs = silent.drop_duplicates(["system", "persona_id"])
    return [
        f"{counted(len(pairs), 'scored contrast')} of {', '.join(systems)} without interval and test: nearly all items "
        "have the same gap between persona and generic person, so nothing tells how much other items would differ."
    ]


class Scores(NamedTuple):
    """What scores say; empty where there are none."""

    tables: dict[str, pd.DataFrame]
    records: Records


def analyse_scores(answers: Answers, study: StudyEntry, say: Callable[[str], None]) -> Scores:
    """Margins, their contrasts and changes, and the models of margins."""
    material, messages = gather_scores(answers, study.analysis)
    if material is None:
        return Scores({}, Records(messages=messages))
    say("scores")
    scale = SCORE_SCALES[study.engine.scoring]
    contrasts, changes = control_contrasts(material), system_changes(material)
    tables = {
        "scored_margins": scored_margins(material, scale),
        "scored_contrasts": contrasts.assign(scale=scale) if len(contrasts) else contrasts,
        "scored_changes": changes.assign(scale=scale) if len(changes) else changes,
    }
    records = fit_scores(answers, study.analysis.changes)
    records.messages[:0] = [*messages, *without_interval(contrasts)]
    return Scores(tables, records)
