"""Each persona against the generic control, and the material every contrast of a reading is made from."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bias_platform.analysis.answers import Answers
from bias_platform.analysis.comparisons import (
    FloatArray,
    PairedGaps,
    claims,
)
from bias_platform.analysis.item_cube import ItemCube, label_of
from bias_platform.analysis.item_pairs import paired_differences
from bias_platform.analysis.named_personas import NamedPersonas
from bias_platform.analysis.paired_wording import PairedWording
from bias_platform.analysis.scoped_means import ScopedMeans
from bias_platform.catalog.entries import AnalysisSettings
from bias_platform.schemas.results import BEYOND_WORDING, THESE_WORDINGS
from bias_platform.statistics import versus_reference


@dataclass(frozen=True)
class Material:
    """What every contrast of one reading is made from."""

    answers: Answers
    cube: ItemCube
    model: NamedPersonas
    wording: PairedWording
    settings: AnalysisSettings

    @property
    def scopes(self) -> list[str]:
        """`beyond wording` needs a system with at least two judged wordings."""
        several = bool(np.isfinite(self.wording.variance).any())
        return [THESE_WORDINGS, BEYOND_WORDING] if several else [THESE_WORDINGS]

    def cell(self, persona: str, system: str) -> FloatArray:
        """Yes share of each item."""
        return self.cube.share[:, self.cube.persona(persona), self.cube.system(system)]

    def gaps(self, scope: str, cells: list[list[tuple[float, str, str]]]) -> PairedGaps:
        """Item-paired combinations, each a list of (weight, persona, system)."""
        columns = [sum(w * self.cell(p, s) for w, p, s in combination) for combination in cells]
        positions = [[self.cube.system(s) for _, _, s in combination] for combination in cells]
        variance = np.zeros(len(cells))
        if scope == BEYOND_WORDING:
            variance = np.array([self._wording_variance(combination) for combination in cells])
        df = np.array([self.wording.df[at].min() for at in positions])
        bound = max(sum(abs(w) for w, _, _ in combination) for combination in cells) / 2
        return PairedGaps(np.column_stack(columns), variance, df, bound)

    def _wording_variance(self, combination: list[tuple[float, str, str]]) -> float:
        """What other wordings add: personas have wordings of their own, the systems share them."""
        weights: dict[str, FloatArray] = {}
        for sign, persona, system in combination:
            weights.setdefault(persona, np.zeros(len(self.cube.systems)))[self.cube.system(system)] += sign
        total = 0.0
        for weight in weights.values():
            used = np.flatnonzero(weight)
            total += float(weight[used] @ self.wording.covariance[np.ix_(used, used)] @ weight[used])
        return total if np.isnan(total) else max(0.0, total)


def control_contrasts(material: Material) -> pd.DataFrame:
    """Each named persona minus the control, within system; one family a scope."""
    answers, settings = material.answers, material.settings
    labels = persona_grid(answers, material.cube)
    if labels.empty:
        return pd.DataFrame()
    names = labels[["system", "persona_id"]].itertuples(index=False, name=None)
    cells = [[(1.0, p, s), (-1.0, answers.control, s)] for s, p in names]
    extra = _bounds(material.cube, labels, answers.control).join(_paired_check(material, cells))
    parts = []
    for scope in material.scopes:
        means = material.model.means.get(scope)
        model = versus_control(means, answers.control) if means is not None else None
        table = claims(labels, ["system", "persona_id"], model, material.gaps(scope, cells), settings)
        parts.append(table.join(extra).assign(scope=scope))
    return pd.concat(parts, ignore_index=True).assign(reading=material.model.reading)


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
    asked, yes = cube.asked.sum(axis=0), cube.yes.sum(axis=0)
    open_ = asked - cube.judged.sum(axis=0)
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


def _paired_check(material: Material, cells: list[list[tuple[float, str, str]]]) -> pd.DataFrame:
    found = paired_differences(material.gaps(THESE_WORDINGS, cells).gaps, material.settings.confidence)
    return pd.DataFrame(
        {"paired_difference": found.difference, "paired_lower": found.lower, "paired_upper": found.upper}
    )
