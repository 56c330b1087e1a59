"""Each persona against the generic control, within system: of answers, or of scores."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from bias_platform.analysis.adjustment import Together
from bias_platform.analysis.answers import Answers
from bias_platform.analysis.comparisons import PairedGaps, claims, compared, together, with_log_odds
from bias_platform.analysis.item_cube import ItemCube, label_of
from bias_platform.analysis.material import Combination, Material
from bias_platform.analysis.scoped_means import ScopedMeans
from bias_platform.statistics import versus_reference


class Comparisons(NamedTuple):
    """What is compared: one row of labels and one combination of cells each."""

    labels: pd.DataFrame
    keys: Sequence[str]
    """Columns of `labels` that name a comparison."""
    cells: list[Combination]
    model: Callable[[ScopedMeans], ScopedMeans | None]
    """The same comparisons made from the model's cells, labelled by the same keys."""


class Compared(NamedTuple):
    """Comparisons of one scope."""

    table: pd.DataFrame
    """Item-paired, with the log-odds of the model where answers are compared."""
    paired: PairedGaps
    together: Together | None
    """How they vary together, where the study's adjustment asks."""


def compare(material: Material, scope: str, what: Comparisons) -> Compared:
    """Item-paired comparisons of one scope, with what their adjustment needs."""
    settings, paired = material.settings, material.gaps(scope, what.cells)
    table = compared(what.labels, paired, settings.confidence)
    means, model = material.means.get(scope), None
    if material.reading.of_answers:
        model = what.model(means) if means is not None else None
        table = with_log_odds(table, what.keys, model, settings.confidence)
    return Compared(table, paired, together(table, paired, what.keys, model, settings.multiplicity))


def claims_by_scope(material: Material, what: Comparisons) -> pd.DataFrame:
    """The comparisons of all scopes under each other, each scope one family; empty where there are none.

    The index points into `what.labels`, scope after scope.
    """
    if what.labels.empty:
        return pd.DataFrame()
    parts = [
        claims(*compare(material, scope, what), material.settings).assign(scope=scope) for scope in material.scopes
    ]
    return pd.concat(parts)


def control_contrasts(material: Material) -> pd.DataFrame:
    """Each named persona minus the control, within system; one family a scope."""
    control = material.answers.control
    labels = persona_grid(material.answers, material.cube)
    names = labels[["system", "persona_id"]].itertuples(index=False, name=None)
    cells: list[Combination] = [[(1.0, p, s), (-1.0, control, s)] for s, p in names]
    what = Comparisons(labels, ["system", "persona_id"], cells, lambda means: versus_control(means, control))
    table = claims_by_scope(material, what)
    if table.empty or not material.reading.of_answers:
        return table.reset_index(drop=True)
    table = table.join(_bounds(material.cube, labels, control)).assign(reading=material.reading.name)
    return table.reset_index(drop=True)


def persona_grid(answers: Answers, cube: ItemCube) -> pd.DataFrame:
    """Every system x named persona that was asked: system, persona_id, label, dimension."""
    asked = cube.asked.sum(axis=0)
    rows = [
        {"system": s, "persona_id": p}
        for s in answers.systems
        for p in answers.named
        if asked[cube.persona(p), cube.system(s)] > 0
    ]
    labels = pd.DataFrame(rows, columns=["system", "persona_id"])
    return labels.join(label_of(answers.personas, labels["persona_id"]))


def versus_control(means: ScopedMeans, control: str) -> ScopedMeans | None:
    """The model's contrasts, labelled by system and persona_id; None where the control has no modelled cell."""
    if control not in set(means.means.labels["persona"]):
        return None
    contrasts = versus_reference(means.means, "persona", control, within="system")
    contrasts.labels["persona_id"] = contrasts.labels["level"]
    return means.replaced(contrasts)


def _bounds(cube: ItemCube, labels: pd.DataFrame, control: str) -> pd.DataFrame:
    """Raw difference where all that is not judged falls the one way for the persona and the other for the control."""
    asked, yes = cube.asked.sum(axis=0), cube.total.sum(axis=0)
    open_ = asked - cube.known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        low, high = yes / asked, (yes + open_) / asked
    persona = [cube.persona(name) for name in labels["persona_id"]]
    system = [cube.system(name) for name in labels["system"]]
    reference = cube.persona(control)
    return pd.DataFrame(
        {
            "bound_low": low[persona, system] - high[reference, system],
            "bound_high": high[persona, system] - low[reference, system],
        }
    )
