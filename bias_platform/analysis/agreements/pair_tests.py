"""Personas of one dimension against each other: which is nearer to the reference, and where they part.

A difference of two agreements with the reference is blind to personas that depart from it on different items: the share
of items they answer otherwise, and McNemar's test of who says Yes more often, stand beside it.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from bias_platform.analysis.agreements.comparing import Comparing, IntArray, all_pairs_of
from bias_platform.schemas.results_of_agreement import ALIKE, FIRST, SAME, SECOND, UNKNOWN
from bias_platform.statistics import adjust_p_values, paired_alpha_tests, pairwise_disagreement

ALPHA = "alpha"


def pair_tests(comparing: Comparing) -> pd.DataFrame:
    """Table `PairTests` of closed answers."""
    parts = [
        _of_dimension(comparing, system, template, dimension, names)
        for system, template in comparing.wordings()
        for dimension, names in comparing.dimensions(system, template)
    ]
    return with_corrections(pd.concat(parts, ignore_index=True), comparing) if parts else pd.DataFrame()


def with_corrections(table: pd.DataFrame, comparing: Comparing) -> pd.DataFrame:
    """Adds p values corrected over all pairs of the report; the column `identical` becomes part of the state."""
    tested = table["p"].notna().to_numpy()
    for method in ("holm", "fdr_bh"):
        corrected = np.full(len(table), np.nan)
        corrected[tested] = adjust_p_values(table["p"].to_numpy(float)[tested], method)
        table[f"p_{method}"] = corrected
    counted = table["mcnemar_p"].notna().to_numpy()
    holm = np.full(len(table), np.nan)
    holm[counted] = adjust_p_values(table["mcnemar_p"].to_numpy(float)[counted], "holm")
    states = _states(table, comparing.inputs.settings.significance)
    return table.assign(mcnemar_p_holm=holm, state=states).drop(columns="identical")


def pair_labels(comparing: Comparing, names: list[str], pairs: IntArray) -> pd.DataFrame:
    """first_id, second_id, first_label, second_label of pairs of personas."""
    label = comparing.personas["label"]
    ends = {end: [names[place] for place in pairs[:, side]] for side, end in enumerate(("first", "second"))}
    ids = {f"{end}_id": chosen for end, chosen in ends.items()}
    return pd.DataFrame({**ids, **{f"{end}_label": [label[name] for name in chosen] for end, chosen in ends.items()}})


def _of_dimension(comparing: Comparing, system: str, template: str, dimension: str, names: list[str]) -> pd.DataFrame:
    reference, pairs = comparing.reference(template), all_pairs_of(len(names))
    base = comparing.codes(system, [reference])[:, 0].astype(np.int64)
    columns = comparing.codes(system, [(name, template) for name in names]).astype(np.int64)
    found = paired_alpha_tests(base, columns, pairs, **comparing.counting.of_test)
    table = pair_labels(comparing, names, pairs).assign(
        system=system,
        dimension=dimension,
        template_id=template,
        measure=ALPHA,
        items=found.items,
        first=found.first,
        second=found.second,
        difference=found.difference,
        standard_error=found.standard_error,
        statistic=found.t,
        p=found.p,
        identical=found.identical & (columns[:, pairs[:, 0]] == columns[:, pairs[:, 1]]).all(axis=0),
        reason=["" if same else reason for same, reason in zip(found.identical, found.reason, strict=True)],
    )
    table["query"] = [
        comparing.queries.answers(system, reference=reference, first=(a, template), second=(b, template))
        for a, b in zip(table["first_id"], table["second_id"], strict=True)
    ]
    return table.join(_disagreement(comparing, columns, pairs))


def _disagreement(comparing: Comparing, columns: IntArray, pairs: IntArray) -> pd.DataFrame:
    task = comparing.inputs.task
    positive = [code for code, answer in enumerate(comparing.matrix.answers) if answer in task.positive]
    counting = comparing.counting
    found = pairwise_disagreement(
        columns, pairs, positive=positive, categories=counting.categories, confidence=counting.confidence
    )
    return pd.DataFrame(
        {
            "disagreement": found["share"],
            "disagreement_lower": found["lower"],
            "disagreement_upper": found["upper"],
            "more_yes": found["second_only"].astype(np.int64),
            "fewer_yes": found["first_only"].astype(np.int64),
            "mcnemar_p": found["exact_p"],
        }
    )


def _states(table: pd.DataFrame, significance: float) -> npt.NDArray[np.object_]:
    p, difference = table["p"].to_numpy(float), table["difference"].to_numpy(float)
    significant = p < significance
    return np.select(
        [
            np.isnan(p),
            table["identical"].to_numpy(bool),
            significant & (difference < 0),
            significant & (difference > 0),
        ],
        [UNKNOWN, ALIKE, FIRST, SECOND],
        SAME,
    ).astype(object)
