"""Personas put together of all that is known of an annotator, e.g. `a woman of 34 who votes for the greens`."""

import re

import pandas as pd

from bias_platform.catalog.entries import TrainingData
from bias_platform.errors import CorpusError

_PLACEHOLDER = re.compile(r"\{([a-z0-9._-]+)\}")


def composite_personas(judged: pd.DataFrame, data: TrainingData) -> pd.DataFrame:
    """One phrase a judgement, made by `composite_pattern`; annotators who lack one of its attributes are left out.

    Args:
        judged: one row a judgement, columns `annotator_<attribute>`.
        data: the pattern, and how values are said in it.

    Returns:
        judgement (row number in `judged`), persona_id (None), phrase.

    Raises:
        CorpusError: the pattern names no attribute or one the corpus lacks, or no annotator has all of them.
    """
    pieces = _PLACEHOLDER.split(data.composite_pattern or "")  # literal text and attribute names alternate
    names = pieces[1::2]
    missing = sorted({name for name in names if f"annotator_{name}" not in judged.columns})
    if missing or not names:
        there = ", ".join(sorted(c.removeprefix("annotator_") for c in judged.columns if c.startswith("annotator_")))
        what = f"names {', '.join(missing)}" if missing else "names no attribute"
        raise CorpusError(f"composite_pattern {what}; the corpus knows of its annotators: {there or 'nothing'}")
    full = judged[[f"annotator_{name}" for name in names]].notna().all(axis=1)
    phrase = pd.Series(pieces[0], index=judged.index[full], dtype=object)
    for name, literal in zip(names, pieces[2::2], strict=True):
        values = judged.loc[full, f"annotator_{name}"]
        said = data.composite_values.get(name, {})
        phrase = phrase + values.map(lambda value, said=said: said.get(value, value)) + literal
    if phrase.empty:
        raise CorpusError(f"no annotator has all of {', '.join(names)}: composite personas cannot be made")
    return pd.DataFrame({"judgement": phrase.index, "persona_id": None, "phrase": phrase.to_numpy(object)})
