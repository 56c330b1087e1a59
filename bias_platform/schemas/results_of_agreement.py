"""The result tables of an agreement report: personas against the model without persona, each other, and people.

Every row carries in `query` the DuckDB statement, to be run in the catalog's folder of the lake, that gives the rows
its numbers are made from.
"""

from typing import Any

import pandera.pandas as pa
from pandera.typing import Series

from bias_platform.schemas.result_parts import Result, difference_field, share_field

BANDS = ("almost perfect", "substantial", "moderate", "fair", "slight", "poor")
"""Of Landis and Koch (1977), from the top."""
SAME, FIRST, SECOND, ALIKE, UNKNOWN = "nonsignificant", "first", "second", "identical", "untested"
STATES = (SAME, FIRST, SECOND, ALIKE, UNKNOWN)
"""Of a pair: which of the two is significantly nearer to the reference, before any correction."""


def alpha_field(description: str | None = None) -> Any:
    """A column of agreement beyond chance, at most 1, missing where it is not defined."""
    return pa.Field(le=1.0 + 1e-9, nullable=True, description=description)


def _p_field(description: str | None = None) -> Any:
    return pa.Field(ge=0.0, le=1.0, nullable=True, description=description)


class _Traced(Result):
    query: Series[str] = pa.Field(str_length={"min_value": 1}, description="gives the rows this one is made from")


class AnswerCoverage(_Traced):
    """One row a system x persona: what came of its cells; agreement is of the answered ones."""

    system: Series[str]
    persona_id: Series[str]
    label: Series[str]
    dimension: Series[str]
    items: Series[int] = pa.Field(ge=0, description="asked about")
    cells: Series[int] = pa.Field(ge=0)
    answered: Series[int] = pa.Field(ge=0, description="with a valid answer")
    refused: Series[int] = pa.Field(ge=0)
    invalid: Series[int] = pa.Field(ge=0, description="not one of the answers")
    truncated: Series[int] = pa.Field(ge=0)
    failed: Series[int] = pa.Field(ge=0, description="errors of the engine")
    coverage: Series[float] = share_field("answered / cells")


class _Alpha(_Traced):
    items: Series[int] = pa.Field(ge=0, description="compared")
    coverage: Series[float] = share_field("compared items / items asked about")
    agreement: Series[float] = share_field("share of items with the same answer (weighted where the scale is)")
    chance: Series[float] = share_field("of that, expected by chance")
    alpha: Series[float] = alpha_field("Krippendorff's alpha")
    standard_error: Series[float] = pa.Field(ge=0, nullable=True)
    lower: Series[float] = alpha_field("interval of alpha, items are the sample")
    upper: Series[float] = alpha_field()
    band: Series[str] = pa.Field(nullable=True, description="highest band reached with a probability above .95")
    almost_perfect: Series[float] = share_field("probability that alpha lies in this band or above")
    substantial: Series[float] = share_field()
    moderate: Series[float] = share_field()
    fair: Series[float] = share_field()
    slight: Series[float] = share_field()
    reason: Series[str] = pa.Field(description="why there is no alpha; empty where there is one")


class ReferenceAlphas(_Alpha):
    """One row a system x persona x wording: agreement with the same system's answers to the reference."""

    system: Series[str]
    persona_id: Series[str]
    label: Series[str]
    dimension: Series[str]
    role: Series[str] = pa.Field(isin=["named", "control"])
    template_id: Series[str]


class HumanAlphas(_Alpha):
    """One row a group of people x system x wording: agreement of the group's persona with the group's label."""

    policy: Series[str] = pa.Field(description="label policy of the corpus")
    attribute: Series[str] = pa.Field(description="what makes the group")
    group: Series[str]
    persona_id: Series[str]
    label: Series[str]
    system: Series[str]
    tuned_on_group: Series[bool] = pa.Field(description="whether the system learnt from this group's judgements")
    template_id: Series[str]
    annotators: Series[float] = pa.Field(ge=1, description="mean number of the group's people an item")


class PairTests(_Traced):
    """One row a system x wording x pair of personas of a dimension: which is nearer to the reference."""

    system: Series[str]
    dimension: Series[str]
    template_id: Series[str]
    measure: Series[str] = pa.Field(description="alpha, or the similarity scorer")
    first_id: Series[str]
    second_id: Series[str]
    first_label: Series[str]
    second_label: Series[str]
    items: Series[int] = pa.Field(ge=0, description="compared; for similarity those with a valid answer in both")
    first: Series[float] = pa.Field(nullable=True, description="alpha (or mean similarity) of the first persona")
    second: Series[float] = pa.Field(nullable=True)
    difference: Series[float] = pa.Field(
        nullable=True, description="second minus first; of similarity the matched-pairs rank-biserial correlation"
    )
    standard_error: Series[float] = pa.Field(ge=0, nullable=True, description="of the difference of alphas")
    statistic: Series[float] = pa.Field(nullable=True, description="t of alphas; W of similarities")
    p: Series[float] = _p_field("uncorrected: of the paired t test, or of Wilcoxon's signed-rank test")
    p_holm: Series[float] = _p_field("over all pairs of the report")
    p_fdr_bh: Series[float] = _p_field("over all pairs of the report")
    state: Series[str] = pa.Field(isin=STATES, description="significantly nearer to the reference, uncorrected")
    disagreement: Series[float] = share_field("share of items that the two answer otherwise")
    disagreement_lower: Series[float] = share_field()
    disagreement_upper: Series[float] = share_field()
    more_yes: Series[int] = pa.Field(ge=0, description="items that only the second calls Yes")
    fewer_yes: Series[int] = pa.Field(ge=0, description="items that only the first calls Yes")
    mcnemar_p: Series[float] = _p_field("exact, of more_yes against fewer_yes")
    mcnemar_p_holm: Series[float] = _p_field("over all pairs of the report")
    reason: Series[str] = pa.Field(description="why there is no test; empty where there is one")


class DifferingShares(_Traced):
    """One row a system x dimension x wording: the share of pairs of personas that differ, and what chance gives."""

    system: Series[str]
    dimension: Series[str]
    template_id: Series[str]
    measure: Series[str]
    pairs: Series[int] = pa.Field(ge=1)
    tested: Series[int] = pa.Field(ge=0, description="of these")
    differing: Series[int] = pa.Field(ge=0, description="with p below the report's significance, uncorrected")
    share: Series[float] = share_field("differing / tested")
    share_holm: Series[float] = share_field("with p corrected within this row's pairs")
    share_fdr_bh: Series[float] = share_field()
    expected: Series[float] = share_field("of no difference, if p were exact")
    null_mean: Series[float] = share_field("mean share when personas are permuted within items")
    null_95: Series[float] = share_field("what no difference exceeds once in twenty")
    p: Series[float] = _p_field("share of permutations with at least the observed share")
    disagreement: Series[float] = share_field("mean over pairs of the share of items answered otherwise")


class TargetedRecalls(_Traced):
    """One row a subset x system x persona x wording: how many of the items that all people call so are recognised."""

    subset: Series[str]
    title: Series[str]
    system: Series[str]
    persona_id: Series[str]
    label: Series[str]
    dimension: Series[str]
    template_id: Series[str] = pa.Field(nullable=True, description="missing for no persona")
    items: Series[int] = pa.Field(ge=0, description="in the subset and asked without an error of the engine")
    answered: Series[int] = pa.Field(ge=0)
    recognised: Series[int] = pa.Field(ge=0)
    recall: Series[float] = share_field("recognised / items: what was not answered counts as not recognised")
    lower: Series[float] = share_field("Wilson's interval, items are the sample")
    upper: Series[float] = share_field()


class TuningTests(_Traced):
    """One row a group's system x wording: nearer to the group than the system tuned on everybody?"""

    policy: Series[str] = pa.Field(description="label policy of the corpus")
    persona_id: Series[str]
    label: Series[str]
    attribute: Series[str]
    group: Series[str]
    specific: Series[str] = pa.Field(description="system tuned on the group")
    composite: Series[str] = pa.Field(description="system tuned on everybody")
    template_id: Series[str]
    items: Series[int] = pa.Field(ge=0)
    alpha_specific: Series[float] = alpha_field("agreement with the group's label")
    alpha_composite: Series[float] = alpha_field()
    difference: Series[float] = difference_field("composite minus specific")
    standard_error: Series[float] = pa.Field(ge=0, nullable=True)
    statistic: Series[float] = pa.Field(nullable=True, description="t")
    p: Series[float] = _p_field()
    p_holm: Series[float] = _p_field("over all rows of this table")
    p_fdr_bh: Series[float] = _p_field("over all rows of this table")
    reason: Series[str]


class PersonaEvenness(_Traced):
    """One row a system x dimension x wording: how unequal the personas' alphas (or similarities) are."""

    system: Series[str]
    dimension: Series[str]
    template_id: Series[str]
    measure: Series[str]
    personas: Series[int] = pa.Field(ge=0, description="with a value")
    lowest: Series[float] = pa.Field(nullable=True)
    mean: Series[float] = pa.Field(nullable=True)
    highest: Series[float] = pa.Field(nullable=True)
    gini: Series[float] = pa.Field(
        ge=0, nullable=True, description="Gini coefficient, of absolute values where below 0"
    )


class LabelScores(_Traced):
    """One row a system x persona x wording: classification of the items against the label of all annotators."""

    policy: Series[str]
    system: Series[str]
    persona_id: Series[str]
    label: Series[str]
    dimension: Series[str]
    template_id: Series[str] = pa.Field(nullable=True, description="missing for no persona")
    items: Series[int] = pa.Field(ge=0, description="labelled and answered, bad answers counted as the report declares")
    coverage: Series[float] = share_field("items / labelled items")
    accuracy: Series[float] = share_field()
    macro_f1: Series[float] = share_field("mean F1 of the labels that people gave; other answers are wrong")


class Similarities(_Traced):
    """One row a system x persona x wording x scorer: how alike its texts are to the reference's."""

    system: Series[str]
    persona_id: Series[str]
    label: Series[str]
    dimension: Series[str]
    role: Series[str] = pa.Field(isin=["named", "control"])
    template_id: Series[str]
    measure: Series[str]
    items: Series[int] = pa.Field(ge=0, description="with a text on both sides")
    coverage: Series[float] = share_field()
    similarity: Series[float] = pa.Field(nullable=True, description="mean over items")
    sd: Series[float] = pa.Field(ge=0, nullable=True, description="over items, n - 1")
    lower: Series[float] = pa.Field(nullable=True, description="interval of the mean, items are the sample")
    upper: Series[float] = pa.Field(nullable=True)
    same_text: Series[float] = share_field("share of items with the very same text")


class NoiseAlphas(_Alpha):
    """One row a system x persona x wording x repeat: agreement of the answers with those given when asked again."""

    system: Series[str]
    persona_id: Series[str]
    label: Series[str]
    template_id: Series[str] = pa.Field(nullable=True, description="missing for no persona")
    repeat: Series[str]


AGREEMENT_TABLES: dict[str, type[pa.DataFrameModel]] = {
    "coverage": AnswerCoverage,
    "alphas": ReferenceAlphas,
    "human_alphas": HumanAlphas,
    "pair_tests": PairTests,
    "shares": DifferingShares,
    "recalls": TargetedRecalls,
    "tuning_tests": TuningTests,
    "evenness": PersonaEvenness,
    "label_scores": LabelScores,
    "similarities": Similarities,
    "noise_alphas": NoiseAlphas,
}
"""Name of the file in `tables/` -> what it holds."""
