"""Personas of one dimension against each other, within system."""

import numpy as np
import pandas as pd
from scipy.stats import binom

from bias_platform.analysis.adjustment import adjust, stepwise
from bias_platform.analysis.answers import Answers
from bias_platform.analysis.comparisons import FloatArray
from bias_platform.analysis.contrasts import Comparisons, compare, persona_grid
from bias_platform.analysis.item_cube import ItemCube
from bias_platform.analysis.material import Combination, Material
from bias_platform.analysis.readings import JUDGED
from bias_platform.analysis.scoped_means import ScopedMeans
from bias_platform.statistics import adjust_p_values, all_pairs

_TIE = 1e-9
"""Shares closer than this are equal: what is left is rounding."""


def persona_pairs(material: Material) -> pd.DataFrame:
    """Every pair of personas of a dimension, within system; one family a scope."""
    settings = material.settings
    labels = _pair_labels(material)
    if labels.empty:
        return pd.DataFrame()
    names = labels[["system", "persona_id", "other_id"]].itertuples(index=False, name=None)
    cells: list[Combination] = [[(1.0, p, s), (-1.0, q, s)] for s, p, q in names]
    what = Comparisons(labels, ["system", "persona_id", "other_id"], cells, _pairwise)
    extra = _disagreement(material, labels)
    parts = []
    for scope in material.scopes:
        found = compare(material, scope, what)
        parts.append(adjust(found.table, settings, found.together).join(extra).assign(scope=scope))
    return pd.concat(parts, ignore_index=True)


def _pairwise(means: ScopedMeans) -> ScopedMeans:
    contrasts = all_pairs(means.means, "persona", within="system")
    contrasts.labels["persona_id"] = contrasts.labels["level"]
    contrasts.labels["other_id"] = contrasts.labels["reference"]
    return means.replaced(contrasts)


def _pair_labels(material: Material) -> pd.DataFrame:
    """Later minus earlier persona of each dimension, by system."""
    grid = persona_grid(material.answers, material.cube)
    first = grid.rename(columns={"persona_id": "other_id", "label": "other_label"})
    first["place"] = first.groupby("system", sort=False).cumcount()
    second = grid.assign(place=grid.groupby("system", sort=False).cumcount())
    pairs = second.merge(first, on=["system", "dimension"], suffixes=("", "_other"), sort=False)
    pairs = pairs[pairs["place"] > pairs["place_other"]]
    return pairs.drop(columns=["place", "place_other"]).reset_index(drop=True)


def _disagreement(material: Material, labels: pd.DataFrame) -> pd.DataFrame:
    """Share of questions answered apart, and the signed McNemar test over items."""
    apart = {system: _apart(material.answers, material.cube, system) for system in material.answers.systems}
    at = [
        (s, material.cube.persona(p), material.cube.persona(q))
        for s, p, q in zip(labels["system"], labels["persona_id"], labels["other_id"], strict=True)
    ]
    share = material.cube.mean
    gaps = np.column_stack(
        [share[:, p, material.cube.system(s)] - share[:, q, material.cube.system(s)] for s, p, q in at]
    )
    more, fewer = (gaps > _TIE).sum(axis=0), (gaps < -_TIE).sum(axis=0)
    sign_p = np.minimum(1.0, 2.0 * binom.cdf(np.minimum(more, fewer), more + fewer, 0.5))
    return pd.DataFrame(
        {
            "disagreement": [apart[s][p, q] for s, p, q in at],
            "more_yes_items": more,
            "fewer_yes_items": fewer,
            "sign_p": sign_p,
            "sign_p_adjusted": adjust_p_values(sign_p, stepwise(material.settings.multiplicity)),
        }
    )


def _apart(answers: Answers, cube: ItemCube, system: str) -> FloatArray:
    """(personas, personas): share of the questions both judged on which they differ."""
    rows = answers.with_persona
    rows = rows[((rows["system"] == system) & (rows["state"] == JUDGED)).to_numpy()]
    codes = [rows[name].cat.codes.to_numpy(np.int64) for name in ("item_id", "template_id", "option_order")]
    sizes = [len(rows[name].cat.categories) for name in ("item_id", "template_id", "option_order")]
    question, _ = pd.factorize(np.ravel_multi_index(tuple(codes), tuple(sizes)))
    persona = rows["persona_id"].cat.codes.to_numpy(np.int64)
    judged = np.zeros((int(question.max(initial=-1)) + 1, len(cube.personas)))
    yes = np.zeros_like(judged)
    judged[question, persona] = 1.0
    yes[question, persona] = rows["yes"].to_numpy(float)
    both = judged.T @ judged
    differ = yes.T @ (judged - yes)
    with np.errstate(invalid="ignore", divide="ignore"):
        share: FloatArray = (differ + differ.T) / both
    return share
