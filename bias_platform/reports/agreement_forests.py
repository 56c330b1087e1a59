"""Which rows of the tables of an agreement report its plots of intervals show."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bias_platform.reports.agreement_pictures import Picture, file_name
from bias_platform.reports.figures.forest import Rows
from bias_platform.reports.figures.marked_rows import MarkPanel, Scale, marked_rows_figure
from bias_platform.reports.formats import words

Tables = Mapping[str, pd.DataFrame]
Facts = Mapping[str, object]
LANDIS_KOCH = (
    (-1.0, 0.0, "poor"),
    (0.0, 0.2, "slight"),
    (0.2, 0.4, "fair"),
    (0.4, 0.6, "moderate"),
    (0.6, 0.8, "substantial"),
    (0.8, 1.0, "almost perfect"),
)
"""Bands of alpha (Landis and Koch, 1977)."""
ALONE = "no persona"
"""The mark of what was asked without a persona, and so in no wording."""
_BEYOND, _WITHIN = "share that differs: beyond chance", "share that differs: within chance"
_ALPHA_AXIS = "Krippendorff’s alpha"


def forests(tables: Tables, facts: Facts) -> dict[str, Picture]:
    """File name -> plot; none without rows."""
    said = _Said(
        f"{100 * float(str(facts['confidence'])):g} % interval", str(facts["reference"]), _texts(facts["templates"])
    )
    return {
        **_alphas(tables["alphas"], said),
        **_similarities(tables["similarities"], said),
        **_shares(tables["shares"]),
        **_people(tables["human_alphas"], said),
        **_recalls(tables["recalls"], said),
        **_noise(tables["noise_alphas"], said),
    }


class _Said(NamedTuple):
    """What all plots say alike."""

    level: str
    reference: str
    wordings: list[str]
    """in the order of the study, so that a wording has one mark in all plots"""


def _texts(values: object) -> list[str]:
    return [str(value) for value in values] if isinstance(values, list | tuple) else []


def _alphas(table: pd.DataFrame, said: _Said) -> dict[str, Picture]:
    table = table[table["alpha"].notna()].rename(columns={"alpha": "estimate"})
    if table.empty:
        return {}
    figure = _by_persona(table, said.wordings, Scale(_ALPHA_AXIS, LANDIS_KOCH, interval=said.level))
    return {"alphas": Picture(figure, f"Agreement of every persona with {said.reference}, by system", "alphas")}


def _similarities(table: pd.DataFrame, said: _Said) -> dict[str, Picture]:
    table = table[table["similarity"].notna()].rename(columns={"similarity": "estimate"})
    made = {}
    for measure, part in table.groupby("measure", sort=False):
        title = f"Similarity ({measure}) of every persona’s texts to those of {said.reference}, by system"
        figure = _by_persona(part, said.wordings, Scale(f"mean {measure}", interval=said.level))
        made[file_name(f"similarities_{measure}")] = Picture(figure, title, "similarities")
    return made


def _recalls(table: pd.DataFrame, said: _Said) -> dict[str, Picture]:
    made = {}
    for (subset, title), part in table.groupby(["subset", "title"], sort=False):
        columns = ["recall", "lower", "upper"]
        shown = part.assign(**(100 * part[columns])).rename(columns={"recall": "estimate"})
        figure = _by_persona(shown, said.wordings, Scale("recognised, % of the items", most=100.0, interval=said.level))
        made[file_name(f"recalls_{subset}")] = Picture(figure, f"{title}: share recognised, by system", "recalls")
    return made


def _noise(table: pd.DataFrame, said: _Said) -> dict[str, Picture]:
    table = table[table["alpha"].notna()].rename(columns={"alpha": "estimate"})
    if table.empty:
        return {}
    shown = table.assign(dimension=table["repeat"], persona_id=table["repeat"] + "|" + table["persona_id"])
    figure = _by_persona(shown, said.wordings, Scale(_ALPHA_AXIS, LANDIS_KOCH, interval=said.level))
    return {"noise_alphas": Picture(figure, "Agreement of answers with those given when asked again", "noise")}


def _people(table: pd.DataFrame, said: _Said) -> dict[str, Picture]:
    """Systems tuned on one group each stand together, by what they were tuned from: else each had a panel of a row."""
    table = table[table["alpha"].notna()].rename(columns={"alpha": "estimate"})
    if table.empty:
        return {}
    several = table["policy"].nunique() > 1
    shown = table.assign(
        dimension=table["attribute"] + ((" · " + table["policy"]) if several else ""),
        persona_id=table["policy"] + "|" + table["persona_id"],
        system=[
            f"{_base(system)}, tuned on each group" if tuned else system
            for system, tuned in zip(table["system"], table["tuned_on_group"], strict=True)
        ],
    )
    order = list(dict.fromkeys(shown["system"][~shown["tuned_on_group"]]))
    order += [name for name in dict.fromkeys(shown["system"]) if name not in order]
    figure = _by_persona(shown, said.wordings, Scale(_ALPHA_AXIS, LANDIS_KOCH, interval=said.level), order)
    return {
        "human_alphas": Picture(figure, "Agreement of personas with people of their own group, by system", "people")
    }


def _base(system: str) -> str:
    """A system without its adapter.

    >>> _base("small+women@nf4")
    'small@nf4'
    """
    return re.sub(r"\+[^@]*", "", system)


def _shares(table: pd.DataFrame) -> dict[str, Picture]:
    """A row a dimension and wording, what chance gives as a grey bar behind the mark."""
    table = table[table["share"].notna()]
    scale = Scale(
        "% of the pairs of personas",
        least=0.0,
        most=100.0,
        chance="mean, were personas interchangeable",
        chance_95="exceeded by chance once in twenty, at most",
    )
    title = "Share of pairs of personas that differ, beside what chance gives, by system"
    made = {}
    for measure, part in table.groupby("measure", sort=False):
        figure = marked_rows_figure(_by_wording(part), _share_panels(part), [_WITHIN, _BEYOND], scale)
        made[file_name("shares" if measure == "alpha" else f"shares_{measure}")] = Picture(figure, title, "shares")
    return made


def _by_wording(table: pd.DataFrame) -> Rows:
    """Wordings as rows by dimension."""
    groups = []
    for dimension, rows in table.groupby("dimension", sort=False):
        wordings = dict.fromkeys(rows["template_id"])
        groups.append((str(dimension), [(f"{dimension}|{wording}", str(wording)) for wording in wordings]))
    return Rows(groups)


def _share_panels(table: pd.DataFrame) -> list[MarkPanel]:
    data = pd.DataFrame(
        {
            "system": table["system"],
            "row": table["dimension"] + "|" + table["template_id"],
            "series": np.where(table["share"] > table["null_95"], _BEYOND, _WITHIN),
            "estimate": 100 * table["share"],
            "chance": 100 * table["null_mean"],
            "chance_95": 100 * table["null_95"],
        }
    )
    return [MarkPanel(str(system), rows) for system, rows in data.groupby("system", sort=False)]


def _by_persona(table: pd.DataFrame, wordings: Sequence[str], scale: Scale, order: list[str] | None = None) -> Figure:
    """Personas as rows by dimension, systems as panels, wordings as marks."""
    rows = [
        (words(dimension), list(dict(zip(part["persona_id"], part["label"], strict=True)).items()))
        for dimension, part in table.groupby("dimension", sort=False)
    ]
    series = table["template_id"].fillna(ALONE)
    data = table.assign(row=table["persona_id"], series=series)
    parts = {str(system): part for system, part in data.groupby("system", sort=False)}
    panels = [
        MarkPanel(system, parts[system][["row", "series", "estimate", "lower", "upper"]])
        for system in (order or list(parts))
    ]
    names = [name for name in (*wordings, ALONE) if name in set(series)]
    return marked_rows_figure(Rows(rows), panels, names, scale)
