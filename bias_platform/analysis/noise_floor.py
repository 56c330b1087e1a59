"""The noise floor: how many answers flip, and how far differences move, when the same questions are asked again.

What replicates of a sampled answer say is another thing: they draw anew on purpose (`answers`, table `ServingNoise`).
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_platform.analysis.answers import Answers
from bias_platform.analysis.asked_twice import AskedTwice
from bias_platform.analysis.item_cube import label_of
from bias_platform.analysis.item_pairs import paired_differences
from bias_platform.analysis.rare_intervals import rare_rate_interval
from bias_platform.catalog.entries import AnalysisSettings, StudyEntry
from bias_platform.schemas.results import FLOORS

FloatArray = NDArray[np.float64]
Row = dict[str, object]
_CONTRAST_BOUND = 2.0
"""A difference of two shares moves by no more."""


def noise_tables(twice: AskedTwice | None, answers: Answers, study: StudyEntry) -> dict[str, pd.DataFrame]:
    """Tables `noise_floor`, `repeated_contrasts` and `system_flips`; nothing where nothing was asked again."""
    if twice is None:
        return {}
    contrasts = repeated_contrasts(twice, answers, study.analysis.confidence)
    return {
        "noise_floor": noise_floor(twice, contrasts, study),
        "repeated_contrasts": contrasts,
        "system_flips": system_flips(twice, study.analysis),
    }


def noise_floor(twice: AskedTwice, contrasts: pd.DataFrame, study: StudyEntry) -> pd.DataFrame:
    """One row a system x repeat, in the order of the study; schema `NoiseFloors`."""
    floor = study.noise_floor
    assert floor is not None
    rows: list[Row] = []
    for system in study.systems:
        for repeat in floor.of_system(system):
            asked = twice.of(system, repeat.name)
            if len(asked):
                moved = contrasts[(contrasts["system"] == system) & (contrasts["repeat"] == repeat.name)]
                names = {"system": system, "repeat": repeat.name, "changed": repeat.changed()}
                counts = _flips(asked, study.analysis.confidence)
                rows.append({**names, **counts, **_margins(asked), **_moves(moved)})
    return pd.DataFrame(rows)


def _flips(asked: pd.DataFrame, confidence: float) -> Row:
    """Flips among the questions with an answer both times; the interval takes items as the sample."""
    answered = asked[_answered_twice(asked)]
    flipped = (answered["first_answer"] != answered["again_answer"]).to_numpy()
    by_item = pd.Series(flipped, dtype=float).groupby(answered["item_id"].to_numpy())
    share, lower, upper = rare_rate_interval(_floats(by_item.sum()), _floats(by_item.count()), confidence)
    judged = (answered["first_judged"] & answered["again_judged"]).to_numpy()
    turned = judged & (answered["first_yes"] != answered["again_yes"]).to_numpy()
    return {
        "items": asked["item_id"].nunique(),
        "questions": len(asked),
        "answered_twice": len(answered),
        "coverage": len(answered) / len(asked),
        "flipped": int(flipped.sum()),
        "flipped_share": share,
        "lower": lower,
        "upper": upper,
        "yes_flipped": int(turned.sum()),
        "outcome_changed": int((asked["first_outcome"] != asked["again_outcome"]).sum()),
    }


def _floats(values: pd.Series) -> FloatArray:
    return np.asarray(values, dtype=np.float64)


def _answered_twice(asked: pd.DataFrame) -> pd.Series:
    return asked["first_answer"].notna() & asked["again_answer"].notna()


def _margins(asked: pd.DataFrame) -> Row:
    apart = (asked["again_margin"] - asked["first_margin"]).abs().to_numpy(float)
    apart = apart[np.isfinite(apart)]
    known = len(apart) > 0
    return {
        "scored_twice": len(apart),
        "margin_mean": float(apart.mean()) if known else np.nan,
        "margin_95": float(np.quantile(apart, 0.95)) if known else np.nan,
        "margin_largest": float(apart.max()) if known else np.nan,
    }


def _moves(contrasts: pd.DataFrame) -> Row:
    """How far the differences of the personas moved, the largest move named."""
    known = contrasts[contrasts["difference"].notna()] if len(contrasts) else contrasts
    if known.empty:
        return {"contrast_sd": np.nan, "contrast_largest": np.nan, "contrast_label": None}
    moved = known["difference"].to_numpy(float)
    at = int(np.abs(moved).argmax())
    return {
        "contrast_sd": float(np.sqrt((moved**2).mean())),
        "contrast_largest": float(moved[at]),
        "contrast_label": str(known["label"].iloc[at]) if moved[at] else None,
    }


def repeated_contrasts(twice: AskedTwice, answers: Answers, confidence: float) -> pd.DataFrame:
    """How each persona's difference to the control moved, paired by item; schema `RepeatedContrasts`.

    Only questions judged both times count, so that a question without a judgement moves nothing.
    """
    tables = [
        _contrasts_of(twice.of(system, repeat), answers, confidence).assign(system=system, repeat=repeat)
        for system, repeat in twice.asked
    ]
    return pd.concat(tables, ignore_index=True)


def _contrasts_of(asked: pd.DataFrame, answers: Answers, confidence: float) -> pd.DataFrame:
    judged = asked[(asked["first_judged"] & asked["again_judged"]).to_numpy()]
    here = set(judged["persona_id"].unique())
    personas = [name for name in answers.named if name in here] if answers.control in here else []
    first, again = (_against_control(judged, side, personas, answers.control) for side in ("first", "again"))
    found = paired_differences(again - first, confidence, _CONTRAST_BOUND)
    with np.errstate(invalid="ignore"):
        table = pd.DataFrame(
            {
                "persona_id": personas,
                "items": found.items,
                "first": _column_means(first),
                "again": _column_means(again),
                "difference": found.difference,
                "lower": found.lower,
                "upper": found.upper,
                "standard_error": found.standard_error,
            }
        )
    return table.join(label_of(answers.personas, table["persona_id"]))


def _against_control(judged: pd.DataFrame, side: str, personas: list[str], control: str) -> FloatArray:
    """(items, personas): Yes share of a persona minus that of the control; NaN where an item lacks one of the two."""
    cells = judged.groupby(["item_id", "persona_id"], observed=True)[f"{side}_yes"].mean().unstack()
    cells = cells.reindex(columns=[*personas, control])
    values: FloatArray = cells[personas].to_numpy(float) - cells[[control]].to_numpy(float)
    return values


def _column_means(values: FloatArray) -> FloatArray:
    known = np.isfinite(values).sum(axis=0)
    means: FloatArray = np.where(known > 0, np.nansum(values, axis=0) / np.maximum(known, 1), np.nan)
    return means


def system_flips(twice: AskedTwice, settings: AnalysisSettings) -> pd.DataFrame:
    """Flips from one system to another beside those of the same systems asked again; schema `SystemFlips`.

    Where both systems were asked again the floor is the mean of their two: if two answers to a question are drawn from
    the same distribution whichever asking they come from, then flips between the systems minus this mean are half the
    squared distance of their distributions, zero exactly where the systems are the same and never less (but for
    chance). Where only one was asked again its floor stands for both, which holds if the other is as noisy.
    """
    repeats = list(dict.fromkeys(repeat for _, repeat in twice.asked))
    rows = [
        row
        for change in settings.changes
        for repeat in repeats
        if (row := _change_row(twice, (change.from_, change.to), repeat, settings.confidence))
    ]
    return pd.DataFrame(rows)


def _change_row(twice: AskedTwice, change: tuple[str, str], repeat: str, confidence: float) -> Row | None:
    again = {system: asked for system in change if len(asked := twice.of(system, repeat))}
    if not again:
        return None
    by_item, questions = _flip_shares(twice.first, again, change)
    found = paired_differences((by_item["between"] - by_item["own"]).to_numpy()[:, None], confidence)
    return {
        "from_system": change[0],
        "to_system": change[1],
        "repeat": repeat,
        "floor_of": FLOORS[0] if len(again) == 2 else FLOORS[1 if change[0] in again else 2],
        "items": len(by_item),
        "questions": questions,
        "coverage": questions / max(map(len, again.values())),
        "flipped_share": float(by_item["between"].mean()),
        "floor_share": float(by_item["own"].mean()),
        "difference": found.difference[0],
        "lower": found.lower[0],
        "upper": found.upper[0],
        "standard_error": found.standard_error[0],
    }


def _flip_shares(
    first: pd.DataFrame, again: Mapping[str, pd.DataFrame], change: tuple[str, str]
) -> tuple[pd.DataFrame, int]:
    """Share of an item's questions that flip, by item: `between` the systems, and of their `own`; and the questions.

    Only those that both systems answered, and again whichever of them was asked again.
    """
    said = {f"first {system}": _by_question(first[first["system"] == system], "first") for system in change}
    said |= {f"again {system}": _by_question(asked, "again") for system, asked in again.items()}
    table = pd.concat(said, axis=1, join="inner").dropna()
    own = [table[f"first {system}"] != table[f"again {system}"] for system in again]
    between = table[f"first {change[0]}"] != table[f"first {change[1]}"]
    items = first.drop_duplicates("question_id").set_index("question_id")["item_id"].reindex(table.index)
    flips = pd.DataFrame({"between": between, "own": np.mean(own, axis=0)}, dtype=float)
    return flips.groupby(items).mean(), len(table)


def _by_question(rows: pd.DataFrame, side: str) -> pd.Series:
    answers: pd.Series = rows.set_index("question_id")[f"{side}_answer"]
    return answers
