"""What an analysis is given."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from bias_platform.catalog.entries import CrossedDimension, StudyEntry, TaskEntry


@dataclass(frozen=True)
class StudyInputs:
    """Everything a regression report rests on.

    Args:
        predictions: table `Predictions`, all partitions of the study under each other.
        personas: table `Personas` of the study: named ones, the control, the baseline where it was asked.
        study: the declared question.
        task: what was asked of an item.
        humans: one row an item with item_id, annotators (n) and yes (how many of them chose a positive option);
            None where no human labels are known.
        corpus_facts: what the corpus says of itself (licence, language, counts ...), shown on the page.
        templates: wording id -> its text, for the page.
        served_as: system -> the quantization its base is already served in by its publisher, e.g. fp8.
        texts: table `Items`; used only where the study says that texts may be shown.
        repeats: table `Repeats`, all partitions of the study's noise floor under each other; None: none was measured.
        judgements: one row a judgement of one annotator: item_id, annotator_id, yes (0/1) and `annotator_<attribute>`;
            None where it is not known who judged.
        target_groups: item id -> the group the item is about; items without one are left out.
        crossed: dimension of the persona set -> which two others it crosses.
    """

    predictions: pd.DataFrame
    personas: pd.DataFrame
    study: StudyEntry
    task: TaskEntry
    humans: pd.DataFrame | None = None
    corpus_facts: Mapping[str, object] = field(default_factory=dict)
    templates: Mapping[str, str] = field(default_factory=dict)
    served_as: Mapping[str, str] = field(default_factory=dict)
    texts: pd.DataFrame | None = None
    repeats: pd.DataFrame | None = None
    judgements: pd.DataFrame | None = None
    target_groups: Mapping[str, str] = field(default_factory=dict)
    crossed: Mapping[str, CrossedDimension] = field(default_factory=dict)
