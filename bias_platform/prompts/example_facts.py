"""What is counted of training examples: enough to see, beside them, that no wording goes with a label by chance."""

from typing import Any

import numpy as np
import pandas as pd

from bias_platform.catalog.entries import TaskEntry


def example_facts(examples: pd.DataFrame, judged: pd.DataFrame | None, task: TaskEntry) -> dict[str, Any]:
    """Counts of examples by answer, wording and persona, and of what they rest on.

    Args:
        examples: a table `TrainingExamples`.
        judged: the judgement behind each example, with a column `annotators`; None: the examples alone are counted.
        task: of a task without options the answers are texts of their own and are not counted one by one.

    Returns:
        examples, items and pictures (numbers), answers, templates and personas (name -> number; composite personas
        have no name and are not among them), annotators_of_an_example (least, median, most).
    """
    facts: dict[str, Any] = {
        "examples": len(examples),
        "items": int(examples["item_id"].nunique()),
        "templates": _counts(examples["template_id"]),
        "personas": _counts(examples["persona_id"]),
    }
    if task.options:
        facts["answers"] = _counts(examples["answer"])
    if "picture" in examples:
        facts["pictures"] = int(examples["picture"].nunique())
    if judged is not None:
        people = judged["annotators"].to_numpy(np.int64)
        facts["annotators_of_an_example"] = {
            "least": int(people.min()),
            "median": float(np.median(people)),
            "most": int(people.max()),
        }
    return facts


def _counts(values: pd.Series) -> dict[str, int]:
    return {str(value): int(count) for value, count in values.value_counts().sort_index().items()}
