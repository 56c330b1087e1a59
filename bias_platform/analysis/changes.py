"""How the contrasts of a study move from one system to another: of answers, or of scores."""

import numpy as np
import pandas as pd

from bias_platform.analysis.contrasts import Comparisons, claims_by_scope, persona_grid, versus_control
from bias_platform.analysis.material import Combination, Material
from bias_platform.analysis.scoped_means import ScopedMeans
from bias_platform.catalog.entries import ChangeContrast
from bias_platform.statistics import contrast

_KEYS = ["from_system", "to_system", "persona_id"]


def system_changes(material: Material) -> pd.DataFrame:
    """How each persona's contrast to the control moves between two systems; one family a scope."""
    changes, c = material.settings.changes, material.answers.control
    if not changes:
        return pd.DataFrame()
    labels = pd.concat([_change_labels(material, change) for change in changes], ignore_index=True)
    names = labels[_KEYS].itertuples(index=False, name=None)
    cells: list[Combination] = [[(1.0, p, to), (-1.0, c, to), (-1.0, p, fr), (1.0, c, fr)] for fr, to, p in names]
    what = Comparisons(labels, _KEYS, cells, lambda means: _changed(means, c, changes))
    table = claims_by_scope(material, what).reset_index(drop=True)
    if table.empty or not material.reading.of_answers:
        return table
    return table.assign(reading=material.reading.name)


def _changed(means: ScopedMeans, control: str, changes: tuple[ChangeContrast, ...]) -> ScopedMeans | None:
    """All declared changes as one set of contrasts."""
    against = versus_control(means, control)
    if against is None:
        return None
    position = {
        key: k
        for k, key in enumerate(zip(against.means.labels["system"], against.means.labels["persona_id"], strict=True))
    }
    rows, labels = [], []
    for change in changes:
        for system, persona in list(position):
            if system == change.to and (change.from_, persona) in position:
                weights = np.zeros(len(position))
                weights[position[system, persona]], weights[position[change.from_, persona]] = 1.0, -1.0
                rows.append(weights)
                labels.append({"from_system": change.from_, "to_system": change.to, "persona_id": persona})
    if not rows:
        return None
    return against.replaced(contrast(against.means, np.array(rows), pd.DataFrame(labels)))


def _change_labels(material: Material, change: ChangeContrast) -> pd.DataFrame:
    grid = persona_grid(material.answers, material.cube)
    both = set(grid.loc[grid["system"] == change.from_, "persona_id"])
    rows = grid[(grid["system"] == change.to) & grid["persona_id"].isin(both)].drop(columns="system")
    return rows.assign(from_system=change.from_, to_system=change.to)
