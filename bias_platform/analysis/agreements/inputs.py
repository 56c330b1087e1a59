"""What the agreement report of a study is made from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from bias_platform.catalog.agreement_settings import AgreementSettings
from bias_platform.catalog.entries import StudyEntry, TaskEntry

Say = Callable[[str], None]


class Scorer(Protocol):
    """What is needed of `models.text_similarity.TextScorer`."""

    def __call__(self, references: Sequence[str], candidates: Sequence[str]) -> npt.NDArray[np.float64]:
        """One score for each pair of texts."""


@dataclass(frozen=True)
class AgreementInputs:
    """Everything the report rests on."""

    study: StudyEntry
    task: TaskEntry
    personas: pd.DataFrame
    """table `Personas` of the study"""
    items: pd.DataFrame
    """table `Items` of the study"""
    annotations: pd.DataFrame
    """table `Annotations` of the corpus"""
    labels: pd.DataFrame
    """table `Labels` of the corpus"""
    attributes: Mapping[str, str | None]
    """label policy of the corpus -> the attribute it labels within"""
    templates: tuple[str, ...]
    """wordings, in the order of the catalog"""
    partitions: Mapping[tuple[str, str], Path]
    """(system, persona) -> its table of predictions, in the order of the study"""
    corpus_folder: Path
    """where labels and annotations lie"""
    questions_folder: Path
    """where the study's items lie"""
    report_folder: Path
    """where the report is published"""
    home: Path
    """the catalog's folder of the lake: queries name files from there"""
    repeats: Mapping[tuple[str, str], Path] = field(default_factory=dict)
    """(system, repeat) -> the same questions asked again"""
    scorers: Mapping[str, Scorer] = field(default_factory=dict)
    """of written answers; by name"""

    @property
    def settings(self) -> AgreementSettings:
        """What the report measures."""
        return self.study.agreement or AgreementSettings()

    @property
    def written(self) -> bool:
        """Whether answers are texts, and compared as such."""
        return self.task.answer != "option"

    @property
    def baseline(self) -> str | None:
        """Id of the model without persona, if the study asks it."""
        return next(iter(self.personas.loc[self.personas["role"] == "baseline", "persona_id"]), None)

    @property
    def control(self) -> str:
        """Id of the generic person."""
        return str(self.personas.loc[self.personas["role"] == "control", "persona_id"].iloc[0])

    def relative(self, path: Path) -> str:
        """A file as queries name it."""
        return path.relative_to(self.home).as_posix()
