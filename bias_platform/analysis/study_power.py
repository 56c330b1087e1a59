"""What a declared study could find, before any model is asked: power of the tests that its report makes.

Answers are simulated under stated assumptions (`assumed_answers`): no persona differs from the control, except one
persona in one system, which says Yes more often by a gap. That is the hardest case for an adjustment over all systems x
personas; where many differ, Holm finds each a little more easily. The gap counts as found where the adjusted p value of
that comparison is below 1 - confidence, as in the report; where that adjusts in a single step, Holm stands in, which
finds a single gap all but never more often. Claims about these wordings are claims about the wordings drawn: where
wordings move personas, some of what is found there at a gap of 0 is that.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_platform.analysis.adjustment import stepwise
from bias_platform.analysis.assumed_answers import AssumedStudy, Assumptions, GradedItems, StudySize
from bias_platform.analysis.phrases import points, share
from bias_platform.analysis.replicated_tests import (
    Comparisons,
    against_control,
    between_systems,
    interactions,
    item_tests,
    mean_of_last,
    p_beyond_wording,
    wording_covariance,
    wording_products,
)
from bias_platform.catalog.entries import Catalog, StudyEntry
from bias_platform.catalog.power_settings import GAPS
from bias_platform.catalog.systems import named_personas
from bias_platform.errors import counted
from bias_platform.progress import Progress, Report
from bias_platform.schemas.power import CHANGE, CONTRAST
from bias_platform.schemas.results import BEYOND_WORDING, THESE_WORDINGS
from bias_platform.statistics import ModelError, adjust_p_values
from bias_platform.statistics.power_curve import PowerCurve

FloatArray = NDArray[np.float64]
_BATCH_NUMBERS = 1_500_000
"""Numbers in the answers of the studies that are tested at once (12 MB)."""


class StudyPower(NamedTuple):
    """What a study could find; probabilities and gaps from 0 to 1."""

    curve: pd.DataFrame
    """question, scope, items, gap, power, lower, upper, replicates: one row each; bounds are Wilson's."""
    smallest: pd.DataFrame
    """question, scope, items, power, gap, lower, upper: the gap that is found with that power, and the Monte-Carlo
    interval of it; missing where it is wider than all gaps looked at."""
    sentence: str
    """The declared (or else the largest) number of items in plain words."""


def study_size(catalog: Catalog, study: StudyEntry, items: int | None = None) -> StudySize:
    """How much a study of a catalog asks.

    Args:
        items: instead of the declared number.

    Raises:
        ModelError: the study takes all items of its corpus, so that their number is not known here.
    """
    count = study.items.n if items is None else items
    if count is None:
        raise ModelError(f"The study {study.title!r} takes all items of its corpus: say how many these are.")
    named = named_personas(catalog, study)
    templates = catalog.template_sets[study.template_set].templates
    return StudySize(count, len(named), len(templates), len(study.systems), study.option_orders)


def study_power(
    study: StudyEntry,
    size: StudySize,
    *,
    assumptions: Assumptions | None = None,
    items: Sequence[int] | None = None,
    gaps: Sequence[float] = GAPS,
    power: float = 0.8,
    replicates: int = 400,
    seed: int = 0,
    report: Report | None = None,
) -> StudyPower:
    """Power of the report's item-paired tests, over gaps and numbers of items.

    All gaps and all numbers of items share their replicates (the first items of the largest study make up the smaller
    ones), so that curves can be compared more closely than their single intervals let suppose.

    Args:
        study: its systems, its changes, its confidence and its adjustment over tests count.
        size: from `study_size`.
        assumptions: how items are judged; default: `GradedItems()`.
        items: numbers of items; default: a quarter, half, once and twice the size's.
        gaps: rising differences of P(Yes); at 0, what is found by mistake.
        power: of the smallest detectable gap.
        replicates: simulated studies; with 400 a power of 80 % is known to about 4 points either way.
        seed: of the simulation; replicate k is the same whatever their number.
        report: told how many studies have been simulated.

    Raises:
        ModelError: gaps that the base rate does not allow, too few items, or numbers below one.

    >>> from bias_platform.catalog.entries import StudyEntry
    >>> study = StudyEntry(
    ...     title="A study", task="rude", corpus="posts", persona_set="few", template_set="three", systems=("base",)
    ... )
    >>> found = study_power(study, StudySize(60, 4, 3, 1), items=[60], gaps=[0.0, 0.1, 0.3], replicates=40)
    >>> found.curve.loc[found.curve["scope"] == "these wordings", ["gap", "power"]].round(1).to_numpy().tolist()
    [[0.0, 0.0], [0.1, 0.6], [0.3, 1.0]]
    """
    assumed = GradedItems() if assumptions is None else assumptions
    counts = _counts(size, items, replicates)
    plan = _plan(study, size._replace(items=counts[-1]), tuple(float(gap) for gap in gaps))
    found = _simulated(plan, assumed, counts, replicates, seed, report)
    curves = [(key, PowerCurve(plan.gaps, hits)) for key, hits in found.items()]
    curve = pd.concat([_labelled(key, one.table()) for key, one in curves], ignore_index=True)
    smallest = pd.concat([_labelled(key, _smallest(one, power)) for key, one in curves], ignore_index=True)
    told = size.items if size.items in counts else counts[-1]
    return StudyPower(
        curve=curve,
        smallest=smallest,
        sentence=_sentence(smallest[smallest["items"] == told], size._replace(items=told), plan.gaps, assumed),
    )


class _Plan(NamedTuple):
    """What is tested in each simulated study."""

    size: StudySize
    gaps: tuple[float, ...]
    system: int
    """That has the gap."""
    families: dict[str, Comparisons]
    sought: dict[str, int]
    """Which comparison of a family is the one with the gap."""
    alpha: float
    method: str

    @property
    def scopes(self) -> list[str]:
        """One wording tells nothing of others."""
        return [THESE_WORDINGS, BEYOND_WORDING] if self.size.templates > 1 else [THESE_WORDINGS]

    @property
    def wording_df(self) -> float:
        """Of what wordings add."""
        return self.size.personas * (self.size.templates - 1.0)


def _plan(study: StudyEntry, size: StudySize, gaps: tuple[float, ...]) -> _Plan:
    """The first persona differs, in the system that the first declared change leads to."""
    changes = [(study.systems.index(one.from_), study.systems.index(one.to)) for one in study.analysis.changes]
    system = changes[0][1] if changes else 0
    families = {CONTRAST: against_control(size.systems, size.personas)}
    sought = {CONTRAST: system * size.personas}
    if changes:
        families[CHANGE] = between_systems(changes, size.personas)
        sought[CHANGE] = 0
    settings = study.analysis
    return _Plan(size, gaps, system, families, sought, 1.0 - settings.confidence, stepwise(settings.multiplicity))


def _simulated(
    plan: _Plan, assumed: Assumptions, counts: Sequence[int], replicates: int, seed: int, report: Report | None
) -> dict[tuple[str, str, int], NDArray[np.bool_]]:
    """Question, scope, number of items -> (replicates, gaps): whether the gap was found."""
    size = plan.size
    numbers = size.items * size.systems * (size.personas + 1) * size.templates
    batch = max(1, _BATCH_NUMBERS // numbers)
    parts: dict[tuple[str, str, int], list[NDArray[np.bool_]]] = {
        (question, scope, count): [] for question in plan.families for scope in plan.scopes for count in counts
    }
    for first in range(0, replicates, batch):
        numbered = range(first, min(first + batch, replicates))
        drawn = [assumed.draw(size, plan.system, plan.gaps, np.random.default_rng([seed, k])) for k in numbered]
        for count in counts:
            for (question, scope), hits in _found(plan, drawn, count).items():
                parts[question, scope, count].append(hits)
        if report is not None:
            report(Progress(numbered.stop, replicates, "studies"))
    return {key: np.concatenate(part) for key, part in parts.items()}


def _found(plan: _Plan, drawn: Sequence[AssumedStudy], count: int) -> dict[tuple[str, str], NDArray[np.bool_]]:
    """Question and scope -> (studies, gaps), from the first `count` items.

    What the gap does not touch is tested once, not for each gap.
    """
    cells = np.stack([one.cells[:count] for one in drawn], axis=1)
    with_gap = np.stack([one.with_gap[:, :count] for one in drawn], axis=2)
    means = mean_of_last(cells)
    unmoved = {name: item_tests(family.gaps(means), family.bound) for name, family in plan.families.items()}
    wordings = _Wordings(cells, plan.system) if len(plan.scopes) > 1 else None
    hits = {
        (question, scope): np.empty((len(drawn), len(plan.gaps)), dtype=bool)
        for question in plan.families
        for scope in plan.scopes
    }
    for at, moved in enumerate(with_gap):
        means[:, :, plan.system, 1] = mean_of_last(moved)
        covariance = None if wordings is None else wordings.covariance(moved)
        for question, family in plan.families.items():
            touched = family.of_cell(plan.system, 1)
            moved_tests = item_tests(family.only(touched).gaps(means), family.bound)
            tests = unmoved[question].with_some(touched, moved_tests)
            p_values = {THESE_WORDINGS: tests.p_value}
            if covariance is not None:
                added = family.wording_variance(covariance)
                p_values[BEYOND_WORDING] = p_beyond_wording(tests, added, plan.wording_df)
            for scope, p in p_values.items():
                of_gap = adjust_p_values(p, plan.method)[:, plan.sought[question]]
                hits[question, scope][:, at] = of_gap < plan.alpha
    return hits


class _Wordings:
    """How wordings move personas in the systems of each study, and anew when one persona of one system is moved."""

    def __init__(self, cells: FloatArray, system: int) -> None:
        self.system, self.cells = system, cells[:, :, system].copy()
        self.apart = interactions(cells)
        systems = range(cells.shape[2])
        self.products = np.stack([wording_products(self.apart[:, :, s], self.apart) for s in systems], axis=1)

    def covariance(self, moved: FloatArray) -> FloatArray:
        """(studies, systems, systems) with the first persona of the system replaced by (items, studies, wordings)."""
        self.cells[:, :, 1] = moved
        self.apart[:, :, self.system] = interactions(self.cells)
        products = wording_products(self.apart[:, :, self.system], self.apart)
        self.products[:, self.system, :] = self.products[:, :, self.system] = products
        return wording_covariance(self.products)


def _counts(size: StudySize, items: Sequence[int] | None, replicates: int) -> list[int]:
    wanted = [size.items // 4, size.items // 2, size.items, 2 * size.items] if items is None else items
    counts = sorted({int(count) for count in wanted})
    if replicates < 1 or min(size) < 1 or not counts or (items is not None and counts[0] < 2):
        raise ModelError(
            f"Power needs at least one replicate, persona, wording and system and two items, not {size}, "
            f"{replicates} replicates and items {counts}."
        )
    return [count for count in counts if count > 1]


def _labelled(key: tuple[str, str, int], table: pd.DataFrame) -> pd.DataFrame:
    question, scope, count = key
    labels = pd.DataFrame({"question": question, "scope": scope, "items": count}, index=table.index)
    return labels.join(table)


def _smallest(curve: PowerCurve, power: float) -> pd.DataFrame:
    found = curve.smallest(power)
    row = {"power": power, "gap": found.estimate, "lower": found.lower, "upper": found.upper}
    return pd.DataFrame([row]).replace(np.inf, np.nan)


def _sentence(smallest: pd.DataFrame, size: StudySize, gaps: tuple[float, ...], assumed: Assumptions) -> str:
    asked = ", ".join(counted(n, noun) for n, noun in ((size.items, "item"), (size.personas, "persona")))
    asked = f"{asked}, {counted(size.templates, 'wording')} and {counted(size.systems, 'system')}"
    told = {
        CONTRAST: "the one persona that differs from the control in one system",
        CHANGE: "the one such difference that changes from one system to another",
    }
    parts = []
    for question, part in smallest.groupby("question", sort=False):
        reaches = [_reach(row, max(gaps)) for row in part.itertuples(index=False)]
        parts.append(f"{told[str(question)]} where it is {' and '.join(reaches)}")
    power = share(smallest["power"].iloc[0]).replace(".0 %", " %")
    return (
        f"With {asked}, {power} of such studies find {', and '.join(parts)}, if {assumed.words} and "
        f"{100 * assumed.base_rate:g} % of the control's answers are Yes."
    )


def _reach(row: Any, largest: float) -> str:
    where = "for these wordings" if row.scope == THESE_WORDINGS else "beyond them"
    if np.isnan(row.gap):
        return f"more than {points(largest)} points {where}"
    upper = f"{points(row.upper)}" if np.isfinite(row.upper) else f"more than {points(largest)}"
    return f"{points(row.gap)} points ({points(row.lower)} to {upper}) {where}"
