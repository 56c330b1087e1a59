"""How sure the scored answers are: log p(Yes) against every other judgement. Descriptive, not a test."""

import numpy as np
import pandas as pd
from scipy.special import logsumexp
from scipy.stats import t as student

from bias_platform.analysis.answers import Answers
from bias_platform.analysis.item_cube import FloatArray, label_of
from bias_platform.catalog.entries import TaskEntry


def scored_margins(answers: Answers, task: TaskEntry, confidence: float) -> pd.DataFrame:
    """Mean margin of each system x persona with an interval over items; schema `ScoredMargins`.

    Empty where the engine gives no probabilities, or where every judgement counts as Yes.
    """
    rows = answers.frame[answers.frame["option_logprobs"].notna().to_numpy()]
    yes = [option in task.positive for option in task.option_values]
    rest = [option not in (*task.positive, *task.set_aside) for option in task.option_values]
    if rows.empty or not any(rest):
        return pd.DataFrame()
    scores = np.stack(rows["option_logprobs"].to_list()).astype(float)
    margin = logsumexp(scores[:, yes], axis=1) - logsumexp(scores[:, rest], axis=1)
    frame = rows[["system", "persona_id", "item_id"]].assign(margin=margin)
    by_item = frame.groupby(["system", "persona_id", "item_id"], observed=True)["margin"].agg(["mean", "size"])
    cells = by_item.groupby(["system", "persona_id"], observed=True)
    table = cells["mean"].agg(["mean", "std", "count"]).join(cells["size"].sum().rename("answers")).reset_index()
    table["system"], table["persona_id"] = table["system"].astype(str), table["persona_id"].astype(str)
    reach = _reach(table["std"].to_numpy(float), table["count"].to_numpy(float), confidence)
    table["lower"], table["upper"] = table["mean"] - reach, table["mean"] + reach
    table["label"] = label_of(answers.personas, table["persona_id"])["label"]
    return table.drop(columns=["std", "count"])


def _reach(deviation: FloatArray, items: FloatArray, confidence: float) -> FloatArray:
    quantile = student.ppf(0.5 + confidence / 2, np.maximum(items - 1.0, 1.0))
    reach: FloatArray = quantile * deviation / np.sqrt(items)
    return reach
