"""The items, and the personas in a wording, that are farthest from what a model expects: where to look."""

from collections.abc import Mapping

import pandas as pd

from bias_platform.analysis.answers import Answers
from bias_platform.schemas.results import UNIT_ITEM, UNIT_WORDING
from bias_platform.statistics import MixedModelFit, conditional_mode_table

SHOWN = 10
LEVEL = 0.95
_TERMS = {UNIT_ITEM: ("item", ["item_id"]), UNIT_WORDING: ("persona:template", ["persona_id", "template_id"])}
"""Random term, and what its levels are made of."""


def standing_rows(fit: MixedModelFit, unit: str, labels: Mapping[str, str]) -> list[dict[str, object]]:
    """Rows of `StandingOut`, the farthest first; none where the model lacks the term or finds no variance in it."""
    term, names = _TERMS[unit]
    if term not in {one.name for one in fit.design.terms} or term in fit.diagnostics.singular_terms:
        return []
    table = conditional_mode_table(fit, term, LEVEL)
    far = table.loc[table["mode"].abs().sort_values(ascending=False, kind="stable").index[:SHOWN]]
    return [
        {
            **labels,
            "unit": unit,
            **dict(zip(names, str(row["level"]).split(":", len(names) - 1), strict=True)),
            "effect": row["mode"],
            "lower": row["lower"],
            "upper": row["upper"],
        }
        for row in far.to_dict("records")
    ]


def standing_out(
    of_answers: list[dict[str, object]],
    of_scores: list[dict[str, object]],
    answers: Answers,
    texts: pd.DataFrame | None,
) -> pd.DataFrame:
    """What stands out in the model of answers, or where that is not used in those of scores; schema `StandingOut`.

    Args:
        of_answers: rows from model A.
        of_scores: rows from the models of scores.
        answers: prepared answers.
        texts: table `Items`, where the study shows texts.
    """
    table = pd.DataFrame(of_answers or of_scores)
    if table.empty:
        return table
    table = table.reindex(columns=list(dict.fromkeys([*table.columns, "item_id", "persona_id", "template_id"])))
    quoted = texts.set_index("item_id")["text"] if texts is not None else pd.Series(dtype=object)
    return table.assign(
        label=answers.personas["label"].reindex(table["persona_id"]).to_numpy(object),
        text=quoted.reindex(table["item_id"]).to_numpy(object),
    )
