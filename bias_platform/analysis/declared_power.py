"""What a study could find under what it declares: both kinds of items, its own margin, and what asking it costs.

Nobody knows beforehand whether items are judged by degrees or decided alike by all, so both are simulated.
"""

from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from bias_platform.analysis.assumed_answers import Assumptions, DecidedItems, GradedItems, StudySize
from bias_platform.analysis.power_words import cost_sentence, headline, kind_sentence, margin_sentence, not_covered
from bias_platform.analysis.study_power import StudyPower, study_power
from bias_platform.catalog.entries import StudyEntry
from bias_platform.catalog.power_settings import PowerSettings
from bias_platform.errors import counted
from bias_platform.progress import Progress, Report
from bias_platform.schemas import validate_table
from bias_platform.schemas.power import DECIDED, GRADED, POWER_TABLES
from bias_platform.schemas.results import conform
from bias_platform.statistics import ModelError


class DeclaredPower(NamedTuple):
    """What a study could find, in tables and in words."""

    tables: dict[str, pd.DataFrame]
    """Those of `schemas.power`."""
    headline: str
    summary: tuple[str, ...]
    """Further sentences."""
    not_covered: tuple[str, ...]
    """What none of this tells."""
    size: StudySize
    cells_per_item: int
    """Questions x systems."""
    study: StudyEntry
    """Its systems, its analysis and its power count, not its title."""


def declared_power(
    study: StudyEntry, size: StudySize, cells_per_item: int, report: Report | None = None
) -> DeclaredPower:
    """Simulates a study as its `power` settings say.

    Args:
        study: systems, changes, confidence, margin, adjustment and power settings count.
        size: how much it asks.
        cells_per_item: how many cells one item makes, in all systems together.
        report: told how many studies of both kinds have been simulated.

    Raises:
        ModelError: fewer than two items, or settings under which no answers can be drawn.
    """
    if size.items < 2:
        raise ModelError(f"Personas cannot be compared on {counted(size.items, 'item')}: at least 2 are needed.")
    replicates, kinds = study.power.replicates, declared_assumptions(study.power)
    found = {}
    for number, (kind, assumed) in enumerate(kinds.items()):
        part = _part_of_whole(report, kind, number * replicates, len(kinds) * replicates)
        found[kind] = _found(study, size, assumed, part)
    tables = _tables(found, cells_per_item)
    smallest = tables["smallest_differences"]
    own, largest = smallest[smallest["items"] == size.items], max(looked_at(study))
    by_kind = [
        kind_sentence(rows, kinds[str(kind)].words, largest) for kind, rows in own.groupby("assumptions", sort=False)
    ]
    margin = margin_sentence(tables["power_curves"], size.items, study.analysis.equivalence_margin)
    cost = cost_sentence(size.items, cells_per_item, size.systems)
    return DeclaredPower(
        tables, headline(own, size, largest), (*by_kind, *margin, cost), not_covered(study), size, cells_per_item, study
    )


def declared_assumptions(settings: PowerSettings) -> dict[str, Assumptions]:
    """Both kinds of items by name, as a study assumes them."""
    return {
        GRADED: GradedItems(base_rate=settings.base_rate, **settings.graded.model_dump()),
        DECIDED: DecidedItems(base_rate=settings.base_rate, **settings.decided.model_dump()),
    }


def looked_at(study: StudyEntry) -> tuple[float, ...]:
    """The gaps of a study's curves: those it declares, and its margin of equivalence where there is room for it."""
    margin = study.analysis.equivalence_margin
    own = (margin,) if margin < 1 - study.power.base_rate else ()
    return tuple(sorted({*study.power.gaps, *own}))


def _found(study: StudyEntry, size: StudySize, assumed: Assumptions, report: Report | None) -> StudyPower:
    settings = study.power
    return study_power(
        study,
        size,
        assumptions=assumed,
        items=[*settings.items, size.items] if settings.items else None,
        gaps=looked_at(study),
        power=settings.target,
        replicates=settings.replicates,
        seed=settings.seed,
        report=report,
    )


def _tables(found: Mapping[str, StudyPower], cells_per_item: int) -> dict[str, pd.DataFrame]:
    """The tables, validated.

    Raises:
        TableError: a table breaks its schema.
    """
    curves = pd.concat([one.curve.assign(assumptions=kind) for kind, one in found.items()], ignore_index=True)
    smallest = pd.concat([one.smallest.assign(assumptions=kind) for kind, one in found.items()], ignore_index=True)
    smallest["cells"] = smallest["items"] * cells_per_item
    made = {"power_curves": curves, "smallest_differences": smallest}
    return {name: validate_table(conform(made[name], schema), schema, name) for name, schema in POWER_TABLES.items()}


def _part_of_whole(report: Report | None, kind: str, before: int, total: int) -> Report | None:
    if report is None:
        return None
    return lambda step: report(Progress(before + step.done, total, step.unit, kind))
