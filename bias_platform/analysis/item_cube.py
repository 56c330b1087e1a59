"""Answers or scores summed over wordings: items x personas x systems, the ground of every model-free number."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_platform.analysis.answers import Answers
from bias_platform.analysis.readings import outcome
from bias_platform.schemas.results import PRIMARY

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class ItemCube:
    """Sums (items, personas, systems) of one reading, the baseline among the personas where it was asked."""

    items: tuple[str, ...]
    personas: tuple[str, ...]
    systems: tuple[str, ...]
    asked: FloatArray
    """Questions put."""
    known: FloatArray
    """Of these, with an outcome: judged, or scored."""
    total: FloatArray
    """Sum of the outcomes: Yes answers, or margins."""

    @cached_property
    def mean(self) -> FloatArray:
        """Each item's Yes share or mean margin; NaN where nothing is known."""
        return np.divide(self.total, self.known, out=np.full_like(self.total, np.nan), where=self.known > 0)

    def persona(self, persona_id: str) -> int:
        """Position of a persona."""
        return self.personas.index(persona_id)

    def system(self, slug: str) -> int:
        """Position of a system."""
        return self.systems.index(slug)

    def positions(self, personas: list[str]) -> list[int]:
        """Positions of several personas."""
        return [self.personas.index(name) for name in personas]


def build_cube(answers: Answers, reading: str = PRIMARY) -> ItemCube:
    """Sums a study's outcomes over wordings and option orders."""
    frame = answers.frame
    categories = [frame[name].cat.categories for name in ("item_id", "persona_id", "system")]
    shape = tuple(len(levels) for levels in categories)
    codes = tuple(frame[name].cat.codes.to_numpy(np.int64) for name in ("item_id", "persona_id", "system"))
    cell = np.ravel_multi_index(codes, shape)
    size = int(np.prod(shape))
    values = outcome(frame, reading)
    known = np.isfinite(values)
    return ItemCube(
        items=tuple(categories[0]),
        personas=tuple(categories[1]),
        systems=tuple(categories[2]),
        asked=np.bincount(cell, minlength=size).reshape(shape).astype(float),
        known=np.bincount(cell, known, size).reshape(shape).astype(float),
        total=np.bincount(cell, np.where(known, values, 0.0), size).reshape(shape).astype(float),
    )


def label_of(personas: pd.DataFrame, persona_ids: pd.Series) -> pd.DataFrame:
    """`label` and `dimension` of each persona id, one row each."""
    return personas[["label", "dimension"]].reindex(persona_ids.astype(str)).reset_index(drop=True)
