"""The result tables that hold systems against people: errors by target group, and people of the persona's own group."""

from typing import Final

import pandera.pandas as pa
from pandera.typing import Series

from bias_platform.schemas.result_parts import Differences, LogOdds, Result, share_field

FALSE_ALARM: Final = "false alarm"
MISS: Final = "miss"
ERROR_KINDS = (FALSE_ALARM, MISS)
"""Yes where most people said No; anything else that was judged where most people said Yes."""
ERRORS_IN_WORDS: Final = {FALSE_ALARM: "false alarms", MISS: "misses"}
PERSONA: Final = "persona"
GENERIC: Final = "generic person"
SOURCES = (PERSONA, GENERIC)
"""Who is held against the people of a persona's group: the system told to be the persona, or the generic person."""
NEARER_THAN_CONTROL: Final = "own group: persona − generic person"
OWN_AND_OTHERS: Final = "persona: own group − other groups"
BEYOND_CONTROL: Final = "own group − other groups: persona − generic person"
DISTANCES = (NEARER_THAN_CONTROL, OWN_AND_OTHERS, BEYOND_CONTROL)
"""Differences of distances; below zero the persona is the nearer one, or nearer to its own group."""


class ErrorRates(Differences):
    """One row a kind x system x persona (or group of personas) x target group: how often the answer is wrong."""

    kind: Series[str] = pa.Field(isin=ERROR_KINDS)
    system: Series[str]
    persona_id: Series[str] = pa.Field(nullable=True, description="missing for a group of personas")
    group: Series[str] = pa.Field(nullable=True, description="value of the study's persona attribute")
    label: Series[str]
    dimension: Series[str]
    role: Series[str] = pa.Field(isin=["named", "control", "group"])
    target: Series[str] = pa.Field(description="group the items are about; other: targets with too few items")
    items: Series[int] = pa.Field(ge=1)
    answers: Series[int] = pa.Field(ge=1)
    errors: Series[int] = pa.Field(ge=0)
    rate: Series[float] = share_field("errors / answers")
    rate_lower: Series[float] = share_field("items as the sample")
    rate_upper: Series[float] = share_field()


class PeopleCoverage(Result):
    """One row a named persona: whether people who share its attributes judged the study's items, and how many."""

    persona_id: Series[str] = pa.Field(unique=True)
    label: Series[str]
    dimension: Series[str]
    people: Series[str] = pa.Field(nullable=True, description="attributes that the people share with the persona")
    items: Series[int] = pa.Field(ge=0)
    annotators: Series[int] = pa.Field(ge=0)
    judgements: Series[int] = pa.Field(ge=0)
    compared: Series[bool]
    why_not: Series[str] = pa.Field(nullable=True)


class PeopleGaps(LogOdds):
    """One row a source x system x persona: P(Yes) of the system less that of people of the persona's group."""

    source: Series[str] = pa.Field(isin=SOURCES)
    system: Series[str]
    persona_id: Series[str]
    label: Series[str]
    dimension: Series[str]
    system_yes: Series[float] = share_field("on the items that the people judged, each counting alike")
    people_yes: Series[float] = share_field("of the people, on the same items")
    items: Series[int] = pa.Field(ge=2)
    annotators: Series[int] = pa.Field(ge=2)
    judgements: Series[int] = pa.Field(ge=2)
    people_share: Series[float] = share_field("of the variance of the difference that annotators add")


class PeopleDistances(Differences):
    """One row a comparison x system x persona: whether the persona answers like the people of its own group.

    A distance is the share of pairs of one answer and one judgement of the same item that differ.
    """

    comparison: Series[str] = pa.Field(isin=DISTANCES)
    system: Series[str]
    persona_id: Series[str]
    label: Series[str]
    dimension: Series[str]
    first: Series[float] = share_field("distance that is compared; missing where the comparison is of differences")
    second: Series[float] = share_field("distance that it is compared with")
    items: Series[int] = pa.Field(ge=2)
    annotators: Series[int] = pa.Field(ge=2)
