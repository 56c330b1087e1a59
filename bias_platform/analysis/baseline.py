"""Personas against no persona at all: item by item, because the baseline has one answer an item and no wording."""

import numpy as np
import pandas as pd

from bias_platform.analysis.adjustment import SINGLE_STEP, Together, adjust, joint_covariance
from bias_platform.analysis.answers import Answers
from bias_platform.analysis.item_cube import ItemCube, label_of
from bias_platform.analysis.item_pairs import paired_differences
from bias_platform.catalog.entries import AnalysisSettings
from bias_platform.schemas.results import ITEM_PAIRED


def baseline_differences(answers: Answers, cube: ItemCube, settings: AnalysisSettings) -> pd.DataFrame:
    """Persona (mean over wordings) minus baseline, paired by item; one family; schema `BaselineDifferences`.

    The difference mixes the persona with the presence of any instruction; the control's row shows the latter.
    """
    if answers.baseline is None:
        return pd.DataFrame()
    personas = [answers.control, *answers.named]
    labels = pd.DataFrame([{"system": s, "persona_id": p} for s in answers.systems for p in personas])
    rows = [(cube.persona(p), cube.system(s)) for s, p in labels[["system", "persona_id"]].itertuples(index=False)]
    reference = cube.persona(answers.baseline)
    gaps = np.column_stack([cube.mean[:, p, s] - cube.mean[:, reference, s] for p, s in rows])
    found = paired_differences(gaps, settings.confidence)
    table = labels.join(label_of(answers.personas, labels["persona_id"])).assign(
        items=found.items,
        difference=found.difference,
        standard_error=found.standard_error,
        lower=found.lower,
        upper=found.upper,
        df=found.df,
        p_value=found.p_value,
        method=ITEM_PAIRED,
    )
    table = table[table["items"] > 0]
    if settings.multiplicity != SINGLE_STEP:
        return adjust(table, settings)
    kept = gaps[:, table.index.to_numpy(int)]
    return adjust(table, settings, Together(joint_covariance(kept, table["standard_error"].to_numpy(float))))
