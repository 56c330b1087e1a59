"""What a study assumes of answers nobody has given yet, to tell beforehand which differences it could find."""

from pydantic import Field

from bias_platform.catalog.entry import Entry

GAPS = (0.0, 0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.13, 0.16, 0.2, 0.25, 0.3)
"""Differences of P(Yes) that are looked at unless a study says otherwise."""


class GradedAssumptions(Entry):
    """Items judged by degrees: every item has its own log-odds of a Yes, with these standard deviations."""

    item_sd: float = Field(1.3, ge=0, description="from item to item")
    item_system_sd: float = Field(0.5, ge=0, description="of an item in one system")
    item_persona_sd: float = Field(0.3, ge=0, description="of an item for one persona, in all systems")
    item_persona_system_sd: float = Field(0.3, ge=0, description="of an item for one persona in one system")
    wording_sd: float = Field(0.15, ge=0, description="of a persona in one wording, in all systems")
    wording_system_sd: float = Field(0.1, ge=0, description="of a persona in one wording in one system")


class DecidedAssumptions(Entry):
    """Items decided alike by nearly everybody, as language models tend to answer."""

    own_share: float = Field(
        0.03, gt=0, lt=0.5, description="of the items a persona of one system judges against what is usual"
    )
    flipped_share: float = Field(0.005, gt=0, lt=0.5, description="of single answers that fall the other way")


class PowerSettings(Entry):
    """What is assumed, and simulated, to tell which differences a study could find. Both kinds of items are tried."""

    base_rate: float = Field(
        0.45, gt=0, lt=1, description="share of Yes of the control; for personas that say Yes less often, give 1 - it"
    )
    target: float = Field(0.8, gt=0, lt=1, description="share of studies that find the smallest detectable difference")
    items: tuple[int, ...] = Field(
        (), description="numbers of items beside the study's own; empty: a quarter, half and twice of it"
    )
    gaps: tuple[float, ...] = Field(GAPS, min_length=1, description="differences of P(Yes) to look at, rising")
    replicates: int = Field(400, ge=20, le=100_000, description="simulated studies of each kind")
    seed: int = Field(0, ge=0, description="of the simulation")
    graded: GradedAssumptions = Field(GradedAssumptions(), description="items judged by degrees")
    decided: DecidedAssumptions = Field(DecidedAssumptions(), description="items decided alike by nearly everybody")
