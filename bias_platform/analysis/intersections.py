"""Intersectional personas: whether two traits together do more than the sum of what each does alone.

Additive means additive in percentage points here, and on the log-odds scale where model A gives log-odds: what adds up
on one scale need not on the other. Personas of a crossed dimension are named by the catalog (`crossed`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import f as fisher

from bias_platform.analysis.adjustment import adjusted
from bias_platform.analysis.comparisons import FloatArray
from bias_platform.analysis.contrasts import Comparisons, claims_by_scope
from bias_platform.analysis.material import Combination, Material
from bias_platform.analysis.omnibus import degrees_of_scores
from bias_platform.analysis.paired_wording import with_noisy_degrees
from bias_platform.analysis.scoped_means import ScopedMeans
from bias_platform.catalog.entries import CrossedDimension
from bias_platform.schemas.results import BEYOND_WORDING
from bias_platform.schemas.results_of_intersections import BEYOND_THE_SUM, CROSSED_KINDS, FOUR_CELLS
from bias_platform.statistics import contrast

Crossed = Mapping[str, CrossedDimension]
_KEYS = ["system", "combination"]
_RANK = 1e-9
"""Singular values of contrasts below this, relative to the largest, are rounding."""


class _Interaction(NamedTuple):
    """Signed cells of one system, as a sentence names them."""

    kind: str
    dimension: str
    label: str
    personas: tuple[tuple[float, str], ...]


def crossed_contrasts(material: Material, crossed: Crossed) -> pd.DataFrame:
    """Each interaction of a crossed dimension, by system; schema `CrossedContrasts`; a kind and scope is one family.

    `beyond the sum`: (both - control) - [(one - control) + (other - control)], where the study asks both personas that
    are combined. `four cells`: the difference of differences of a full 2 x 2 of the crossed dimension, which needs
    neither them nor the control.
    """
    material = _cautious(material, crossed)
    parts = [_of_kind(material, crossed, kind) for kind in CROSSED_KINDS]
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame()


def crossed_tests(material: Material, crossed: Crossed) -> pd.DataFrame:
    """All interactions of a crossed dimension at once, by system; schema `CrossedTests`; a kind and scope is a family.

    F of the mean of squared orthonormal contrasts over what their means vary by, paired by item, with the degrees of
    freedom of `omnibus.degrees_of_scores`: contrasts that vary unequally over items are not taken for equal.
    """
    material = _cautious(material, crossed)
    parts = []
    for kind in CROSSED_KINDS:
        for scope in material.scopes:
            rows = [
                row for system in material.answers.systems for row in _joint(material, crossed, kind, scope, system)
            ]
            if rows:
                table = pd.DataFrame(rows)
                found = adjusted(table["p_value"].to_numpy(float), material.settings)
                significant = np.nan_to_num(found.p, nan=1.0) < 1.0 - material.settings.confidence
                parts.append(table.assign(p_adjusted=found.p, significant=significant))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _cautious(material: Material, crossed: Crossed) -> Material:
    """An interaction has four cells' wordings, which their degrees of freedom must not overstate."""
    if not crossed:
        return material
    return replace(material, wording=with_noisy_degrees(material.wording, material.answers, material.reading.name))


def _of_kind(material: Material, crossed: Crossed, kind: str) -> pd.DataFrame:
    found = [
        (system, one)
        for system in material.answers.systems
        for one in _interactions(material, crossed, kind)
        if _asked(material, one, system)
    ]
    if not found:
        return pd.DataFrame()
    labels = pd.DataFrame(
        [
            {"system": s, "kind": kind, "dimension": one.dimension, "label": one.label, "combination": _written(one)}
            for s, one in found
        ]
    )
    cells: list[Combination] = [[(w, p, s) for w, p in one.personas] for s, one in found]
    what = Comparisons(labels, _KEYS, cells, lambda means: _modelled(means, labels, cells))
    table = claims_by_scope(material, what).reset_index(drop=True)
    return table.assign(reading=material.reading.name)


def _interactions(material: Material, crossed: Crossed, kind: str) -> Iterator[_Interaction]:
    asked = set(material.answers.named)
    for dimension, one in crossed.items():
        cells = {persona: pair for persona, pair in one.cells.items() if persona in asked}
        of_kind = _beyond_the_sum if kind == BEYOND_THE_SUM else _four_cells
        yield from of_kind(material, dimension, cells)


def _beyond_the_sum(material: Material, dimension: str, cells: dict[str, tuple[str, str]]) -> Iterator[_Interaction]:
    label, control = material.answers.personas["label"], material.answers.control
    for persona, (first, second) in cells.items():
        if {first, second} <= set(material.answers.named):
            signed = ((1.0, persona), (-1.0, first), (-1.0, second), (1.0, control))
            yield _Interaction(BEYOND_THE_SUM, dimension, str(label[persona]), signed)


def _four_cells(material: Material, dimension: str, cells: dict[str, tuple[str, str]]) -> Iterator[_Interaction]:
    label, place = material.answers.personas["label"], {pair: persona for persona, pair in cells.items()}
    rows = list(dict.fromkeys(first for first, _ in cells.values()))
    columns = list(dict.fromkeys(second for _, second in cells.values()))
    for a, b in combinations(rows, 2):
        for c, d in combinations(columns, 2):
            four = [place.get(pair) for pair in ((a, c), (a, d), (b, c), (b, d))]
            known = [persona for persona in four if persona is not None]
            if len(known) == len(four):
                signed = tuple(zip((1.0, -1.0, -1.0, 1.0), known, strict=True))
                said = " against ".join(f"{label[p]} − {label[q]}" for p, q in (known[:2], known[2:]))
                yield _Interaction(FOUR_CELLS, dimension, said, signed)


def _asked(material: Material, one: _Interaction, system: str) -> bool:
    return all(np.isfinite(material.cell(persona, system)).any() for _, persona in one.personas)


def _written(one: _Interaction) -> str:
    """Persona ids with their signs."""
    return " ".join(f"{'+' if weight > 0 else '−'} {persona}" for weight, persona in one.personas)


def _modelled(means: ScopedMeans, labels: pd.DataFrame, cells: list[Combination]) -> ScopedMeans | None:
    """The same interactions of log-odds; those with a cell that the model lacks are left out."""
    names = zip(means.means.labels["system"], means.means.labels["persona"], strict=True)
    position = {key: place for place, key in enumerate(names)}
    rows, kept = [], []
    for k, combination in enumerate(cells):
        if all((system, persona) in position for _, persona, system in combination):
            weights = np.zeros(len(position))
            for weight, persona, system in combination:
                weights[position[system, persona]] += weight
            rows.append(weights)
            kept.append(k)
    if not rows:
        return None
    return means.replaced(contrast(means.means, np.array(rows), labels.iloc[kept].reset_index(drop=True)))


def _joint(material: Material, crossed: Crossed, kind: str, scope: str, system: str) -> Iterator[dict[str, object]]:
    at = material.cube.system(system)
    wording = float(material.wording.variance[at]) if scope == BEYOND_WORDING else 0.0
    for dimension in crossed:
        known = _interactions(material, {dimension: crossed[dimension]}, kind)
        chosen = [one for one in known if _asked(material, one, system)]
        scores = _orthonormal_scores(material, chosen, system)
        if scores is not None and np.isfinite(wording):
            row = _tested(scores, wording, float(material.wording.df[at]))
            names = {"kind": kind, "scope": scope, "system": system, "dimension": dimension}
            yield {**names, "interactions": len(chosen), **row}


def _tested(scores: FloatArray, wording: float, wording_df: float) -> dict[str, object]:
    """F of (items, k) orthonormal contrasts; no test where nothing varies."""
    items, k = scores.shape
    degrees = degrees_of_scores(scores, wording, wording_df)
    error = float(scores.var(axis=0, ddof=1).sum()) / k / items + wording
    known = np.isfinite(degrees.denominator)
    f = float((scores.mean(axis=0) ** 2).sum()) / k / error if known else np.nan
    return {
        "items": items,
        "df": float(k),
        "f": f,
        "f_df": degrees.numerator,
        "f_denominator_df": degrees.denominator,
        "p_value": float(fisher.sf(f, degrees.numerator, degrees.denominator)) if known else np.nan,
    }


def _orthonormal_scores(material: Material, chosen: list[_Interaction], system: str) -> FloatArray | None:
    """(items, independent interactions) on the items that have all cells; None with fewer than two of either kind."""
    if len(chosen) < 2:
        return None
    personas = sorted({persona for one in chosen for _, persona in one.personas})
    weights = np.zeros((len(chosen), len(personas)))
    for row, one in enumerate(chosen):
        for weight, persona in one.personas:
            weights[row, personas.index(persona)] += weight
    shares = np.column_stack([material.cell(persona, system) for persona in personas])
    shares = shares[np.isfinite(shares).all(axis=1)]
    _, sizes, basis = np.linalg.svd(weights, full_matrices=False)
    scores: FloatArray = shares @ basis[sizes > _RANK * sizes[0]].T
    return scores if len(scores) > 1 and scores.shape[1] > 1 else None
