"""Intervals and tests of the report's further questions on studies whose truth is known.

Answers, judgements and errors are drawn from known coefficients and put through the functions that make a report:
crossed personas (two by three, and their parts), wordings, changes of spreads, errors by target group, people of a
persona's own group. Counted are how often 95 % intervals hold the truth (probability scale, by numerical integration;
log-odds for model C) and how often tests at 5 %, not adjusted, reject what is true. Rows of one study are not
independent, so the Monte-Carlo interval of a share is made from studies: mean and standard error of each study's share.

Run `OMP_NUM_THREADS=1 python -m benchmarks.further_questions_calibration`; results go to
benchmarks/results/further_questions_calibration.json. `--only NAME` runs one design and keeps the others.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from bias_platform.analysis.answers import prepare_answers
from bias_platform.analysis.error_models import fit_errors
from bias_platform.analysis.error_surface import error_surface
from bias_platform.analysis.intersections import crossed_contrasts, crossed_tests
from bias_platform.analysis.material import Material, gather
from bias_platform.analysis.people import people_of_personas
from bias_platform.analysis.people_gaps import people_distances, people_gaps
from bias_platform.analysis.people_models import fit_people
from bias_platform.analysis.spread_changes import signed_root, spread_changes
from bias_platform.analysis.wording_effects import wording_effects
from bias_platform.schemas.results import BEYOND_WORDING, PRIMARY, THESE_WORDINGS
from bias_platform.schemas.results_of_people import BEYOND_CONTROL, GENERIC, NEARER_THAN_CONTROL, OWN_AND_OTHERS
from bias_platform_tests.analysis.simulated_outcomes import FloatArray, integrated
from bias_platform_tests.analysis.simulated_people import (
    GRID,
    GRID_SIZES,
    Answered,
    Panel,
    Sampled,
    answered,
    inputs_of,
    judgements_of,
)
from bias_platform_tests.analysis.simulated_study import CONTROL

RESULTS = Path(__file__).parent / "results" / "further_questions_calibration.json"
Hit = tuple[str, bool]
"""What is claimed, and whether it is right (of an interval) or was rejected (of a test)."""


def _material(
    found: Answered, dimensions: Mapping[str, Any], attributes: Mapping[str, Any], **settings: Any
) -> Material:
    inputs = inputs_of(found, dimensions, attributes, **settings)
    return gather(prepare_answers(inputs), PRIMARY, inputs.study.analysis)


def _held(name: str, row: Any, truth: float) -> Hit:
    return f"{name}: interval holds the truth", bool(row.lower - 1e-9 <= truth <= row.upper + 1e-9)


def crossed(design: Sampled, null: bool, seed: int) -> Iterator[Hit]:
    """Interactions, wordings and changes of spreads of one study."""
    rng = np.random.default_rng(seed)
    personas = [CONTROL, *(p for members in GRID_SIZES.values() for p in members)]
    low, high = (0.0, 0.1) if design.decided else (-0.6, 0.6)
    effects = {p: 0.0 if null else rng.uniform(low, high, len(design.systems)) for p in personas}
    if null and design.decided:
        effects = dict.fromkeys(personas, 0.05)
    found = answered(replace(design, effects=effects), personas, rng)
    change = [{"from": design.systems[0], "to": design.systems[1]}]
    material = _material(found, GRID_SIZES, {}, changes=change, seed=seed)
    true = [scope for scope in material.scopes if null and (scope == BEYOND_WORDING or not design.wording_sd)]
    yield from _crossed_hits(material, found, true)
    yield from _wording_hits(material, found, design)
    yield from _spread_hits(material, found, true)


def _truths(found: Answered, scope: str) -> FloatArray:
    return found.probability.mean(axis=2) if scope == THESE_WORDINGS else found.beyond


def _crossed_hits(material: Material, found: Answered, true: list[str]) -> Iterator[Hit]:
    """`true`: the scopes in which no persona differs."""
    table = crossed_contrasts(material, {"ab": GRID})
    for row in table.itertuples():
        truths = _truths(found, str(row.scope))[material.cube.system(str(row.system))]
        words = str(row.combination).split()
        signed = zip(words[::2], words[1::2], strict=True)
        truth = sum((1 if sign == "+" else -1) * truths[found.personas.index(p)] for sign, p in signed)
        yield _held(f"{row.kind}, {row.scope}", row, float(truth))
    for row in crossed_tests(material, {"ab": GRID}).itertuples():
        if row.scope in true:
            yield f"{row.kind}, {row.scope}: joint test rejects", bool(row.p_value < 0.05)


def _wording_hits(material: Material, found: Answered, design: Sampled) -> Iterator[Hit]:
    truth = found.probability.mean(axis=1)
    truth = truth - truth.mean(axis=1, keepdims=True)
    for row in wording_effects(material.answers, material.wording, material.settings).itertuples():
        at = truth[design.systems.index(str(row.system)), int(str(row.template_id)[1:])]
        yield _held("wording effect", row, float(at))


def _spread_hits(material: Material, found: Answered, true: list[str]) -> Iterator[Hit]:
    """`true`: the scopes in which spreads are alike."""
    for row in spread_changes(material).itertuples():
        at = [found.personas.index(p) for p in GRID_SIZES[str(row.dimension)]]
        first, second = _truths(found, str(row.scope))[:, at].var(axis=1, ddof=1)
        truth = signed_root(float(second - first))
        size = f"{row.personas} personas, {row.scope}"
        held = row.change_lower - 1e-9 <= truth <= row.change_upper + 1e-9
        yield f"change of spread, {size}: interval holds the truth", bool(held)
        if row.scope in true:
            yield f"change of spread, {size}: test rejects", bool(row.p_value < 0.05)
            if row.scope == THESE_WORDINGS:
                yield f"change of spread, {row.personas} personas: exchange test rejects", bool(row.exchange_p <= 0.05)


def permuted_spreads(design: Sampled, seed: int) -> Iterator[Hit]:
    """Spreads alike in both systems, but of different personas: a difference of patterns is none of spreads."""
    rng = np.random.default_rng(seed)
    effects: dict[str, Any] = {CONTROL: 0.0}
    for members in GRID_SIZES.values():
        values = np.linspace(-0.6, 0.6, len(members))
        pairs = zip(members, rng.permutation(values), rng.permutation(values), strict=True)
        effects.update({p: (a, b) for p, a, b in pairs})
    found = answered(replace(design, effects=effects), list(effects), rng)
    change = [{"from": design.systems[0], "to": design.systems[1]}]
    yield from _spread_hits(_material(found, GRID_SIZES, {}, changes=change, seed=seed), found, [THESE_WORDINGS])


def errors(design: Sampled, target_sds: tuple[float, float], planted: float, seed: int) -> Iterator[Hit]:
    """Rates and differences by target, and the test of the interaction of persona group and target.

    `target_sds`: of a persona on a target, and of a group of personas on an item. `planted`: log-odds of Yes that
    personas of the first group add on the first target.
    """
    rng = np.random.default_rng(seed)
    groups = {f"{g}-{k}": {"kind": g} for g in "xyz" for k in range(4)}
    personas = [CONTROL, *groups]
    target = np.arange(design.items) % 3
    liking = target_sds[0] * rng.standard_normal((3, 1, len(personas), 1))
    liking[0, 0, 1:5] += planted
    by_item = target_sds[1] * rng.standard_normal((design.items, 1, 3, 1))
    member = [0, *(["x", "y", "z"].index(one["kind"]) for one in groups.values())]
    effects = {p: 0.3 * rng.standard_normal() for p in personas}
    found = answered(replace(design, effects=effects), personas, rng, liking[target] + by_item[:, :, member])
    inputs = inputs_of(found, {"named": tuple(groups)}, groups, design.systems, groups="kind", minimum_minority=5)
    answers = prepare_answers(inputs)
    names = [f"item{k:05d}" for k in range(design.items)]
    humans = pd.DataFrame({"item_id": names, "annotators": 3, "yes": 3 * (seed % 2)})  # one kind of error a study
    material = gather(answers, PRIMARY, inputs.study.analysis)
    about = dict(zip(names, np.array(list("abc"))[target], strict=True))
    surface = error_surface(answers, material.cube, humans, about, material.settings)
    sd = float(np.sqrt(design.item_sd**2 + design.item_system_sd**2 + design.item_persona_sd**2 + target_sds[1] ** 2))
    yield from _rate_hits(surface.rates, found, effects, liking, sd)
    for row in fit_errors(answers, surface, material.settings).tests:
        if row["term"] == "group × target":
            what = "finds what is planted" if planted else "rejects"
            yield f"group × target: F test {what}", bool(float(str(row["f_p"])) < 0.05)


def _rate_hits(
    table: pd.DataFrame, found: Answered, effects: Mapping[str, float], liking: FloatArray, sd: float
) -> Iterator[Hit]:
    wording = np.linspace(-0.2, 0.2, found.yes.shape[3])
    for row in table[table["role"] != "group"].itertuples():
        if row.target not in "abc":
            continue
        p, t = found.personas.index(str(row.persona_id)), "abc".index(str(row.target))
        sign = 1.0 if row.kind == "false alarm" else -1.0
        rates = [
            float(integrated((effects[found.personas[k]] + liking[t, 0, k, 0] + wording)[None], sd).mean())
            for k in (p, 0)
        ]
        truth = rates[0] if sign > 0 else 1.0 - rates[0]
        size = "15 items or more" if row.items >= 15 else "10 to 14 items"
        yield f"error rate, {size}: interval holds the truth", bool(row.rate_lower <= truth <= row.rate_upper)
        if p:
            yield _held(f"difference of error rates, {size}", row, sign * (rates[0] - rates[1]))


def people(design: Sampled, panel: Panel, model: bool, seed: int) -> Iterator[Hit]:
    """One study with people of two kinds, and a persona of each."""
    rng = np.random.default_rng(seed)
    effects = {CONTROL: 0.2, "x-0": 0.5, "y-0": -0.3}
    found = answered(replace(design, effects=effects), list(effects), rng)
    traits = {"x-0": {"kind": "x"}, "y-0": {"kind": "y"}}
    material = _material(found, {"kind": ("x-0", "y-0")}, traits)
    whom = people_of_personas(material.answers, material.cube, judgements_of(panel, found.item, rng))
    own = float(np.hypot(design.item_system_sd, design.item_persona_sd))
    distance = _distances(design, panel, effects, own)
    models = fit_people(material.answers, material.cube, whom, 20)[0] if model else {}
    for row in people_gaps(material, whom, models).itertuples():
        asked = CONTROL if row.source == GENERIC else str(row.persona_id)
        base = panel.base[str(row.persona_id)[0]]
        rate = float(integrated(np.array([[base]]), float(np.hypot(design.item_sd, panel.annotator_sd)))[0, 0])
        system = found.probability.mean(axis=2)[0, found.personas.index(asked)]
        yield _held("system minus people", row, float(system) - rate)
        if np.isfinite(row.log_odds):
            link = effects[asked] - base
            yield "log-odds, model C: interval holds the truth", bool(row.log_odds_lower <= link <= row.log_odds_upper)
    for row in people_distances(material, whom).itertuples():
        yield _held(str(row.comparison), row, distance(str(row.comparison), str(row.persona_id)))


def _distances(design: Sampled, panel: Panel, effects: Mapping[str, float], own: float) -> Callable[[str, str], float]:
    """Truth by a grid over what all sources share of an item."""
    at = design.item_sd * norm.ppf((np.arange(200) + 0.5) / 200)
    wording = np.linspace(-0.2, 0.2, design.templates)
    said = {p: integrated(e + at[:, None] + wording, own).mean(axis=1) for p, e in effects.items()}
    judged = {g: integrated((b + at)[:, None], panel.annotator_sd)[:, 0] for g, b in panel.base.items()}

    def apart(persona: str, group: str) -> float:
        s, y = said[persona], judged[group]
        return float((s * (1 - y) + (1 - s) * y).mean())

    def truth(comparison: str, persona: str) -> float:
        mine, other = persona[0], "y" if persona[0] == "x" else "x"
        near = {NEARER_THAN_CONTROL: (persona, mine, CONTROL, mine), OWN_AND_OTHERS: (persona, mine, persona, other)}
        if comparison == BEYOND_CONTROL:
            one = apart(persona, mine) - apart(CONTROL, mine)
            return one - (apart(persona, other) - apart(CONTROL, other))
        a, b, c, d = near[comparison]
        return apart(a, b) - apart(c, d)

    return truth


_WORDED = Sampled(wording_sd=0.3)
_ONE = Sampled(items=36, templates=1, systems=("small",), item_persona_sd=0.0)
DESIGNS: dict[str, Callable[[int], Iterator[Hit]]] = {
    "crossed, personas differ": partial(crossed, Sampled(), False),
    "crossed, no persona differs": partial(crossed, Sampled(item_persona_sd=0.6), True),
    "crossed, personas differ, wordings too": partial(crossed, _WORDED, False),
    "crossed, no persona differs, wordings do": partial(crossed, _WORDED, True),
    "crossed, decided items": partial(crossed, Sampled(items=120, decided=True), False),
    "crossed, decided items, no persona differs": partial(crossed, Sampled(items=120, decided=True), True),
    "spreads alike, patterns not": partial(permuted_spreads, Sampled(items=120)),
    "errors, personas and items like targets": partial(errors, _ONE, (0.4, 0.4), 0.0),
    "errors, personas like targets": partial(errors, replace(_ONE, templates=2, item_persona_sd=0.4), (0.4, 0.0), 0.0),
    "errors, nobody likes targets": partial(errors, _ONE, (0.0, 0.0), 0.0),
    "errors, a group likes a target": partial(errors, _ONE, (0.2, 0.0), 1.5),
    "errors, two systems": partial(errors, replace(_ONE, items=60, systems=("small", "small+tuned")), (0.4, 0.3), 0.0),
    "people, 20 annotators": partial(people, Sampled(items=80), Panel(), False),
    "people, 8 annotators who differ": partial(people, Sampled(items=80), Panel(8, 2, annotator_sd=1.0), False),
    "people, uneven annotators": partial(
        people, Sampled(items=150), Panel(30, 3, annotator_sd=0.8, uneven=True), False
    ),
    "people, annotators alike": partial(people, Sampled(items=80), Panel(annotator_sd=0.0), False),
    "people, 40 annotators, model C": partial(people, Sampled(items=80), Panel(40, 2, annotator_sd=0.8), True),
    "errors, many items, personas like targets": partial(errors, replace(_ONE, items=120), (0.6, 0.2), 0.0),
    "errors, many items, a group likes a target": partial(errors, replace(_ONE, items=120), (0.3, 0.2), 1.5),
}


def one_study(task: tuple[str, int]) -> dict[str, tuple[int, int]]:
    """By claim: how many rows, and how many of them hold or reject."""
    name, number = task
    seed = int(np.random.SeedSequence([list(DESIGNS).index(name), number]).generate_state(1)[0])
    counts: dict[str, tuple[int, int]] = {}
    for claim, hit in DESIGNS[name](seed):
        rows, hits = counts.get(claim, (0, 0))
        counts[claim] = (rows + 1, hits + hit)
    return counts


def summary(studies: list[dict[str, tuple[int, int]]]) -> dict[str, Any]:
    """Share of each claim over studies, with a 95 % Monte-Carlo interval from studies."""
    found = {}
    for claim in dict.fromkeys(name for one in studies for name in one):
        counts = np.array([one[claim] for one in studies if claim in one], dtype=float)
        share = counts[:, 1].sum() / counts[:, 0].sum()
        apart = counts[:, 1] - share * counts[:, 0]
        error = float(np.sqrt((apart**2).sum()) / counts[:, 0].sum())
        bounds = {"lower": round(share - 1.96 * error, 4), "upper": round(share + 1.96 * error, 4)}
        found[claim] = {"share": round(share, 4), **bounds, "studies": len(counts), "rows": int(counts[:, 0].sum())}
    return found


def main() -> None:
    """Runs the benchmark, writing its results design by design."""
    parser = argparse.ArgumentParser(description="calibration of the report's further questions")
    parser.add_argument("--studies", type=int, default=500)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", action="append", choices=list(DESIGNS))
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    found = json.loads(options.out.read_text("utf-8"))["found"] if options.only and options.out.exists() else {}
    for name in options.only or DESIGNS:
        begun = time.monotonic()
        with ProcessPoolExecutor(options.processes) as pool:
            studies = list(pool.map(one_study, [(name, k) for k in range(options.studies)], chunksize=10))
        found[name] = summary(studies)
        print(f"{name}: {time.monotonic() - begun:.0f} s", flush=True)
        for claim, row in found[name].items():
            print(f"   {claim}: {row['share']} ({row['lower']} to {row['upper']}), {row['rows']} rows", flush=True)
        document = {
            "what": "shares of 95 % intervals that hold the truth, and of 5 % tests (not adjusted) that reject what is "
            "true; bounds: 95 % Monte-Carlo intervals over studies",
            "found": {one: found[one] for one in DESIGNS if one in found},
            "machine": {"python": platform.python_version()},
        }
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
