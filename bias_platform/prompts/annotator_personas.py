"""Which personas of a set an annotator shares.

Everybody shares the control, which has no attributes: shown beside the named personas it learns what people say on
average. Left out, what it says after tuning would be chance, and every contrast with it too.
"""

import json
from collections.abc import Sequence

import numpy as np
import pandas as pd

from bias_platform.errors import CorpusError, bullet_list


def matching_personas(
    judged: pd.DataFrame, personas: pd.DataFrame, dimensions: Sequence[str], random: np.random.RandomState
) -> pd.DataFrame:
    """In every dimension, the persona all of whose attributes the annotator has; one drawn where several do.

    Args:
        judged: one row a judgement, columns `annotator_<attribute>`.
        personas: a table `Personas`; named ones without attributes match nobody.
        dimensions: only these; empty: all, and the control, with as many judgements (drawn from all annotators') as
            a named persona has on average.

    Returns:
        judgement (row number in `judged`), persona_id, phrase; ordered by dimension, then judgement.

    Raises:
        CorpusError: attributes the corpus does not have, a dimension that is not there, or no match at all.
    """
    named = _candidates(personas, dimensions)
    _check_attributes(judged, named)
    parts: list[pd.DataFrame] = []
    for _, group in named.groupby("dimension", sort=False):
        hits = np.column_stack([_has(judged, json.loads(text)) for text in group["attributes"]])
        lottery = np.where(hits, random.random_sample(hits.shape), -1.0)
        rows = np.flatnonzero(hits.any(axis=1))
        chosen = group.iloc[lottery[rows].argmax(axis=1)]
        parts.append(_shown(rows, chosen))
    shown = pd.concat(parts, ignore_index=True)
    if shown.empty:
        values = ", ".join(named["persona_id"])
        raise CorpusError(
            f"no annotator of the split has the attributes of any persona ({values}); compare their codes"
        )
    if dimensions:
        return shown
    control = _control(personas, len(judged), round(len(shown) / len(named)), random)
    return pd.concat([shown, control], ignore_index=True)


def _control(personas: pd.DataFrame, judged: int, wanted: int, random: np.random.RandomState) -> pd.DataFrame:
    control = personas[personas["role"] == "control"]
    rows = np.sort(random.permutation(judged)[:wanted]) if len(control) else np.array([], dtype=int)
    return _shown(rows, control.iloc[np.zeros(len(rows), dtype=int)])


def _shown(rows: np.ndarray, chosen: pd.DataFrame) -> pd.DataFrame:
    columns = {name: chosen[name].to_numpy(object) for name in ("persona_id", "phrase")}
    return pd.DataFrame({"judgement": rows, **columns})


def _candidates(personas: pd.DataFrame, dimensions: Sequence[str]) -> pd.DataFrame:
    named = personas[(personas["role"] == "named") & (personas["attributes"] != "{}")]
    there = list(dict.fromkeys(named["dimension"]))
    unknown = [name for name in dimensions if name not in there]
    if unknown or named.empty:
        what = f"no personas with attributes in {', '.join(unknown)}" if unknown else "no persona has attributes"
        raise CorpusError(f"training on matching personas: {what}; dimensions that have some: {', '.join(there)}")
    return named[named["dimension"].isin(list(dimensions))] if dimensions else named


def _check_attributes(judged: pd.DataFrame, named: pd.DataFrame) -> None:
    lines = []
    for dimension, group in named.groupby("dimension", sort=False):
        needed = {name for text in group["attributes"] for name in json.loads(text)}
        missing = sorted(name for name in needed if f"annotator_{name}" not in judged.columns)
        if missing:
            lines.append(f"dimension '{dimension}' needs {', '.join(missing)}")
    if lines:
        there = sorted(name.removeprefix("annotator_") for name in judged.columns if name.startswith("annotator_"))
        raise CorpusError(
            f"the corpus does not say enough of its annotators:\n{bullet_list(lines)}\n"
            f"it knows: {', '.join(there) or 'nothing'}; list the other dimensions in `dimensions`"
        )


def _has(judged: pd.DataFrame, attributes: dict[str, str]) -> np.ndarray:
    hit = np.ones(len(judged), dtype=bool)
    for name, value in attributes.items():
        hit &= judged[f"annotator_{name}"].to_numpy(object) == value
    return hit
