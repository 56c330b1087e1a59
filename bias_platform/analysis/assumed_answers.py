"""Answers that systems might give, before any is asked: two ways in which texts may be judged, with their assumptions.

Both draw the answers of a study in which no persona differs from the control, and those of one persona of one system
with a gap put in. The same random numbers serve every gap, so that an answer can only turn to Yes as the gap widens.
Gaps are differences of P(Yes) over all items (and wordings), and the persona says Yes more often; for the other
direction, take 1 - base_rate.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from bias_platform.analysis.replicated_tests import mean_of_last
from bias_platform.statistics import ModelError, logistic_normal

FloatArray = NDArray[np.float64]
NEAR_CERTAIN = 30.0
"""Log-odds between which a rate is looked for."""


class StudySize(NamedTuple):
    """How much a study asks."""

    items: int
    personas: int
    """Named ones."""
    templates: int
    systems: int
    option_orders: int = 1


class AssumedStudy(NamedTuple):
    """Shares of Yes over the orders of options."""

    cells: FloatArray
    """(items, systems, 1 + personas, wordings), the control first; nobody differs from it."""
    with_gap: FloatArray
    """(gaps, items, wordings) of the first named persona in the system that has the gap."""


class Assumptions(Protocol):
    """How items are judged."""

    @property
    def base_rate(self) -> float:
        """P(Yes) of the control."""

    @property
    def words(self) -> str:
        """How items are judged, after "if"."""

    def draw(self, size: StudySize, system: int, gaps: Sequence[float], rng: np.random.Generator) -> AssumedStudy:
        """One study; the gaps belong to the first named persona in the system of this number."""


@dataclass(frozen=True)
class GradedItems:
    """Model A: every item has its own log-odds of a Yes, and many items lie in between.

    The deviations are on the logit scale. Those of item, item x system, item x persona and of the wordings are the ones
    that the coverage of the report's intervals was checked with (benchmarks/report_coverage.py). What a persona does to
    an item in one system alone is set as large as what it does in all; there, studies with 0 and with 0.8 were looked
    at. None was measured on a large model: put in your own where a pilot has told them.
    """

    base_rate: float = 0.45
    """The demo's five systems say Yes to 44 to 50 % of the posts."""
    item_sd: float = 1.3
    item_system_sd: float = 0.5
    item_persona_sd: float = 0.3
    item_persona_system_sd: float = 0.3
    wording_sd: float = 0.15
    """Of persona x wording: how much a wording moves one persona, in all systems."""
    wording_system_sd: float = 0.1
    """The same, in one system alone."""

    def __post_init__(self) -> None:
        _refuse_share("base_rate", self.base_rate)
        for one in fields(self)[1:]:
            if not 0 <= getattr(self, one.name) < np.inf:
                raise ModelError(f"{one.name} must not be negative, but is {getattr(self, one.name)}.")

    @property
    def words(self) -> str:
        """How items are judged, after "if"."""
        return f"items are judged by degrees (log-odds of a Yes vary by {self.item_sd:g} from item to item)"

    def log_odds(self, rate: float) -> float:
        """Log-odds of the item in the middle at which P(Yes) over all items and wordings is `rate`."""
        deviations = [float(getattr(self, one.name)) for one in fields(self)[1:]]
        return _log_odds(float(rate), float(np.sqrt(np.square(deviations).sum())))

    def draw(self, size: StudySize, system: int, gaps: Sequence[float], rng: np.random.Generator) -> AssumedStudy:
        """Yes where log-odds plus logistic noise are above zero."""
        items, personas, systems = size.items, size.personas + 1, size.systems
        normal = rng.standard_normal
        latent = self.item_sd * normal((items, 1, 1, 1)) + self.item_system_sd * normal((items, systems, 1, 1))
        latent = latent + self.item_persona_sd * normal((items, 1, personas, 1))
        latent += self.item_persona_system_sd * normal((items, systems, personas, 1))
        wording = self.wording_sd * normal((personas, size.templates))
        latent = latent + wording + self.wording_system_sd * normal((systems, personas, size.templates))
        answers = latent[..., None] + rng.logistic(size=(*latent.shape, size.option_orders))
        middle = self.log_odds(self.base_rate)
        shifted = [self.log_odds(with_gap(self.base_rate, gap)) for gap in gaps]
        of_persona = answers[:, system, 1]
        return AssumedStudy(
            mean_of_last(answers > -middle), np.stack([mean_of_last(of_persona > -one) for one in shifted])
        )


@dataclass(frozen=True)
class DecidedItems:
    """Most items are Yes or No for everybody, as language models tend to answer them.

    A gap turns a share of the persona's No items to Yes. Wordings have no effect of their own, only noise. The shares
    lie between those of the demo's five systems, where a persona differed from the control in 1 to 10 % of the posts
    and three wordings led to two answers in 0.4 to 2.5 % of persona x post; those are small models trained on the spot.
    """

    base_rate: float = 0.45
    own_share: float = 0.03
    """Of the items that a persona (or the control) of one system judges against what is usual, both ways alike."""
    flipped_share: float = 0.005
    """Of single answers that fall the other way."""

    def __post_init__(self) -> None:
        for one in fields(self):
            _refuse_share(one.name, getattr(self, one.name))
        if max(self.own_share, self.flipped_share) >= 0.5 or not 0 < self.usual_yes < 1:
            raise ModelError(
                f"With own_share {self.own_share} and flipped_share {self.flipped_share} (each below 0.5) no share of "
                f"Yes items gives a base_rate of {self.base_rate}."
            )

    @property
    def words(self) -> str:
        """How items are judged, after "if"."""
        own = f"{100 * self.own_share:g} %"
        return f"most items are Yes or No for everybody (each persona goes its own way on {own} of them)"

    @property
    def usual_yes(self) -> float:
        """Share of items that are Yes as a rule."""
        kept = (1 - self.own_share) * (1 - self.flipped_share) + self.own_share * self.flipped_share
        return (self.base_rate - (1 - kept)) / (2 * kept - 1)

    def draw(self, size: StudySize, system: int, gaps: Sequence[float], rng: np.random.Generator) -> AssumedStudy:
        """Verdicts by item, turned by persona and system; then noise by answer."""
        shape = (size.items, size.systems, size.personas + 1)
        usual = rng.random((size.items, 1, 1)) < self.usual_yes
        verdict = usual ^ (rng.random(shape) < self.own_share)
        noise = rng.random((*shape, size.templates, size.option_orders))
        turned = rng.random(size.items)
        raised = [verdict[:, system, 1] | (turned < self._turned_share(gap)) for gap in gaps]
        return AssumedStudy(
            self._answered(verdict, noise), np.stack([self._answered(one, noise[:, system, 1]) for one in raised])
        )

    def _answered(self, verdict: NDArray[np.bool_], noise: FloatArray) -> FloatArray:
        """Shares of Yes over the orders of options."""
        of_yes = np.where(verdict, 1 - self.flipped_share, self.flipped_share)[..., None, None]
        return mean_of_last(noise < of_yes)

    def _turned_share(self, gap: float) -> float:
        """Of the persona's No items that turn to Yes."""
        told_yes = (with_gap(self.base_rate, gap) - self.flipped_share) / (1 - 2 * self.flipped_share)
        before = (self.base_rate - self.flipped_share) / (1 - 2 * self.flipped_share)
        if told_yes > 1:
            raise ModelError(
                f"A gap of {gap} from a base rate of {self.base_rate} would need more than all items to be Yes: "
                "look at smaller gaps."
            )
        return (told_yes - before) / (1 - before)


def with_gap(base_rate: float, gap: float) -> float:
    """The persona's P(Yes).

    Raises:
        ModelError: the gap leaves no probability.
    """
    if not 0 <= gap < 1 - base_rate:
        raise ModelError(
            f"A gap of {gap} cannot be put on a base rate of {base_rate}: it must be at least 0 and below "
            f"{1 - base_rate:.3g}; for personas that say Yes less often, take 1 - base_rate."
        )
    return base_rate + gap


@lru_cache(maxsize=1024)
def _log_odds(rate: float, sd: float) -> float:
    def excess(at: float) -> float:
        return float(logistic_normal([at], sd).mean[0]) - rate

    return float(brentq(excess, -NEAR_CERTAIN, NEAR_CERTAIN, xtol=1e-10))


def _refuse_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ModelError(f"{name} must lie between 0 and 1, but is {value}.")
