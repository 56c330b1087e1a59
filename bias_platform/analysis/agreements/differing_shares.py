"""The share of pairs of personas that differ ("RIS"), beside what it would be if personas were interchangeable.

Resampling items gives no interval for it: resampled differences vary around the observed ones, and the share is biased
upwards. Its null is made by giving each item's answers to its personas in random order.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from bias_platform.analysis.agreements.comparing import Comparing, IntArray, all_pairs_of
from bias_platform.analysis.agreements.inputs import Say
from bias_platform.analysis.agreements.pair_tests import ALPHA
from bias_platform.statistics import adjust_p_values, differing_share, signed_rank_tests

FloatArray = npt.NDArray[np.float64]
_AT_ONCE = 2_000_000
"""Scores held at a time."""
_KEYS = ["system", "dimension", "template_id", "measure"]


def differing_shares(comparing: Comparing, pairs: pd.DataFrame, say: Say) -> pd.DataFrame:
    """Table `DifferingShares` of closed answers; `pairs` is the table `PairTests`."""
    if pairs.empty:
        return pd.DataFrame()
    nulls: dict[tuple[str, ...], FloatArray] = {}
    for system in comparing.whole_systems:
        say(f"{system}: permuting personas within items, {comparing.inputs.settings.permutations} times a dimension")
        for template in comparing.matrix.templates:
            for dimension, names in comparing.dimensions(system, template):
                nulls[system, dimension, template, ALPHA] = _null_of_alphas(comparing, system, template, names)
    return shares_of(comparing, pairs, nulls)


def shares_of(comparing: Comparing, pairs: pd.DataFrame, nulls: dict[tuple[str, ...], FloatArray]) -> pd.DataFrame:
    """One row a system, dimension, wording and measure.

    Args:
        comparing: settings and statements.
        pairs: the table `PairTests`.
        nulls: key of a row -> (permutations,) shares of no difference.
    """
    settings = comparing.inputs.settings
    rows = []
    for key, part in pairs.groupby(_KEYS, sort=False):
        names = dict(zip(_KEYS, map(str, key), strict=True))
        p = part["p"].dropna().to_numpy(float)
        differing = int((p < settings.significance).sum())
        null = nulls[tuple(names.values())]
        rows.append(
            {
                **names,
                "pairs": len(part),
                "tested": len(p),
                "differing": differing,
                "share": differing / len(p) if len(p) else np.nan,
                "share_holm": _corrected(p, "holm", settings.significance),
                "share_fdr_bh": _corrected(p, "fdr_bh", settings.significance),
                "expected": settings.significance,
                **_against(null, differing / len(p) if len(p) else np.nan),
                "disagreement": part["disagreement"].mean(),
                "query": comparing.queries.table("pair_tests", names, "first_id, second_id, p"),
            }
        )
    return pd.DataFrame(rows)


def null_of_similarities(
    scores: FloatArray, zero_method: str, significance: float, permutations: int, seed: int
) -> FloatArray:
    """(permutations,) shares of pairs that differ when scores (items, personas) are permuted within items."""
    rng = np.random.default_rng(seed)
    items, personas = scores.shape
    pairs = all_pairs_of(personas)
    step = max(1, _AT_ONCE // (items * len(pairs)))
    shares: list[FloatArray] = []
    for start in range(0, permutations, step):
        count = min(step, permutations - start)
        dealt = rng.permuted(np.tile(scores[:, None, :], (1, count, 1)), axis=2)
        which = (pairs[None] + personas * np.arange(count)[:, None, None]).reshape(-1, 2)
        found = signed_rank_tests(dealt.reshape(items, -1), which, zero_method=zero_method)
        shares.append(_shares(found.p.reshape(count, -1), significance))
    return np.concatenate(shares)


def _null_of_alphas(comparing: Comparing, system: str, template: str, names: Sequence[str]) -> FloatArray:
    settings = comparing.inputs.settings
    base = comparing.codes(system, [comparing.reference(template)])[:, 0].astype(np.int64)
    columns: IntArray = comparing.codes(system, [(name, template) for name in names]).astype(np.int64)
    found = differing_share(
        base,
        columns,
        significance=settings.significance,
        adjust=("none",),
        permutations=settings.permutations,
        seed=settings.seed,
        **comparing.counting.of_test,
    )
    return found.null[:, 0]


def _shares(p: FloatArray, significance: float) -> FloatArray:
    """(permutations,) from p values (permutations, pairs), over the pairs that can be tested."""
    with np.errstate(invalid="ignore", divide="ignore"):
        found: FloatArray = (p < significance).sum(axis=1) / np.isfinite(p).sum(axis=1)
    return found


def _corrected(p: FloatArray, method: str, significance: float) -> float:
    return float((adjust_p_values(p, method) < significance).mean()) if len(p) else float("nan")


def _against(null: FloatArray, share: float) -> dict[str, float]:
    known = null[np.isfinite(null)]
    if not len(known) or np.isnan(share):
        return {"null_mean": np.nan, "null_95": np.nan, "p": np.nan}
    larger = int((known >= share - 1e-9).sum())
    return {
        "null_mean": float(known.mean()),
        "null_95": float(np.quantile(known, 0.95, method="inverted_cdf")),
        "p": (larger + 1) / (len(known) + 1),
    }
