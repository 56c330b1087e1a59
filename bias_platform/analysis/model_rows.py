"""The rows a mixed model sees, and its formula, reduced to what the rows can tell."""

import numpy as np
import pandas as pd

from bias_platform.analysis.answers import Answers
from bias_platform.analysis.readings import outcome
from bias_platform.schemas.results import SCORED

MANY_ORDERS = 8
"""With more orders of the options than this their order is left to chance instead of being a fixed effect."""
NUISANCES = ("template", "order")
"""Factors that nothing is claimed of."""
FACTORS = ("item", "system", "persona", "template", "order")


def model_rows(answers: Answers, reading: str, degenerate: set[tuple[str, str]]) -> pd.DataFrame:
    """Questions with a persona and an outcome; columns as formulas name them: `FACTORS`, and `yes` or `margin`.

    Args:
        answers: prepared answers.
        reading: how they are read.
        degenerate: (system, persona_id) cells to leave out.
    """
    rows = answers.with_persona
    values = outcome(rows, reading)
    keep = np.isfinite(values)
    if degenerate:
        pairs = pd.MultiIndex.from_arrays([rows["system"].astype(str), rows["persona_id"].astype(str)])
        keep &= ~pairs.isin(sorted(degenerate))
    rows, values = rows[keep], values[keep]
    order = [answers.control, *answers.named]
    frame = pd.DataFrame(
        {
            "item": rows["item_id"].array,
            "system": rows["system"].array,
            "persona": pd.Categorical(rows["persona_id"].astype(str), order),
            "template": rows["template_id"].array,
            "order": rows["option_order"].array,
        }
    )
    return without_unused(
        frame.assign(margin=values) if reading == SCORED else frame.assign(yes=values.astype(np.int8))
    )


def without_unused(frame: pd.DataFrame) -> pd.DataFrame:
    """Levels that no row has are forgotten."""
    return frame.assign(**{name: frame[name].cat.remove_unused_categories() for name in FACTORS})


def informative_rows(
    data: pd.DataFrame, minimum_items: int, value: str = "yes"
) -> tuple[pd.DataFrame, set[tuple[str, str]]]:
    """Rows of cells with enough items that their system answers in several ways, and the (system, persona) left out."""
    places = data[value].cat.codes if isinstance(data[value].dtype, pd.CategoricalDtype) else data[value]
    grouped = places.groupby([data["system"], data["item"]], observed=True)
    both = grouped.transform("nunique") > 1
    cells = data.assign(told=data["item"].where(both)).groupby(["system", "persona"], observed=True)["told"].nunique()
    thin = {(str(system), str(persona)) for system, persona in cells.index[cells < minimum_items]}
    if not thin:
        return data, thin
    pairs = pd.MultiIndex.from_arrays([data["system"].astype(str), data["persona"].astype(str)])
    return without_unused(data[~pairs.isin(sorted(thin))].copy()), thin


def item_formula(data: pd.DataFrame, value: str = "yes") -> str | None:
    """Model A without wording effects, reduced to what the data can tell; None where nothing can be compared."""
    systems, personas = data["system"].nunique(), data["persona"].nunique()
    if personas < 2 or data[value].nunique() < 2:
        return None
    random = ["(1 | item)"]
    random += ["(1 | item:system)"] if systems > 1 else []
    cells = data["item"].nunique() * personas
    random += ["(1 | item:persona)"] if len(data) > 1.5 * cells else []
    random += ["(1 | item:persona:system)"] if systems > 1 and len(data) > 1.5 * cells * systems else []
    return f"{value} ~ {' + '.join([*_fixed(data), *random])}"


def _fixed(data: pd.DataFrame) -> list[str]:
    """Sum coding: a test of a term is then one of its average over what it interacts with."""
    several = data["system"].nunique() > 1
    fixed = ["C(persona, contr.sum) * C(system, contr.sum)" if several else "C(persona, contr.sum)"]
    return [*fixed, *nuisance_terms(data)]


def nuisance_terms(data: pd.DataFrame, names: tuple[str, ...] = NUISANCES) -> list[str]:
    """Wording and order of the options, equal weights, where there are several."""
    levels = {name: data[name].nunique() for name in names}
    most = {"order": MANY_ORDERS}
    return [f"C({name}, contr.sum)" for name, n in levels.items() if 1 < n <= most.get(name, n)]


def wording_terms(data: pd.DataFrame) -> list[tuple[str, ...]]:
    """The random effects that carry a claim beyond these wordings."""
    terms: list[tuple[str, ...]] = [("persona", "template")]
    return [*terms, ("persona", "template", "system")] if data["system"].nunique() > 1 else terms
