"""The result tables of answers beyond Yes or not: ordered grades, and what is no judgement at all."""

import pandera.pandas as pa
from pandera.typing import Series

from bias_platform.schemas.result_parts import Result, Tested, difference_field, share_field


class GradedContrasts(Tested):
    """One row a system x named persona: log-odds of a higher grade, persona minus control, by the ordinal model."""

    system: Series[str]
    persona_id: Series[str]
    label: Series[str]
    dimension: Series[str]
    log_odds: Series[float] = pa.Field(description="of being above a threshold, the same for either; these wordings")
    lower: Series[float] = pa.Field()
    upper: Series[float] = pa.Field()
    primary_difference: Series[float] = difference_field("of the primary reading, item-paired")
    primary_significant: Series[bool]
    lenient_difference: Series[float] = difference_field("of the lenient reading, item-paired")
    lenient_significant: Series[bool]


class ProportionalOdds(Result):
    """One row a fixed term of the ordinal model: does its effect differ from threshold to threshold?"""

    systems: Series[str]
    term: Series[str]
    df: Series[float] = pa.Field(ge=1)
    lr: Series[float] = pa.Field(ge=0, nullable=True, description="likelihood ratio against effects by threshold")
    p: Series[float] = share_field()
    converged: Series[bool]


class OtherOutcomes(Tested):
    """One row a kind of outcome that is no judgement x system x named persona, against the control."""

    kind: Series[str]
    system: Series[str]
    persona_id: Series[str]
    label: Series[str]
    dimension: Series[str]
    difference: Series[float] = difference_field("of shares, item-paired")
    lower: Series[float] = difference_field()
    upper: Series[float] = difference_field()
    share: Series[float] = share_field(
        "of the persona's questions that did not fail, averaged over the items that both have"
    )
    control_share: Series[float] = share_field()
    log_odds: Series[float] = pa.Field(nullable=True, description="of the kind against a judgement, by its own model")
    log_odds_lower: Series[float] = pa.Field(nullable=True)
    log_odds_upper: Series[float] = pa.Field(nullable=True)
    log_odds_p: Series[float] = share_field()
    log_odds_p_adjusted: Series[float] = share_field("over the family of the table")
