"""Result tables that need no model: what came of the questions, what people say, what chance would do."""

import pandera.pandas as pa
from pandera.typing import Series

from bias_platform.schemas.result_parts import SCORE_SCALES, Counts, Differences, Result, share_field


class SystemOutcomes(Counts):
    """One row a system: all questions with a persona (the control included, the baseline not)."""

    system: Series[str] = pa.Field(unique=True)


class PersonaOutcomes(Counts):
    """One row a system x persona, the control and the baseline included."""

    system: Series[str]
    persona_id: Series[str]
    label: Series[str]
    dimension: Series[str]
    role: Series[str] = pa.Field(isin=["named", "control", "baseline"])
    minority: Series[int] = pa.Field(ge=0, description="the rarer of Yes and not-Yes answers")
    degenerate: Series[bool] = pa.Field(description="too few minority answers for a log-odds claim")
    lenient_degenerate: Series[bool] = pa.Field(description="the same in the lenient reading")


class AnswerShares(Result):
    """One row a system x persona x allowed answer."""

    system: Series[str]
    persona_id: Series[str]
    answer: Series[str]
    kind: Series[str] = pa.Field(isin=["positive", "lenient", "other", "set aside"])
    count: Series[int] = pa.Field(ge=0)
    share: Series[float] = share_field("of all questions put")


class ServingNoise(Result):
    """One row a system: do repeats of the very same question give the same answer?"""

    system: Series[str] = pa.Field(unique=True)
    repeated: Series[int] = pa.Field(ge=0, description="questions put more than once")
    disagreeing: Series[int] = pa.Field(ge=0, description="of these, with more than one answer or outcome")
    share: Series[float] = share_field()


class HumanAgreement(Result):
    """One row a system (persona_id missing: all personas) or system x persona, against the human majority."""

    system: Series[str]
    persona_id: Series[str] = pa.Field(nullable=True)
    label: Series[str]
    items: Series[int] = pa.Field(ge=0)
    answers: Series[int] = pa.Field(ge=0)
    agreement: Series[float] = share_field()
    agreement_lower: Series[float] = share_field()
    agreement_upper: Series[float] = share_field()
    kappa: Series[float] = pa.Field(ge=-1, le=1, nullable=True)
    kappa_lower: Series[float] = pa.Field(ge=-1, le=1, nullable=True)
    kappa_upper: Series[float] = pa.Field(ge=-1, le=1, nullable=True)
    human_yes: Series[float] = share_field("share of these answers' items with Yes")
    system_yes: Series[float] = share_field()


class ScoredMargins(Result):
    """One row a system x persona: mean over items of the margin, log p(Yes) - log p(other judgements). Descriptive."""

    system: Series[str]
    persona_id: Series[str]
    label: Series[str]
    scale: Series[str] = pa.Field(isin=list(SCORE_SCALES.values()))
    answers: Series[int] = pa.Field(ge=0, description="questions with scores")
    mean: Series[float] = pa.Field(nullable=True)
    lower: Series[float] = pa.Field(nullable=True)
    upper: Series[float] = pa.Field(nullable=True)


class DividedItems(Result):
    """One row an item on which the personas of a system part most."""

    system: Series[str]
    item_id: Series[str]
    personas: Series[int] = pa.Field(ge=0)
    yes_share: Series[float] = share_field("mean over personas")
    division: Series[float] = share_field("sd over personas of their Yes share x 2")
    text: Series[str] = pa.Field(nullable=True, description="missing unless the study shows texts")


class BaselineDifferences(Differences):
    """One row a system x persona (the control included): persona minus no-persona baseline, paired by item."""

    system: Series[str]
    persona_id: Series[str]
    label: Series[str]
    dimension: Series[str]
    items: Series[int] = pa.Field(ge=0, description="items judged in both")


class PatternNull(Result):
    """One row a reported pattern: how large it is without any difference (personas permuted within items)."""

    pattern: Series[str] = pa.Field(
        isin=["largest difference from the control", "spread of a dimension", "share of pairs that differ"]
    )
    system: Series[str]
    dimension: Series[str]
    observed: Series[float] = pa.Field(nullable=True)
    expected: Series[float] = pa.Field(nullable=True, description="mean under no difference")
    quantile_95: Series[float] = pa.Field(nullable=True, description="what no difference exceeds once in twenty")
    frequency: Series[float] = share_field("draws at least as large as observed")
    draws: Series[int] = pa.Field(ge=1)
