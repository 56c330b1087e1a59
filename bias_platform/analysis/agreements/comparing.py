"""What all parts of the report work on: answers, how they count, who the personas are, and statements for tracing."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from bias_platform.analysis.agreements.answer_matrix import AnswerMatrix, CodeArray, Column
from bias_platform.analysis.agreements.counting import Counting
from bias_platform.analysis.agreements.inputs import AgreementInputs
from bias_platform.analysis.agreements.queries import Queries

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Comparing:
    """The material of one report."""

    inputs: AgreementInputs
    matrix: AnswerMatrix
    counting: Counting

    @cached_property
    def queries(self) -> Queries:
        """Statements that give the rows behind a number."""
        return Queries(self.inputs, self.matrix)

    @cached_property
    def personas(self) -> pd.DataFrame:
        """Table `Personas` by id, in the order of the set."""
        return self.inputs.personas.set_index("persona_id", drop=False)

    @property
    def whole_systems(self) -> list[str]:
        """Systems asked in every persona."""
        return [system for system in self.inputs.study.systems if system in self.matrix.systems]

    def compared(self, system: str, template: str) -> list[str]:
        """Personas of a wording that are compared with the reference: the named ones, and the control if it is not."""
        reference = self.inputs.control if self.inputs.settings.reference == "control" else None
        roles = self.personas[self.personas["role"] != "baseline"]
        said = self.matrix.systems[system].columns
        return [name for name in roles["persona_id"] if name != reference and (name, template) in said]

    def reference(self, template: str) -> Column:
        """Whom personas are compared with: the model without persona, or the generic person in the same wording."""
        if self.inputs.settings.reference == "control":
            return self.inputs.control, template
        assert self.inputs.baseline is not None  # the catalog requires it
        return self.inputs.baseline, None

    def wordings(self) -> Iterator[tuple[str, str]]:
        """(system, wording) of every system asked in all personas."""
        for system in self.whole_systems:
            for template in self.matrix.templates:
                yield system, template

    def dimensions(self, system: str, template: str) -> Iterator[tuple[str, list[str]]]:
        """(dimension, its personas) with at least two of them to compare."""
        present = set(self.compared(system, template))
        named = self.personas[self.personas["role"] == "named"]
        for dimension, members in named.groupby("dimension", sort=False):
            names = [name for name in members["persona_id"] if name in present]
            if len(names) > 1:
                yield str(dimension), names

    def codes(self, system: str, columns: list[Column]) -> CodeArray:
        """(items, columns) of a system."""
        return self.matrix.systems[system].of(columns)

    def described(self, names: list[str]) -> pd.DataFrame:
        """persona_id, label, dimension, role of personas, one row each."""
        return self.personas.loc[names, ["persona_id", "label", "dimension", "role"]].reset_index(drop=True)


def all_pairs_of(count: int) -> IntArray:
    """(pairs, 2) positions, each pair once, the first before the second."""
    first, second = np.triu_indices(count, 1)
    return np.column_stack([first, second]).astype(np.int64)
