"""How often item-paired intervals hold the truth, how wide they are, and how often their tests err.

Gaps by item between two personas (or differences of two such gaps) are drawn many times from four kinds of items, with
3 answers an item (3 wordings) or 12 (in 4 orders of the options besides), and put through
`analysis.item_pairs.paired_differences`. Two other intervals stand beside it: the plain t interval over items, and that
of an earlier rule, which added two items only where fewer than ten differed at all.

- *turned*: items are Yes or No for everybody, but the persona turns a share of them wholly; single answers flip.
- *degrees*: items have log-odds of their own, and personas on them (`assumed_answers.GradedItems`).
- *equal*: nothing differs but by flips of single answers.
- *change*: the difference of two independent gaps of the first kind; its bound is 2.

`equivalence_error` is how often two one-sided tests claim a difference to lie within a margin that it is just as large
as; for the present rule with `skewness_shift`, as in the report.

Run `OMP_NUM_THREADS=1 python -m benchmarks.paired_interval_coverage`; results go to
benchmarks/results/paired_interval_coverage.json.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

from bias_platform.analysis.assumed_answers import GradedItems
from bias_platform.analysis.comparisons import equivalence_p
from bias_platform.analysis.item_pairs import PairedDifferences, paired_differences, skewness_shift

FloatArray = NDArray[np.float64]
RESULTS = Path(__file__).parent / "results" / "paired_interval_coverage.json"
LEVEL = 0.95
ITEMS = (20, 60, 120, 600)
BATCH = 500
"""Studies drawn at once."""


class Design(NamedTuple):
    """One kind of study and what is true in it."""

    kind: str
    items: int
    answers: int
    """Of an item for each persona."""
    about: str
    truth: float
    draw: Callable[[np.random.Generator, int], FloatArray]
    """(generator, studies) -> gaps (items, studies)."""
    bound: float = 1.0


def turned_items(items: int, answers: int, up: float, down: float, flips: float) -> Design:
    """Shares `up` and `down` of all items turn wholly to Yes and to No; single answers flip."""

    def draw(rng: np.random.Generator, studies: int) -> FloatArray:
        yes, chance = rng.random((items, studies)) < 0.5, rng.random((items, studies))
        told = np.where(yes, chance >= 2 * down, chance < 2 * up)
        told, usual = (rng.binomial(answers, np.where(one, 1 - flips, flips)) / answers for one in (told, yes))
        return np.asarray(told - usual)

    kind = "turned" if up or down else "equal"
    about = f"{up:.0%} up, {down:.0%} down, {flips:.0%} of answers flip"
    return Design(kind, items, answers, about, (up - down) * (1 - 2 * flips), draw)


def graded_items(items: int, answers: int, base_rate: float, gap: float) -> Design:
    """Items judged by degrees; wordings have no effect of their own."""
    assumed = GradedItems(base_rate=base_rate, wording_sd=0.0, wording_system_sd=0.0)
    middle = [assumed.log_odds(base_rate + gap), assumed.log_odds(base_rate)]
    own = np.hypot(assumed.item_persona_sd, assumed.item_persona_system_sd)
    shared = np.hypot(assumed.item_sd, assumed.item_system_sd)

    def draw(rng: np.random.Generator, studies: int) -> FloatArray:
        item = shared * rng.standard_normal((items, studies))
        latent = (at + item + own * rng.standard_normal((items, studies)) for at in middle)
        told, usual = (rng.binomial(answers, 1 / (1 + np.exp(-one))) / answers for one in latent)
        return np.asarray(told - usual)

    return Design("degrees", items, answers, f"{base_rate:.0%} Yes, {gap:.0%} more", gap, draw)


def change(after: Design, before: Design) -> Design:
    """The difference of two independent gaps."""

    def draw(rng: np.random.Generator, studies: int) -> FloatArray:
        return after.draw(rng, studies) - before.draw(rng, studies)

    about = f"{after.about}; before: {before.about}"
    return Design("change", after.items, after.answers, about, after.truth - before.truth, draw, 2.0)


def designs() -> Iterator[Design]:
    """All of them."""
    for items in ITEMS:
        for answers in (3, 12):
            for flips in (0.0, 0.02, 0.05):
                for up, down in ((0.0, 0.0), (0.02, 0.0), (0.05, 0.0), (0.1, 0.0), (0.05, 0.02), (0.05, 0.05)):
                    yield turned_items(items, answers, up, down, flips)
                for up in (0.0, 0.05):
                    before = turned_items(items, answers, 0.02, 0.02, flips)
                    yield change(turned_items(items, answers, up + 0.02, 0.02, flips), before)
            for base_rate in (0.45, 0.1):
                for gap in (0.0, 0.05, 0.2):
                    yield graded_items(items, answers, base_rate, gap)


def added_where_few_differ(gaps: FloatArray, bound: float) -> PairedDifferences:
    """The earlier rule: two items of opposite sign where fewer than ten have another gap than the most common one."""
    items = len(gaps)
    rounded = np.sort(np.round(gaps / 1e-9), axis=0)
    shared = np.array([np.unique(column, return_counts=True)[1].max() for column in rounded.T])
    added = np.where(items - shared < 10, 2.0, 0.0)
    size = np.maximum(1.0, np.abs(gaps).max(axis=0))
    count = items + added
    center = gaps.sum(axis=0) / count
    spread = np.maximum((gaps**2).sum(axis=0) + added * size**2 - count * center**2, 0.0)
    return _interval(gaps.mean(axis=0), center, np.sqrt(spread / (count - 1) / count), count - 1, bound)


def plain(gaps: FloatArray, bound: float) -> PairedDifferences:
    """Student's interval over items."""
    error = gaps.std(axis=0, ddof=1) / np.sqrt(len(gaps))
    mean = gaps.mean(axis=0)
    return _interval(mean, mean, error, np.full(len(mean), len(gaps) - 1.0), bound)


def _interval(
    mean: FloatArray, center: FloatArray, error: FloatArray, df: FloatArray, bound: float
) -> PairedDifferences:
    reach = student.ppf(0.5 + LEVEL / 2, df) * error
    lower = np.minimum(np.maximum(center - reach, -bound), mean)
    upper = np.maximum(np.minimum(center + reach, bound), mean)
    with np.errstate(invalid="ignore", divide="ignore"):
        p = np.where(error > 0, 2 * student.sf(np.abs(center) / error, df), np.where(center == 0, 1.0, 0.0))
    return PairedDifferences(mean, error, lower, upper, df, p, np.zeros(len(mean), dtype=np.int64))


OURS = "now"
RULES: dict[str, Callable[[FloatArray, float], PairedDifferences]] = {
    OURS: lambda gaps, bound: paired_differences(gaps, LEVEL, bound),
    "earlier rule": added_where_few_differ,
    "plain t": plain,
}


def row(design: Design, studies: int, seed: int) -> dict[str, Any]:
    """What came of many studies of a design."""
    sums: dict[str, FloatArray] = {}
    for number in range(0, studies, BATCH):
        rng = np.random.default_rng([seed, number])
        gaps = design.draw(rng, min(BATCH, studies - number))
        gaps = np.where(np.abs(gaps) < 1e-9, 0.0, gaps)
        for name, rule in RULES.items():
            sums[name] = sums.get(name, np.zeros(4)) + _counts(rule(gaps, design.bound), gaps, design, name == OURS)
    labels = {"kind": design.kind, "items": design.items, "answers": design.answers, "about": design.about}
    found: dict[str, Any] = {**labels, "truth": round(design.truth, 5)}
    for name, total in sums.items():
        covered, width, rejected, claimed = (float(value) / studies for value in total)
        error = np.sqrt(covered * (1 - covered) / studies)
        found[name] = {"coverage": round(covered, 4), "monte_carlo_error": round(error, 4), "width": round(width, 4)}
        found[name]["rejected"] = round(rejected, 4)
        if _equivalence_is_tested(design):
            found[name]["equivalence_error"] = round(claimed, 4)
    return found


def _equivalence_is_tested(design: Design) -> bool:
    """Where it is: as many items as the report asks for (the rule of three)."""
    return design.truth > 0 and design.items * design.truth >= 3.0


def _counts(found: PairedDifferences, gaps: FloatArray, design: Design, ours: bool) -> FloatArray:
    """Sums over studies: truth held, width, no difference rejected, equivalence claimed at a margin of the truth."""
    shift = skewness_shift(gaps, LEVEL) if ours else 0.0
    held = (found.lower - 1e-9 <= design.truth) & (design.truth <= found.upper + 1e-9)
    claimed = 0
    if _equivalence_is_tested(design):
        table = pd.DataFrame(
            {"difference": found.difference + shift, "standard_error": found.standard_error, "df": found.df},
        )
        items = np.full(len(table), float(design.items))
        claimed = int((equivalence_p(table, design.truth, items) < 1 - LEVEL).sum())
    width = (found.upper - found.lower).sum()
    return np.array([held.sum(), width, (found.p_value < 1 - LEVEL).sum(), claimed], dtype=float)


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """By kind, answers and items: lowest and highest coverage, largest errors of tests, widths beside the plain t."""
    made = []
    table = pd.DataFrame(rows)
    for key, part in table.groupby(["kind", "answers", "items"], sort=False):
        kind, answers, items = map(str, key)
        one: dict[str, Any] = {"kind": kind, "answers": int(answers), "items": int(items)}
        for name in RULES:
            found = pd.DataFrame(list(part[name]))
            none = found["rejected"][(part["truth"] == 0).to_numpy()]
            one[name] = {
                "lowest_coverage": float(found["coverage"].min()),
                "mean_coverage": round(float(found["coverage"].mean()), 4),
                "highest_coverage": float(found["coverage"].max()),
                "mean_width": round(float(found["width"].mean()), 4),
                "largest_error_of_test": float(none.max()) if len(none) else None,
                "largest_equivalence_error": _largest(found, "equivalence_error"),
            }
        made.append(one)
    return made


def _largest(found: pd.DataFrame, column: str) -> float | None:
    known = found[column].dropna() if column in found else pd.Series(dtype=float)
    return float(known.max()) if len(known) else None


def main() -> None:
    """Runs the benchmark and writes its results."""
    parser = argparse.ArgumentParser(description="coverage of item-paired intervals")
    parser.add_argument("--studies", type=int, default=4_000, help="studies a design")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    start = time.time()
    rows = [row(design, options.studies, number) for number, design in enumerate(designs())]
    short = summary(rows)
    report = {
        "what": "item-paired 95 % intervals and 5 % tests; `rejected`: an error where the truth is 0, else power",
        "studies": options.studies,
        "summary": short,
        "designs": rows,
        "seconds": round(time.time() - start),
    }
    options.out.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    print(pd.json_normalize(short).to_string())


if __name__ == "__main__":
    main()
