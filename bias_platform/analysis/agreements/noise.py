"""Agreement of a system with itself: the answers beside those to the same questions asked again."""

import numpy as np
import pandas as pd

from bias_platform.analysis.agreements.answer_matrix import NOT_ASKED, CodeArray, Column, columns_of
from bias_platform.analysis.agreements.comparing import Comparing
from bias_platform.analysis.agreements.counting import alpha_rows


def noise_alphas(comparing: Comparing) -> pd.DataFrame:
    """Table `NoiseAlphas`: no agreement between personas can be told from noise where this is as low."""
    parts = []
    matrix = comparing.matrix
    for (system, repeat), path in comparing.inputs.repeats.items():
        again = columns_of(path, matrix.items, matrix.answers, matrix.option_order, f"{system}|{repeat}")
        said = matrix.systems[system].columns
        parts += [_of_column(comparing, system, repeat, column, again[column]) for column in again if column in said]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _of_column(comparing: Comparing, system: str, repeat: str, column: Column, again: CodeArray) -> pd.DataFrame:
    asked = int((again != NOT_ASKED).sum())
    first = np.where(again == NOT_ASKED, NOT_ASKED, comparing.codes(system, [column])[:, 0]).astype(np.int16)
    return alpha_rows(first, again[:, None], [asked], comparing.counting).assign(
        system=system,
        persona_id=column[0],
        label=comparing.personas["label"][column[0]],
        template_id=pd.Series([column[1]], dtype=object),
        repeat=repeat,
        query=comparing.queries.again(system, repeat, column),
    )
