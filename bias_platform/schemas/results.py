"""The result tables of a regression report: what `analysis` hands to `reports`, one model a table.

Probabilities and shares run from 0 to 1, differences of them from -1 to 1 (never percentage points); log-odds are
natural logarithms. `scope` says what an interval generalises to: `these wordings` (other items, the same wordings of
the persona instruction) or `beyond wording` (other items and other wordings). Missing means not estimable, never 0.
"""

from typing import Final

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

THESE_WORDINGS: Final = "these wordings"
BEYOND_WORDING: Final = "beyond wording"
SCOPES = (THESE_WORDINGS, BEYOND_WORDING)
PRIMARY: Final = "primary"
LENIENT: Final = "lenient"
READINGS = (PRIMARY, LENIENT)
MIXED_MODEL: Final = "mixed model"
ITEM_PAIRED: Final = "item-paired"
METHODS = (MIXED_MODEL, ITEM_PAIRED)

_SHARE = {"ge": 0.0, "le": 1.0}
_DIFFERENCE = {"ge": -2.0, "le": 2.0}
_TOLERANCE = 1e-9


class _Result(pa.DataFrameModel):
    class Config:
        strict = True
        coerce = False

    @pa.dataframe_check(error="every interval holds its estimate: lower <= estimate <= upper")
    @classmethod
    def intervals_hold_estimates(cls, table: pd.DataFrame) -> pd.Series:
        """`lower` <= `upper`, and the `difference` or `probability` between them, wherever both are known."""
        good = pd.Series(True, index=table.index)
        if not {"lower", "upper"} <= set(table.columns):
            return good
        good &= ~(table["lower"] > table["upper"] + _TOLERANCE)
        for middle in ("difference", "probability"):
            if middle in table.columns:
                good &= ~(table[middle] < table["lower"] - _TOLERANCE)
                good &= ~(table[middle] > table["upper"] + _TOLERANCE)
        return good


class _Counts(_Result):
    questions: Series[int] = pa.Field(ge=0, description="questions put, repeats collapsed")
    answered: Series[int] = pa.Field(ge=0, description="with an allowed answer, options set aside included")
    refused: Series[int] = pa.Field(ge=0)
    invalid: Series[int] = pa.Field(ge=0)
    truncated: Series[int] = pa.Field(ge=0)
    failed: Series[int] = pa.Field(ge=0)
    set_aside: Series[int] = pa.Field(ge=0, description="answered with an option that is no judgement")
    judged: Series[int] = pa.Field(ge=0, description="answered and not set aside: what Yes-rates rest on")
    yes: Series[int] = pa.Field(ge=0, description="judged and positive in the primary reading")
    coverage: Series[float] = pa.Field(**_SHARE, nullable=True, description="judged / questions")
    yes_rate: Series[float] = pa.Field(**_SHARE, nullable=True, description="yes / judged")
    lower: Series[float] = pa.Field(**_SHARE, nullable=True, description="interval of yes_rate, clustered by item")
    upper: Series[float] = pa.Field(**_SHARE, nullable=True)
    bound_low: Series[float] = pa.Field(**_SHARE, nullable=True, description="all that is not judged counted as No")
    bound_high: Series[float] = pa.Field(**_SHARE, nullable=True, description="all that is not judged counted as Yes")
    lenient_rate: Series[float] = pa.Field(**_SHARE, nullable=True, description="Yes-rate of the lenient reading")


class SystemOutcomes(_Counts):
    """One row a system: all questions with a persona (the control included, the baseline not)."""

    system: Series[str] = pa.Field(unique=True)


class PersonaOutcomes(_Counts):
    """One row a system x persona, the control and the baseline included."""

    system: Series[str]
    persona_id: Series[str]
    label: Series[str]
    dimension: Series[str]
    role: Series[str] = pa.Field(isin=["named", "control", "baseline"])
    minority: Series[int] = pa.Field(ge=0, description="the rarer of Yes and not-Yes answers")
    degenerate: Series[bool] = pa.Field(description="too few minority answers for a log-odds claim")
    lenient_degenerate: Series[bool] = pa.Field(description="the same in the lenient reading")


class AnswerShares(_Result):
    """One row a system x persona x allowed answer."""

    system: Series[str]
    persona_id: Series[str]
    answer: Series[str]
    kind: Series[str] = pa.Field(isin=["positive", "lenient", "other", "set aside"])
    count: Series[int] = pa.Field(ge=0)
    share: Series[float] = pa.Field(**_SHARE, nullable=True, description="of all questions put")


class ServingNoise(_Result):
    """One row a system: do repeats of the very same question give the same answer?"""

    system: Series[str] = pa.Field(unique=True)
    repeated: Series[int] = pa.Field(ge=0, description="questions put more than once")
    disagreeing: Series[int] = pa.Field(ge=0, description="of these, with more than one answer or outcome")
    share: Series[float] = pa.Field(**_SHARE, nullable=True)


class PersonaProbabilities(_Result):
    """One row a reading x scope x system x persona: the estimated probability of Yes."""

    reading: Series[str] = pa.Field(isin=READINGS)
    scope: Series[str] = pa.Field(isin=SCOPES)
    system: Series[str]
    persona_id: Series[str]
    label: Series[str]
    dimension: Series[str]
    probability: Series[float] = pa.Field(**_SHARE, nullable=True)
    lower: Series[float] = pa.Field(**_SHARE, nullable=True)
    upper: Series[float] = pa.Field(**_SHARE, nullable=True)
    log_odds: Series[float] = pa.Field(nullable=True, description="for the item in the middle; item-paired: missing")
    log_odds_lower: Series[float] = pa.Field(nullable=True)
    log_odds_upper: Series[float] = pa.Field(nullable=True)
    method: Series[str] = pa.Field(isin=METHODS)


class _Differences(_Result):
    difference: Series[float] = pa.Field(**_DIFFERENCE, nullable=True, description="of probabilities")
    standard_error: Series[float] = pa.Field(ge=0, nullable=True)
    lower: Series[float] = pa.Field(**_DIFFERENCE, nullable=True)
    upper: Series[float] = pa.Field(**_DIFFERENCE, nullable=True)
    df: Series[float] = pa.Field(gt=0, nullable=True, description="degrees of freedom of the t quantile")
    p_value: Series[float] = pa.Field(**_SHARE, nullable=True)
    p_adjusted: Series[float] = pa.Field(**_SHARE, nullable=True, description="over the family of the table")
    significant: Series[bool] = pa.Field(description="p_adjusted below 1 - confidence")
    method: Series[str] = pa.Field(isin=METHODS)


class _LogOdds(_Differences):
    log_odds: Series[float] = pa.Field(nullable=True, description="difference of log-odds; missing: no claim")
    log_odds_lower: Series[float] = pa.Field(nullable=True)
    log_odds_upper: Series[float] = pa.Field(nullable=True)


class ControlContrasts(_LogOdds):
    """One row a reading x scope x system x named persona: the persona minus the generic control."""

    reading: Series[str] = pa.Field(isin=READINGS)
    scope: Series[str] = pa.Field(isin=SCOPES)
    system: Series[str]
    persona_id: Series[str]
    label: Series[str]
    dimension: Series[str]
    simultaneous_lower: Series[float] = pa.Field(**_DIFFERENCE, nullable=True, description="Bonferroni over the family")
    simultaneous_upper: Series[float] = pa.Field(**_DIFFERENCE, nullable=True)
    detectable: Series[float] = pa.Field(ge=0, nullable=True, description="difference found in 80 % of repetitions")
    equivalence_p: Series[float] = pa.Field(**_SHARE, nullable=True, description="two one-sided tests, adjusted")
    equivalent: Series[bool] = pa.Field(description="shown to be within the margin set in the study")
    bound_low: Series[float] = pa.Field(**_DIFFERENCE, nullable=True, description="raw difference, worst case")
    bound_high: Series[float] = pa.Field(**_DIFFERENCE, nullable=True, description="raw difference, other worst case")
    paired_difference: Series[float] = pa.Field(**_DIFFERENCE, nullable=True, description="model-free check")
    paired_lower: Series[float] = pa.Field(**_DIFFERENCE, nullable=True)
    paired_upper: Series[float] = pa.Field(**_DIFFERENCE, nullable=True)


class PersonaPairs(_LogOdds):
    """One row a scope x system x pair of personas of one dimension: the persona minus the other one."""

    scope: Series[str] = pa.Field(isin=SCOPES)
    system: Series[str]
    dimension: Series[str]
    persona_id: Series[str]
    other_id: Series[str]
    label: Series[str]
    other_label: Series[str]
    disagreement: Series[float] = pa.Field(**_SHARE, nullable=True, description="share of questions answered apart")
    more_yes_items: Series[int] = pa.Field(ge=0, description="items with more Yes from the persona")
    fewer_yes_items: Series[int] = pa.Field(ge=0, description="items with more Yes from the other one")
    sign_p: Series[float] = pa.Field(**_SHARE, nullable=True, description="exact signed McNemar test over items")


class SystemChanges(_LogOdds):
    """One row a reading x scope x declared change x persona: how its contrast to the control moves."""

    reading: Series[str] = pa.Field(isin=READINGS)
    scope: Series[str] = pa.Field(isin=SCOPES)
    from_system: Series[str]
    to_system: Series[str]
    persona_id: Series[str]
    label: Series[str]
    dimension: Series[str]


class DimensionSpreads(_Result):
    """One row a scope x system x dimension: how far apart its personas are, on the probability scale."""

    scope: Series[str] = pa.Field(isin=SCOPES)
    system: Series[str]
    dimension: Series[str]
    personas: Series[int] = pa.Field(ge=2)
    spread: Series[float] = pa.Field(**_SHARE, nullable=True, description="largest minus smallest estimate")
    spread_lower: Series[float] = pa.Field(**_SHARE, nullable=True)
    spread_upper: Series[float] = pa.Field(**_SHARE, nullable=True)
    deviation: Series[float] = pa.Field(**_SHARE, nullable=True, description="sd between personas, noise removed")
    deviation_lower: Series[float] = pa.Field(**_SHARE, nullable=True)
    deviation_upper: Series[float] = pa.Field(**_SHARE, nullable=True)
    highest: Series[str] = pa.Field(description="label of the persona with the largest estimate")
    lowest: Series[str] = pa.Field(description="label of the persona with the smallest estimate")
    method: Series[str] = pa.Field(isin=METHODS)


class BaselineDifferences(_Differences):
    """One row a system x persona (the control included): persona minus no-persona baseline, paired by item."""

    system: Series[str]
    persona_id: Series[str]
    label: Series[str]
    dimension: Series[str]
    items: Series[int] = pa.Field(ge=0, description="items judged in both")


class GroupTests(_Result):
    """One row a term of the group model (B)."""

    term: Series[str]
    statistic: Series[float] = pa.Field(ge=0, nullable=True, description="F")
    df: Series[float] = pa.Field(ge=0)
    denominator_df: Series[float] = pa.Field(ge=0, description="personas minus groups")
    p_value: Series[float] = pa.Field(**_SHARE, nullable=True)
    likelihood_ratio: Series[float] = pa.Field(nullable=True)
    likelihood_ratio_p: Series[float] = pa.Field(**_SHARE, nullable=True)
    wald: Series[float] = pa.Field(nullable=True)
    wald_p: Series[float] = pa.Field(**_SHARE, nullable=True)


class GroupProbabilities(_Result):
    """One row a group x system of the group model (B)."""

    group: Series[str]
    system: Series[str]
    personas: Series[int] = pa.Field(ge=1)
    probability: Series[float] = pa.Field(**_SHARE, nullable=True)
    lower: Series[float] = pa.Field(**_SHARE, nullable=True)
    upper: Series[float] = pa.Field(**_SHARE, nullable=True)


class HumanAgreement(_Result):
    """One row a system (persona_id missing: all personas) or system x persona, against the human majority."""

    system: Series[str]
    persona_id: Series[str] = pa.Field(nullable=True)
    label: Series[str]
    items: Series[int] = pa.Field(ge=0)
    answers: Series[int] = pa.Field(ge=0)
    agreement: Series[float] = pa.Field(**_SHARE, nullable=True)
    agreement_lower: Series[float] = pa.Field(**_SHARE, nullable=True)
    agreement_upper: Series[float] = pa.Field(**_SHARE, nullable=True)
    kappa: Series[float] = pa.Field(ge=-1, le=1, nullable=True)
    kappa_lower: Series[float] = pa.Field(ge=-1, le=1, nullable=True)
    kappa_upper: Series[float] = pa.Field(ge=-1, le=1, nullable=True)
    human_yes: Series[float] = pa.Field(**_SHARE, nullable=True, description="share of these answers' items with Yes")
    system_yes: Series[float] = pa.Field(**_SHARE, nullable=True)


class ScoredMargins(_Result):
    """One row a system x persona: mean of log p(Yes) - log p(every other judgement). Descriptive."""

    system: Series[str]
    persona_id: Series[str]
    label: Series[str]
    answers: Series[int] = pa.Field(ge=0)
    mean: Series[float] = pa.Field(nullable=True)
    lower: Series[float] = pa.Field(nullable=True)
    upper: Series[float] = pa.Field(nullable=True)


class VarianceComponents(_Result):
    """One row a model x random term, on the logit scale."""

    model: Series[str]
    term: Series[str]
    levels: Series[int] = pa.Field(ge=0)
    sd: Series[float] = pa.Field(ge=0)
    standard_error: Series[float] = pa.Field(ge=0, nullable=True)
    restricted_sd: Series[float] = pa.Field(ge=0, nullable=True, description="REML value used for the intervals")
    at_zero: Series[bool]


class ModelFits(_Result):
    """One row a fitted (or impossible) model."""

    model: Series[str] = pa.Field(unique=True)
    formula: Series[str]
    rows: Series[int] = pa.Field(ge=0)
    items: Series[int] = pa.Field(ge=0)
    parameters: Series[int] = pa.Field(ge=0)
    log_likelihood: Series[float] = pa.Field(nullable=True)
    converged: Series[bool]
    gradient_norm: Series[float] = pa.Field(nullable=True, description="in standard errors")
    evaluations: Series[int] = pa.Field(ge=0)
    standard_errors: Series[str]
    excluded_cells: Series[int] = pa.Field(ge=0, description="degenerate system x persona cells left out")
    notes: Series[str]


class DegenerateCells(_Result):
    """One row a reading x system x persona without a log-odds claim."""

    reading: Series[str] = pa.Field(isin=READINGS)
    system: Series[str]
    persona_id: Series[str]
    label: Series[str]
    judged: Series[int] = pa.Field(ge=0)
    yes: Series[int] = pa.Field(ge=0)
    minority: Series[int] = pa.Field(ge=0)
    consequence: Series[str]


class PatternNull(_Result):
    """One row a reported pattern: how large it is without any difference (personas permuted within items)."""

    pattern: Series[str] = pa.Field(
        isin=["largest difference from the control", "spread of a dimension", "share of pairs that differ"]
    )
    system: Series[str]
    dimension: Series[str]
    observed: Series[float] = pa.Field(nullable=True)
    expected: Series[float] = pa.Field(nullable=True, description="mean under no difference")
    quantile_95: Series[float] = pa.Field(nullable=True, description="what no difference exceeds once in twenty")
    frequency: Series[float] = pa.Field(**_SHARE, nullable=True, description="draws at least as large as observed")
    draws: Series[int] = pa.Field(ge=1)


class TestFamilies(_Result):
    """One row a family of tests: what the adjustment runs over."""

    __test__ = False
    family: Series[str] = pa.Field(unique=True)
    tests: Series[int] = pa.Field(ge=0)
    significant: Series[int] = pa.Field(ge=0)
    method: Series[str]
    headline: Series[bool]


class DividedItems(_Result):
    """One row an item on which the personas of a system part most."""

    system: Series[str]
    item_id: Series[str]
    personas: Series[int] = pa.Field(ge=0)
    yes_share: Series[float] = pa.Field(**_SHARE, nullable=True, description="mean over personas")
    division: Series[float] = pa.Field(**_SHARE, nullable=True, description="sd over personas of their Yes share x 2")
    text: Series[str] = pa.Field(nullable=True, description="missing unless the study shows texts")


RESULT_TABLES: dict[str, type[pa.DataFrameModel]] = {
    "system_outcomes": SystemOutcomes,
    "persona_outcomes": PersonaOutcomes,
    "answer_shares": AnswerShares,
    "serving_noise": ServingNoise,
    "persona_probabilities": PersonaProbabilities,
    "control_contrasts": ControlContrasts,
    "persona_pairs": PersonaPairs,
    "system_changes": SystemChanges,
    "dimension_spreads": DimensionSpreads,
    "baseline_differences": BaselineDifferences,
    "group_tests": GroupTests,
    "group_probabilities": GroupProbabilities,
    "human_agreement": HumanAgreement,
    "scored_margins": ScoredMargins,
    "variance_components": VarianceComponents,
    "model_fits": ModelFits,
    "degenerate_cells": DegenerateCells,
    "pattern_null": PatternNull,
    "test_families": TestFamilies,
    "divided_items": DividedItems,
}
"""Every table of a regression report by the name of its Parquet file. Tables that do not apply are empty."""


def column_names(schema: type[pa.DataFrameModel]) -> list[str]:
    """The columns of a schema in their order."""
    return list(schema.to_schema().columns)


def conform(rows: pd.DataFrame, schema: type[pa.DataFrameModel]) -> pd.DataFrame:
    """`rows` with the schema's column order and dtypes; an empty frame stays empty but typed.

    Columns the schema does not know are kept, so that validation names them.
    """
    columns = schema.to_schema().columns
    table = rows if len(rows.columns) else pd.DataFrame({name: pd.Series(dtype=object) for name in columns})
    known = [name for name in columns if name in table.columns]
    rest = [name for name in table.columns if name not in columns]
    table = table[known + rest].reset_index(drop=True)
    return table.astype({name: _dtype(columns[name]) for name in known})


def _dtype(column: pa.Column) -> str:
    text = str(column.dtype)
    return text if text in ("int64", "float64", "bool") else "object"
