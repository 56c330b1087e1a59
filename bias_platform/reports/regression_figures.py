"""Which rows of the result tables each plot of a regression report shows."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bias_platform.reports.contrast_figures import (
    SQUARE,
    Axis,
    change_figure,
    contrast_figure,
    difference_figure,
    lacks_log_odds,
    rows_by_dimension,
)
from bias_platform.reports.figures.dots import Series, grouped_figure, rate_figure
from bias_platform.reports.figures.forest import Legend, Panel, Rows, forest_figure
from bias_platform.reports.formats import decimal, percent
from bias_platform.reports.model_views import standing_name
from bias_platform.reports.people_views import error_figure, people_figure
from bias_platform.reports.planning_views import next_study_figure
from bias_platform.schemas.results import BEYOND_WORDING, NAMED_PERSONAS, PRIMARY, THESE_WORDINGS, UNITS
from bias_platform.schemas.results_of_people import FALSE_ALARM, MISS

Tables = Mapping[str, pd.DataFrame]
_POINTS = "percentage points"
TITLES = {
    "yes_rates": "Yes-rate of each system with interval and bounds",
    "control_contrasts": "Difference of each persona to the generic person, by system",
    "probabilities": "Estimated probability of Yes of each persona, by system",
    "spreads": "Spread of the personas of each dimension, by system, in these wordings",
    "changes": "Change of each persona’s difference to the generic person between systems",
    "scored_contrasts": "Scores: difference of each persona to the generic person, by system",
    "scored_changes": "Scores: change of each persona’s difference to the generic person between systems",
    "baseline": "Difference of each persona to no persona, by system, in these wordings",
    "standing_out": "Items, and personas in one wording, that stand out in the model of answers",
    "agreement": "Agreement with the human majority, by system",
    "false_alarms": "False alarms by persona and target group, against the generic person",
    "misses": "Misses by persona and target group, against the generic person",
    "people": "Systems told to be a persona, against people of that group",
    "next_studies": "Smallest difference found by studies of other sizes, by items and wordings",
}


def regression_figures(tables: Tables, facts: Mapping[str, object]) -> dict[str, Figure]:
    """All plots that apply, by name; the names are those of `TITLES`."""
    margin = 100 * float(str(facts["equivalence_margin"]))
    level = f"{100 * float(str(facts['confidence'])):g} %"
    scores = Axis(f"{facts['score_scale']}, difference", 1.0)
    made = {
        "yes_rates": _yes_rates(tables, level),
        "control_contrasts": contrast_figure(
            _primary(tables["control_contrasts"]), Axis(_POINTS, 100.0, margin), level
        ),
        "probabilities": _probabilities(tables, facts, level),
        "spreads": _spreads(tables),
        "changes": change_figure(_primary(tables["system_changes"]), Axis(_POINTS, 100.0), level),
        "scored_contrasts": contrast_figure(tables["scored_contrasts"], scores, level),
        "scored_changes": change_figure(tables["scored_changes"], scores, level),
        "baseline": _baseline(tables, level),
        "agreement": _agreement(tables),
        "false_alarms": error_figure(tables, FALSE_ALARM),
        "misses": error_figure(tables, MISS),
        "people": people_figure(tables, level),
        "standing_out": _standing_out(tables["standing_out"]),
        "next_studies": next_study_figure(tables["next_studies"], margin, level),
    }
    return {name: figure for name, figure in made.items() if figure is not None}


def _primary(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["reading"] == PRIMARY]


def _yes_rates(tables: Tables, level: str) -> Figure:
    table = tables["system_outcomes"].set_index("system")
    columns = {"yes_rate": "estimate", "lower": "lower", "upper": "upper", "bound_low": "bound_low"}
    shown = table[[*columns, "bound_high"]].rename(columns=columns) * 100
    shown["note"] = [f"coverage {percent(value)}" for value in table["coverage"]]
    return rate_figure(shown, f"Yes, % of judged questions (bar: {level} interval; wide band: bounds)")


def _probabilities(tables: Tables, facts: Mapping[str, object], level: str) -> Figure | None:
    table = _primary(tables["persona_probabilities"])
    if table.empty:
        return None
    wide = table[table["scope"] == BEYOND_WORDING]
    scope = BEYOND_WORDING if set(wide["system"]) == set(table["system"]) else THESE_WORDINGS
    table = table[table["scope"] == scope]
    control, squares = table["persona_id"] == facts["control_id"], lacks_log_odds(table)
    panels = []
    for system, part in table[~control].groupby("system", sort=False):
        reference = table.loc[control & (table["system"] == system), "probability"]
        data = pd.DataFrame(
            {
                "estimate": 100 * part["probability"],
                "lower": 100 * part["lower"],
                "upper": 100 * part["upper"],
                "filled": ~squares[part.index],
                "square": squares[part.index],
            }
        ).set_index(part["persona_id"])
        panels.append(Panel(str(system), data, float(100 * reference.iloc[0]) if len(reference) else None))
    square = SQUARE if squares.any() else ""
    legend = Legend("Yes, %  (line: generic person)", f"{level}, {scope}", square=square)
    return forest_figure(rows_by_dimension(table[~control], "probability"), panels, legend)


def _spreads(tables: Tables) -> Figure | None:
    """These wordings only: the tick comes from permutations that hold wordings fixed."""
    table = tables["dimension_spreads"]
    table = table[table["scope"] == THESE_WORDINGS]
    if table.empty:
        return None
    null = tables["pattern_null"]
    null = null[null["pattern"] == "spread of a dimension"].set_index(["system", "dimension"])
    ticks = null["quantile_95"]
    series = []
    for system, part in table.groupby("system", sort=False):
        data = pd.DataFrame(
            {
                "estimate": 100 * part["spread"],
                "lower": 100 * part["spread_lower"],
                "upper": 100 * part["spread_upper"],
                "tick": 100 * ticks.reindex([(system, d) for d in part["dimension"]]).to_numpy(),
            }
        ).set_index(part["dimension"])
        series.append(Series(str(system), data))
    groups = list(dict.fromkeys(table["dimension"]))
    return grouped_figure(
        groups,
        series,
        f"largest minus smallest persona, percentage points ({THESE_WORDINGS})",
        "exceeded once in twenty without any difference",
    )


def _baseline(tables: Tables, level: str) -> Figure | None:
    return difference_figure(tables["baseline_differences"], f"{level}, these wordings, paired by item")


def _standing_out(table: pd.DataFrame) -> Figure | None:
    """Of the model of answers only: the models of scores have other items each, which no common rows could show."""
    table = table[table["model"].str.startswith(NAMED_PERSONAS)].sort_values("effect", ascending=False, kind="stable")
    if table.empty:
        return None
    names = {str(at): standing_name(row) for at, row in zip(table.index, table.to_dict("records"), strict=True)}
    units = [(unit, [str(at) for at in table.index[table["unit"] == unit]]) for unit in UNITS]
    rows = Rows([(unit, [(key, names[key]) for key in keys]) for unit, keys in units if keys])
    data = table[["lower", "upper"]].assign(estimate=table["effect"]).set_index(table.index.astype(str))
    return forest_figure(rows, [Panel(str(table["systems"].iloc[0]), data)], Legend("log-odds"))


def _agreement(tables: Tables) -> Figure | None:
    table = tables["human_agreement"]
    if table.empty or not np.isfinite(table["agreement"]).any():
        return None
    table = table[table["persona_id"].isna()].set_index("system")
    shown = pd.DataFrame(
        {
            "estimate": 100 * table["agreement"],
            "lower": 100 * table["agreement_lower"],
            "upper": 100 * table["agreement_upper"],
            "bound_low": np.nan,
            "bound_high": np.nan,
            "note": [f"kappa {decimal(value)}" for value in table["kappa"]],
        }
    )
    return rate_figure(shown, "agreement with the human majority, % of judged questions")
