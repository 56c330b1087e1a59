"""Each persona against the same system without persona (or as the generic person), wording by wording."""

import pandas as pd

from bias_platform.analysis.agreements.comparing import Comparing
from bias_platform.analysis.agreements.counting import alpha_rows


def reference_alphas(comparing: Comparing) -> pd.DataFrame:
    """Table `ReferenceAlphas`."""
    return pd.concat([_of_wording(comparing, *wording) for wording in comparing.wordings()], ignore_index=True)


def _of_wording(comparing: Comparing, system: str, template: str) -> pd.DataFrame:
    names = comparing.compared(system, template)
    reference = comparing.reference(template)
    base = comparing.codes(system, [reference])[:, 0]
    columns = comparing.codes(system, [(name, template) for name in names])
    table = alpha_rows(base, columns, [len(comparing.matrix.items)] * len(names), comparing.counting)
    statements = [comparing.queries.answers(system, reference=reference, persona=(name, template)) for name in names]
    told = comparing.described(names).assign(system=system, template_id=template, query=statements)
    return told.join(table)
