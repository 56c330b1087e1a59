"""What came of the cells: agreement is of the answered ones, and says nothing of the others."""

import pandas as pd

from bias_platform.analysis.agreements.comparing import Comparing


def answer_coverage(comparing: Comparing) -> pd.DataFrame:
    """Table `AnswerCoverage`."""
    told = comparing.personas.loc[comparing.matrix.coverage["persona_id"], ["label", "dimension"]]
    table = comparing.matrix.coverage.assign(label=told["label"].to_numpy(), dimension=told["dimension"].to_numpy())
    table["coverage"] = table["answered"] / table["cells"].where(table["cells"] > 0)
    table["query"] = [
        comparing.queries.coverage(system, persona)
        for system, persona in zip(table["system"], table["persona_id"], strict=True)
    ]
    return table
