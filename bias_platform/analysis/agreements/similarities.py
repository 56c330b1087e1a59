"""Written answers: how alike a persona's texts are to the reference's, and whether personas of a dimension differ."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import t as student

from bias_platform.analysis.agreements.comparing import Comparing, all_pairs_of
from bias_platform.analysis.agreements.differing_shares import null_of_similarities, shares_of
from bias_platform.analysis.agreements.inputs import Say, Scorer
from bias_platform.analysis.agreements.pair_tests import pair_labels, with_corrections
from bias_platform.statistics import proportion_interval, signed_rank_tests

FloatArray = npt.NDArray[np.float64]
_NOT_CLOSED = {"more_yes": 0, "fewer_yes": 0, "mcnemar_p": np.nan}


class SimilarityTables(NamedTuple):
    """Tables `Similarities`, `PairTests` and `DifferingShares`."""

    similarities: pd.DataFrame
    pair_tests: pd.DataFrame
    shares: pd.DataFrame


class _Wording(NamedTuple):
    """A system's texts in one wording, scored."""

    system: str
    template: str
    measure: str
    names: list[str]
    scores: FloatArray
    """(items, personas) NaN where either text is missing"""


def compare_texts(comparing: Comparing, say: Say) -> SimilarityTables:
    """Scores every text against the reference's, and tests pairs of personas by Wilcoxon's signed ranks."""
    means, tests = [], []
    nulls: dict[tuple[str, ...], FloatArray] = {}
    for measure, scorer in comparing.inputs.scorers.items():
        for system, template in comparing.wordings():
            say(f"{system}, {template}: comparing texts by {measure}")
            scored = _scored(comparing, system, template, measure, scorer)
            means.append(_means(comparing, scored))
            for dimension, names in comparing.dimensions(system, template):
                tests.append(_tests(comparing, scored, dimension, names))
                nulls[system, dimension, template, measure] = _null(comparing, scored, names)
    if not tests:
        return SimilarityTables(pd.concat(means, ignore_index=True), pd.DataFrame(), pd.DataFrame())
    pairs = with_corrections(pd.concat(tests, ignore_index=True), comparing)
    return SimilarityTables(pd.concat(means, ignore_index=True), pairs, shares_of(comparing, pairs, nulls))


def stripped(text: str, prefix: str) -> str:
    """A text as it is compared: without the prefix that all answers begin with."""
    return text.removeprefix(prefix)


def _scored(comparing: Comparing, system: str, template: str, measure: str, scorer: Scorer) -> _Wording:
    prefix = comparing.inputs.settings.similarity.strip_prefix
    answers = comparing.matrix.systems[system]
    reference = answers.text(comparing.reference(template))
    names = comparing.compared(system, template)
    scores = np.full((len(reference), len(names)), np.nan)
    there = np.array([text is not None for text in reference])
    for place, name in enumerate(names):
        texts = answers.text((name, template))
        rows = np.flatnonzero(there & np.array([text is not None for text in texts]))
        scores[rows, place] = scorer(
            [stripped(text, prefix) for text in reference[rows]], [stripped(text, prefix) for text in texts[rows]]
        )
    return _Wording(system, template, measure, names, scores)


def _means(comparing: Comparing, scored: _Wording) -> pd.DataFrame:
    n = np.isfinite(scored.scores).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.nansum(scored.scores, axis=0) / np.where(n > 0, n, np.nan)
        spread = np.nansum((scored.scores - mean) ** 2, axis=0) / np.where(n > 1, n - 1, np.nan)
        tail = (1 - comparing.counting.confidence) / 2
        reach = student.isf(tail, np.maximum(n - 1, 1)) * np.sqrt(spread / n)
        reach = np.where(spread > 0, reach, np.nan)  # items that are all scored alike do not tell their spread
    most = np.inf if scored.measure == "bleurt" else 1.0
    reference = comparing.reference(scored.template)
    texts = comparing.matrix.systems[scored.system]
    same = [_same(texts.text(reference), texts.text((name, scored.template))) for name in scored.names]
    return comparing.described(scored.names).assign(
        system=scored.system,
        template_id=scored.template,
        measure=scored.measure,
        items=n,
        coverage=n / max(len(scored.scores), 1),
        similarity=mean,
        sd=np.sqrt(spread),
        lower=mean - reach,
        upper=np.minimum(mean + reach, most),
        same_text=same,
        query=[
            comparing.queries.answers(scored.system, reference=reference, persona=(name, scored.template))
            for name in scored.names
        ],
    )


def _same(first: npt.NDArray[np.object_], second: npt.NDArray[np.object_]) -> float:
    both = [a == b for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    return float(np.mean(both)) if both else float("nan")


def _tests(comparing: Comparing, scored: _Wording, dimension: str, names: list[str]) -> pd.DataFrame:
    settings = comparing.inputs.settings
    pairs = all_pairs_of(len(names))
    columns = scored.scores[:, [scored.names.index(name) for name in names]]
    found = signed_rank_tests(columns, pairs, zero_method=settings.similarity.zero_method)
    means = _means_of_pairs(columns[:, pairs])
    reference, texts = comparing.reference(scored.template), comparing.matrix.systems[scored.system]
    said = [texts.text((name, scored.template)) for name in names]
    table = pair_labels(comparing, names, pairs).assign(
        system=scored.system,
        dimension=dimension,
        template_id=scored.template,
        measure=scored.measure,
        items=found.items,
        first=means[:, 0],
        second=means[:, 1],
        difference=np.where(found.items > 0, found.rank_biserial, np.nan),
        standard_error=np.nan,
        statistic=found.statistic,
        p=found.p,
        identical=[texts_alike(said[a], said[b]) for a, b in pairs],
        reason=["" if n else "no item has a text of both" for n in found.items],
        **_NOT_CLOSED,
    )
    table["query"] = [
        comparing.queries.answers(
            scored.system, reference=reference, first=(a, scored.template), second=(b, scored.template)
        )
        for a, b in zip(table["first_id"], table["second_id"], strict=True)
    ]
    return table.join(_apart(comparing, scored, table))


def texts_alike(first: npt.NDArray[np.object_], second: npt.NDArray[np.object_]) -> bool:
    """Whether two columns of texts are the same on every item, missing ones too."""
    return bool((first == second).all())


def _means_of_pairs(both: FloatArray) -> FloatArray:
    """(pairs, 2) means over the items that have both, of scores (items, pairs, 2)."""
    common = np.isfinite(both).all(axis=2, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        means: FloatArray = np.where(common, both, 0.0).sum(axis=0) / common.sum(axis=0)
    return means


def _apart(comparing: Comparing, scored: _Wording, table: pd.DataFrame) -> pd.DataFrame:
    """Share of items on which the two write different texts."""
    texts = comparing.matrix.systems[scored.system]
    differ, both = [], []
    for a, b in zip(table["first_id"], table["second_id"], strict=True):
        pairs = zip(texts.text((a, scored.template)), texts.text((b, scored.template)), strict=True)
        apart = [one != other for one, other in pairs if one is not None and other is not None]
        differ.append(sum(apart))
        both.append(len(apart))
    share = proportion_interval(differ, both, comparing.counting.confidence)
    return pd.DataFrame(
        {"disagreement": share.estimate, "disagreement_lower": share.lower, "disagreement_upper": share.upper}
    )


def _null(comparing: Comparing, scored: _Wording, names: list[str]) -> FloatArray:
    settings = comparing.inputs.settings
    columns = scored.scores[:, [scored.names.index(name) for name in names]]
    return null_of_similarities(
        columns, settings.similarity.zero_method, settings.significance, settings.permutations, settings.seed
    )
