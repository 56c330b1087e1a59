"""What came of the questions: outcomes, coverage, shares of the answers, Yes-rates and their bounds."""

import numpy as np
import pandas as pd

from bias_platform.analysis.answers import SET_ASIDE, Answers
from bias_platform.analysis.item_cube import FloatArray, ItemCube, label_of
from bias_platform.analysis.rates import clustered_rate_interval
from bias_platform.catalog.entries import TaskEntry
from bias_platform.schemas.results import AnswerShares, PersonaOutcomes, SystemOutcomes, conform

_NO_ANSWER = ("refused", "invalid", "truncated", "failed")


def system_outcomes(answers: Answers, cube: ItemCube, lenient: ItemCube, confidence: float) -> pd.DataFrame:
    """One row a system over all personas but the baseline; schema `SystemOutcomes`."""
    rows = answers.with_persona
    states = pd.crosstab(rows["system"], rows["state"], dropna=False).reindex(list(answers.systems), fill_value=0)
    keep = [k for k, name in enumerate(cube.personas) if name != answers.baseline]
    totals = [counts[:, keep, :].sum(axis=1) for counts in (cube.asked, cube.known, cube.total, lenient.total)]
    table = pd.DataFrame({"system": list(answers.systems)})
    table = table.join(_counted(states.reset_index(drop=True), totals, confidence))
    return conform(table, SystemOutcomes)


def persona_outcomes(
    answers: Answers, cube: ItemCube, lenient: ItemCube, confidence: float, minimum_minority: int
) -> pd.DataFrame:
    """One row a system x persona; schema `PersonaOutcomes`."""
    rows = answers.frame
    grid = pd.MultiIndex.from_product([cube.systems, cube.personas], names=["system", "persona_id"])
    states = pd.crosstab([rows["system"], rows["persona_id"]], rows["state"], dropna=False)
    states = states.reindex(grid, fill_value=0)
    totals = [_by_system(counts) for counts in (cube.asked, cube.known, cube.total, lenient.total)]
    table = grid.to_frame(index=False).join(_counted(states.reset_index(drop=True), totals, confidence))
    table = table.join(label_of(answers.personas, table["persona_id"]))
    table["role"] = answers.personas.loc[table["persona_id"], "role"].to_numpy()
    table["minority"] = np.minimum(table["yes"], table["judged"] - table["yes"])
    lenient_yes = totals[3].sum(axis=0)
    table["degenerate"] = table["minority"] < minimum_minority
    table["lenient_degenerate"] = np.minimum(lenient_yes, table["judged"] - lenient_yes) < minimum_minority
    return conform(table[table["questions"] > 0], PersonaOutcomes)


def answer_shares(answers: Answers, task: TaskEntry) -> pd.DataFrame:
    """One row a system x persona x allowed answer; schema `AnswerShares`."""
    rows = answers.frame
    grid = [list(answers.systems), list(answers.personas.index), list(task.option_values)]
    index = pd.MultiIndex.from_product(grid, names=["system", "persona_id", "answer"])
    keys = [rows["system"].astype(str), rows["persona_id"].astype(str)]
    asked = rows.groupby(keys).size()
    counts = rows.groupby([*keys, rows["answer"]]).size().reindex(index, fill_value=0)
    table = counts.rename("count").reset_index()
    total = asked.reindex(pd.MultiIndex.from_frame(table[["system", "persona_id"]])).to_numpy(float)
    table["share"] = table["count"] / total
    table["kind"] = table["answer"].map({option: _kind(option, task) for option in task.option_values})
    return conform(table[np.isfinite(total)], AnswerShares)


def _kind(option: str, task: TaskEntry) -> str:
    if option in task.positive:
        return "positive"
    if option in task.set_aside:
        return "set aside"
    return "lenient" if option in task.positive_lenient else "other"


def _by_system(counts: FloatArray) -> FloatArray:
    """(items, personas, systems) -> (items, systems x personas)."""
    return np.ascontiguousarray(counts.transpose(0, 2, 1)).reshape(len(counts), -1)


def _counted(states: pd.DataFrame, totals: list[FloatArray], confidence: float) -> pd.DataFrame:
    asked, judged, yes, lenient = (total.sum(axis=0) for total in totals)
    rate, lower, upper = clustered_rate_interval(totals[2], totals[1], confidence)
    with np.errstate(invalid="ignore", divide="ignore"):
        table = pd.DataFrame(
            {
                "questions": asked,
                "answered": asked - sum(_state(states, name) for name in _NO_ANSWER),
                **{name: _state(states, name) for name in _NO_ANSWER},
                "set_aside": _state(states, SET_ASIDE),
                "judged": judged,
                "yes": yes,
                "coverage": judged / asked,
                "yes_rate": rate,
                "lower": lower,
                "upper": upper,
                "bound_low": yes / asked,
                "bound_high": (yes + asked - judged) / asked,
                "lenient_rate": lenient / judged,
            }
        )
    return table


def _state(states: pd.DataFrame, name: str) -> FloatArray:
    return states[name].to_numpy(float) if name in states.columns else np.zeros(len(states))
