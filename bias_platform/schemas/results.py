"""The result tables of a regression report: what `analysis` hands to `reports`, one model a table.

Probabilities and shares run from 0 to 1, differences of them from -1 to 1 (never percentage points); log-odds are
natural logarithms. `scope` says what an interval generalises to: `these wordings` (other items, the same wordings of
the persona instruction) or `beyond wording` (other items and other wordings). Missing means not estimable, never 0.
"""

import pandera.pandas as pa
from pandera.typing import Series

from bias_platform.schemas.result_parts import (
    AGAINST_PEOPLE,
    BEYOND_WORDING,
    ERROR_MODELS,
    GRADED,
    GROUPS_OF_PERSONAS,
    ITEM_PAIRED,
    LENIENT,
    MARGINS,
    METHODS,
    NAMED_PERSONAS,
    OTHER_OUTCOMES,
    PRIMARY,
    READINGS,
    SCOPES,
    SCORE_SCALES,
    SCORED,
    THESE_WORDINGS,
    UNIT_ITEM,
    UNIT_WORDING,
    UNITS,
    WITH_LOG_ODDS,
    Claims,
    LogOdds,
    Result,
    ScoredClaims,
    conform,
    difference_field,
    share_field,
)
from bias_platform.schemas.results_of_alternatives import AlternativeContrasts, AlternativeMethods
from bias_platform.schemas.results_of_families import DeclaredFamilies, TestFamilies
from bias_platform.schemas.results_of_grades import GradedContrasts, OtherOutcomes, ProportionalOdds
from bias_platform.schemas.results_of_intersections import CrossedContrasts, CrossedTests
from bias_platform.schemas.results_of_models import (
    GroupProbabilities,
    ModelFits,
    StandingOut,
    TermTests,
    VarianceComponents,
)
from bias_platform.schemas.results_of_noise import FLOORS, NoiseFloors, RepeatedContrasts, SystemFlips
from bias_platform.schemas.results_of_people import ErrorRates, PeopleCoverage, PeopleDistances, PeopleGaps
from bias_platform.schemas.results_of_planning import NextStudies
from bias_platform.schemas.results_of_wordings import SpreadChanges, WordingEffects
from bias_platform.schemas.results_without_model import (
    AnswerShares,
    BaselineDifferences,
    DividedItems,
    HumanAgreement,
    PatternNull,
    PersonaOutcomes,
    ScoredMargins,
    ServingNoise,
    SystemOutcomes,
)


class PersonaProbabilities(Result):
    """One row a reading x scope x system x persona: the estimated probability of Yes."""

    reading: Series[str] = pa.Field(isin=READINGS)
    scope: Series[str] = pa.Field(isin=SCOPES)
    system: Series[str]
    persona_id: Series[str]
    label: Series[str]
    dimension: Series[str]
    probability: Series[float] = share_field()
    lower: Series[float] = share_field()
    upper: Series[float] = share_field()
    log_odds: Series[float] = pa.Field(nullable=True, description="by the mixed model, for the item in the middle")
    log_odds_lower: Series[float] = pa.Field(nullable=True)
    log_odds_upper: Series[float] = pa.Field(nullable=True)
    method: Series[str] = pa.Field(isin=METHODS)


class ControlContrasts(Claims):
    """One row a reading x scope x system x named persona: the persona minus the generic control."""

    system: Series[str]
    persona_id: Series[str]
    label: Series[str]
    dimension: Series[str]
    bound_low: Series[float] = difference_field("raw difference, worst case")
    bound_high: Series[float] = difference_field("raw difference, other worst case")


class ScoredContrasts(ScoredClaims):
    """One row a scope x system x named persona: margin of the persona minus that of the generic control."""

    system: Series[str]
    persona_id: Series[str]
    label: Series[str]
    dimension: Series[str]


class PersonaPairs(LogOdds):
    """One row a scope x system x pair of personas of one dimension: the persona minus the other one."""

    scope: Series[str] = pa.Field(isin=SCOPES)
    system: Series[str]
    dimension: Series[str]
    persona_id: Series[str]
    other_id: Series[str]
    label: Series[str]
    other_label: Series[str]
    disagreement: Series[float] = share_field("share of questions answered apart")
    more_yes_items: Series[int] = pa.Field(ge=0, description="items with more Yes from the persona")
    fewer_yes_items: Series[int] = pa.Field(ge=0, description="items with more Yes from the other one")
    sign_p: Series[float] = share_field("exact signed McNemar test over items")
    sign_p_adjusted: Series[float] = share_field("the same over all pairs of the report")


class SystemChanges(Claims):
    """One row a reading x scope x declared change x persona: how its contrast to the control moves."""

    from_system: Series[str]
    to_system: Series[str]
    persona_id: Series[str]
    label: Series[str]
    dimension: Series[str]


class ScoredChanges(ScoredClaims):
    """One row a scope x declared change x persona: how its margin's contrast to the control moves."""

    from_system: Series[str]
    to_system: Series[str]
    persona_id: Series[str]
    label: Series[str]
    dimension: Series[str]


class DimensionSpreads(Result):
    """One row a scope x system x dimension: how far apart its personas are, on the probability scale."""

    scope: Series[str] = pa.Field(isin=SCOPES)
    system: Series[str]
    dimension: Series[str]
    personas: Series[int] = pa.Field(ge=2)
    spread: Series[float] = share_field("largest minus smallest estimate")
    spread_lower: Series[float] = share_field()
    spread_upper: Series[float] = share_field()
    simultaneous_lower: Series[float] = share_field("Bonferroni over the systems x dimensions of the scope")
    simultaneous_upper: Series[float] = share_field()
    within_margin: Series[bool] = pa.Field(description="simultaneous upper bound below the margin of equivalence")
    deviation: Series[float] = share_field("sd between personas, noise removed")
    deviation_lower: Series[float] = share_field()
    deviation_upper: Series[float] = share_field()
    p_value: Series[float] = share_field("of all its personas being equal")
    p_adjusted: Series[float] = share_field("over the systems x dimensions of the scope")
    significant: Series[bool] = pa.Field(description="p_adjusted below 1 - confidence")
    highest: Series[str] = pa.Field(description="label of the persona with the largest estimate; tie: all are equal")
    lowest: Series[str] = pa.Field(description="label of the persona with the smallest estimate; tie: all are equal")
    method: Series[str] = pa.Field(isin=METHODS)


class DegenerateCells(Result):
    """One row a reading x system x persona without a log-odds claim."""

    reading: Series[str] = pa.Field(isin=READINGS)
    system: Series[str]
    persona_id: Series[str]
    label: Series[str]
    judged: Series[int] = pa.Field(ge=0)
    yes: Series[int] = pa.Field(ge=0)
    minority: Series[int] = pa.Field(ge=0)
    consequence: Series[str]


RESULT_TABLES: dict[str, type[pa.DataFrameModel]] = {
    "system_outcomes": SystemOutcomes,
    "persona_outcomes": PersonaOutcomes,
    "answer_shares": AnswerShares,
    "serving_noise": ServingNoise,
    "noise_floor": NoiseFloors,
    "repeated_contrasts": RepeatedContrasts,
    "system_flips": SystemFlips,
    "persona_probabilities": PersonaProbabilities,
    "control_contrasts": ControlContrasts,
    "persona_pairs": PersonaPairs,
    "system_changes": SystemChanges,
    "dimension_spreads": DimensionSpreads,
    "graded_contrasts": GradedContrasts,
    "proportional_odds": ProportionalOdds,
    "other_outcomes": OtherOutcomes,
    "next_studies": NextStudies,
    "baseline_differences": BaselineDifferences,
    "term_tests": TermTests,
    "group_probabilities": GroupProbabilities,
    "human_agreement": HumanAgreement,
    "scored_margins": ScoredMargins,
    "scored_contrasts": ScoredContrasts,
    "scored_changes": ScoredChanges,
    "variance_components": VarianceComponents,
    "model_fits": ModelFits,
    "degenerate_cells": DegenerateCells,
    "pattern_null": PatternNull,
    "alternative_methods": AlternativeMethods,
    "alternative_contrasts": AlternativeContrasts,
    "test_families": TestFamilies,
    "declared_families": DeclaredFamilies,
    "divided_items": DividedItems,
    "standing_out": StandingOut,
    "wording_effects": WordingEffects,
    "spread_changes": SpreadChanges,
    "crossed_contrasts": CrossedContrasts,
    "crossed_tests": CrossedTests,
    "error_rates": ErrorRates,
    "people_coverage": PeopleCoverage,
    "people_gaps": PeopleGaps,
    "people_distances": PeopleDistances,
}
"""Every table of a regression report by the name of its Parquet file. Tables that do not apply are empty."""

__all__ = [
    "AGAINST_PEOPLE",
    "BEYOND_WORDING",
    "ERROR_MODELS",
    "FLOORS",
    "GRADED",
    "GROUPS_OF_PERSONAS",
    "ITEM_PAIRED",
    "LENIENT",
    "MARGINS",
    "METHODS",
    "NAMED_PERSONAS",
    "OTHER_OUTCOMES",
    "PRIMARY",
    "READINGS",
    "RESULT_TABLES",
    "SCOPES",
    "SCORED",
    "SCORE_SCALES",
    "THESE_WORDINGS",
    "UNITS",
    "UNIT_ITEM",
    "UNIT_WORDING",
    "WITH_LOG_ODDS",
    "AlternativeContrasts",
    "AlternativeMethods",
    "AnswerShares",
    "BaselineDifferences",
    "ControlContrasts",
    "CrossedContrasts",
    "CrossedTests",
    "DeclaredFamilies",
    "DegenerateCells",
    "DimensionSpreads",
    "DividedItems",
    "ErrorRates",
    "GroupProbabilities",
    "HumanAgreement",
    "ModelFits",
    "NextStudies",
    "NoiseFloors",
    "PatternNull",
    "PeopleCoverage",
    "PeopleDistances",
    "PeopleGaps",
    "PersonaOutcomes",
    "PersonaPairs",
    "PersonaProbabilities",
    "RepeatedContrasts",
    "ScoredChanges",
    "ScoredContrasts",
    "ScoredMargins",
    "ServingNoise",
    "SpreadChanges",
    "StandingOut",
    "SystemChanges",
    "SystemFlips",
    "SystemOutcomes",
    "TermTests",
    "TestFamilies",
    "VarianceComponents",
    "WordingEffects",
    "conform",
]
