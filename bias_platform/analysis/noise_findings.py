"""What asking again says, in a sentence each; empty where nothing was asked again."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bias_platform.analysis.phrases import are, interval, points, quote, share
from bias_platform.analysis.picked import claimed, level, tested, top
from bias_platform.catalog.entries import AnalysisSettings
from bias_platform.errors import counted

Tables = Mapping[str, pd.DataFrame]
_MOST_CHANGES = 3
"""Changes between systems that a sentence names."""


def noise_finding(tables: Tables, settings: AnalysisSettings) -> str:
    """How many answers flipped at most, how far a persona's difference moved at most, and what that is beside."""
    table = tables["noise_floor"]
    table = table[table["answered_twice"] > 0]
    if table.empty:
        return ""
    return " ".join(filter(None, [_flips(table, settings), _beside_differences(table, tables)]))


def _flips(table: pd.DataFrame, settings: AnalysisSettings) -> str:
    worst, moved = top(table, table["flipped_share"]), top(table, table["contrast_largest"].abs())
    asked = f"Asked again {_ways(table)}, "
    if not table["flipped"].any():
        bound = f"{share(top(table, table['upper'])['upper'])} at most, {level(settings)} interval"
        whose = f"no answer of {worst['system']}" if table["system"].nunique() == 1 else "no answer of any system"
        moved_by = _scores_moved(table)
        return f"{asked}{whose} flipped ({bound}), and no persona’s difference to the generic person moved{moved_by}."
    reach = f"{level(settings)} interval {interval(worst['lower'], worst['upper'])}"
    if len(table) == 1:
        flips = f"{share(worst['flipped_share'])} of {worst['system']}’s answers flipped ({reach})"
    else:
        flips = f"at most {share(worst['flipped_share'])} of a system’s answers flipped ({_where(worst)}; {reach})"
    if not np.isfinite(float(moved["contrast_largest"])):
        return f"{asked}{flips}."
    largest = (
        f"the largest was {points(moved['contrast_largest'], signed=True)} points, {quote(moved['contrast_label'])}"
    )
    return f"{asked}{flips}; of the moves of a persona’s difference to the generic person {largest} in {_where(moved)}."


def _scores_moved(table: pd.DataFrame) -> str:
    """How far scores moved where no answer did: they tell more than answers that stayed."""
    largest = table["margin_largest"].max()
    if not np.isfinite(largest):
        return ""
    return f"; margins moved by {f'up to {largest:.2g}' if largest >= 0.001 else 'less than 0.001'}"


def _ways(table: pd.DataFrame) -> str:
    ways = table.drop_duplicates("repeat")
    if len(ways) > 1:
        return f"in {len(ways)} ways"
    changed = ways["changed"].iloc[0]
    return f"({changed})" if changed else "in the same way"


def _where(row: dict[str, Any]) -> str:
    return f"{row['system']}, repeat {quote(row['repeat'])}"


def _beside_differences(table: pd.DataFrame, tables: Tables) -> str:
    """How many of the significant differences are no larger than the largest move in their system."""
    known = tested(tables["control_contrasts"])
    found = claimed(known)[1] if len(known) else known
    moves = table.assign(move=table["contrast_largest"].abs()).groupby("system")["move"].max()
    found = found[found["system"].isin(moves.index)]
    if found.empty or not (moves > 0).any():
        return ""
    within = int((found["difference"].abs().to_numpy(float) <= moves.reindex(found["system"]).to_numpy(float)).sum())
    if not within:
        return "Every significant difference is larger than the largest such move in its system."
    return f"{are(within, counted(len(found), 'significant difference'))} no larger than the largest such move."


def system_flips_finding(tables: Tables, settings: AnalysisSettings) -> str:
    """For each declared change: flips between the systems against those of asking again, in the way that makes most."""
    table = tables["system_flips"]
    table = table[table["questions"] > 0]
    if table.empty:
        return ""
    changes = [part for _, part in table.groupby(["from_system", "to_system"], sort=False)]
    said = [_change(top(part, part["floor_share"]), settings) for part in changes[:_MOST_CHANGES]]
    more = len(changes) - _MOST_CHANGES
    rest = f" {counted(more, 'more change')} under noise floor." if more > 0 else ""
    return f"{' '.join(said)}{rest}"


def _change(row: dict[str, Any], settings: AnalysisSettings) -> str:
    return (
        f"From {row['from_system']} to {row['to_system']} {share(row['flipped_share'])} of the answers flip, against "
        f"{share(row['floor_share'])} when the same is asked again (repeat {quote(row['repeat'])}): a difference of "
        f"{points(row['difference'], signed=True)} points ({level(settings)} interval "
        f"{interval(row['lower'], row['upper'], signed=True)})."
    )
