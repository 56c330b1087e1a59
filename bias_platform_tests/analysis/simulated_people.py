"""Studies with people, target groups and crossed personas, drawn from known coefficients on the logit scale."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.special import expit

from bias_platform.analysis import StudyInputs
from bias_platform.catalog.entries import CrossedDimension
from bias_platform_tests.analysis.simulated_outcomes import FloatArray, integrated
from bias_platform_tests.analysis.simulated_study import BASELINE, CONTROL, study_entry, task_entry

GRID = CrossedDimension(of=("a", "b"), cells={f"ab-{i}{j}": (f"a-{i}", f"b-{j}") for i in range(2) for j in range(3)})
"""Two personas of one dimension crossed with three of another."""
GRID_SIZES = {"a": ("a-0", "a-1"), "b": ("b-0", "b-1", "b-2"), "ab": tuple(GRID.cells)}


@dataclass(frozen=True)
class Sampled:
    """Standard deviations of what items, personas and wordings add; sizes."""

    items: int = 60
    templates: int = 3
    systems: tuple[str, ...] = ("small", "small+tuned")
    item_sd: float = 1.2
    item_system_sd: float = 0.4
    item_persona_sd: float = 0.3
    item_group_sd: float = 0.0
    wording_sd: float = 0.0
    """Of a persona in one wording; a wording's own effects are -0.2 to 0.2."""
    decided: bool = False
    """Items are Yes (half of them) or No for everybody; a persona turns a share of the No items, and 3 % of single
    answers are flipped."""
    effects: Mapping[str, float | Sequence[float]] = field(default_factory=dict)
    """Persona -> log-odds, one number or one a system; of decided items the share that is turned to Yes."""


@dataclass(frozen=True)
class Answered:
    """Yes (items, systems, personas, wordings), and the probability of it (systems, personas, wordings)."""

    yes: FloatArray
    probability: FloatArray
    beyond: FloatArray
    """(systems, personas): the same over all wordings of a persona."""
    personas: tuple[str, ...]
    item: FloatArray
    """(items,): what all sources share of an item."""


def answered(
    design: Sampled, personas: Sequence[str], rng: np.random.Generator, added: FloatArray | float = 0.0
) -> Answered:
    """Draws answers.

    Args:
        design: the study's coefficients.
        personas: the control first.
        rng: of all that is drawn.
        added: log-odds by (items, systems, personas, wordings), or what broadcasts to it.
    """
    shape = (len(design.systems), len(personas), design.templates)
    effect = np.array([np.broadcast_to(design.effects.get(p, 0.0), shape[0]) for p in personas], dtype=float).T
    if design.decided:
        return _decided(design, personas, rng, effect)
    wording = np.linspace(-0.2, 0.2, shape[2]) if shape[2] > 1 else np.zeros(1)
    cells = effect[:, :, None] + wording + design.wording_sd * rng.standard_normal(shape[1:])
    item = design.item_sd * rng.standard_normal(design.items)
    eta = cells[None] + item[:, None, None, None] + added
    eta = eta + design.item_system_sd * rng.standard_normal((design.items, shape[0], 1, 1))
    eta = eta + design.item_persona_sd * rng.standard_normal((design.items, 1, shape[1], 1))
    sd = float(np.sqrt(design.item_sd**2 + design.item_system_sd**2 + design.item_persona_sd**2))
    yes = (rng.random(eta.shape) < expit(eta)).astype(float)
    typical = np.broadcast_to(effect[:, :, None] + wording, cells.shape)
    beyond = integrated(typical, float(np.hypot(sd, design.wording_sd))).mean(axis=2)
    return Answered(yes, integrated(cells, sd), beyond, tuple(personas), item)


def _decided(design: Sampled, personas: Sequence[str], rng: np.random.Generator, turned: FloatArray) -> Answered:
    item = (rng.random(design.items) < 0.5).astype(float)
    said = item[:, None, None].astype(bool) | (rng.random((design.items, *turned.shape)) < turned)
    yes = said[..., None] ^ (rng.random((*said.shape, design.templates)) < 0.03)
    rate = 0.5 + 0.5 * turned
    share = 0.97 * rate + 0.03 * (1.0 - rate)
    by_wording = np.repeat(share[..., None], design.templates, axis=2)
    return Answered(yes.astype(float), by_wording, share, tuple(personas), item)


def inputs_of(
    found: Answered,
    dimensions: Mapping[str, Sequence[str]],
    attributes: Mapping[str, Mapping[str, str]] | None = None,
    systems: tuple[str, ...] = ("small", "small+tuned"),
    **settings: object,
) -> StudyInputs:
    """A study of these answers; `settings` go to its analysis."""
    items, _, people, wordings = found.yes.shape
    levels = {
        "item_id": [f"item{k:05d}" for k in range(items)],
        "system": list(systems),
        "persona_id": list(found.personas),
        "template_id": [f"t{k}" for k in range(wordings)],
    }
    assert people == len(found.personas)
    index = np.indices(found.yes.shape).reshape(4, -1)
    table = pd.DataFrame({name: np.array(levels[name], dtype=object)[index[k]] for k, name in enumerate(levels)})
    predictions = table.assign(
        option_order="0-1-2-3",
        question_id=[f"{k:032x}" for k in range(len(table))],
        cell_id=[f"{k:032x}" for k in range(len(table))],
        replicate=0,
        outcome="answered",
        answer=np.where(found.yes.ravel() > 0, "Yes", "No").astype(object),
        option_logprobs=pd.Series([None] * len(table), dtype=object),
        raw_text=None,
        finish=None,
        detail=None,
    )
    personas = _personas(dimensions, attributes or {})
    study = study_entry(systems, **settings)  # type: ignore[arg-type]
    return StudyInputs(predictions=predictions, personas=personas, study=study, task=task_entry())


def _personas(dimensions: Mapping[str, Sequence[str]], attributes: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    rows = [(CONTROL, "control", "control", "generic person"), (BASELINE, "baseline", "baseline", "no persona")]
    rows += [(p, d, "named", p.replace("-", " ")) for d, members in dimensions.items() for p in members]
    table = pd.DataFrame(rows, columns=["persona_id", "dimension", "role", "label"])
    traits = [json.dumps(dict(attributes.get(p, {}))) for p in table["persona_id"]]
    return table.assign(attributes=traits, phrase=table["label"].where(table["role"] != "baseline"))


@dataclass(frozen=True)
class Panel:
    """How people judge: log-odds = base + item + annotator."""

    annotators: int = 20
    """Of each group."""
    judgements: int = 2
    """Of each item by each group."""
    base: Mapping[str, float] = field(default_factory=lambda: {"x": 0.0, "y": 0.0})
    """Group -> log-odds."""
    annotator_sd: float = 0.6
    uneven: bool = False
    """Whether a few annotators do most of the work."""


def judgements_of(panel: Panel, item: FloatArray, rng: np.random.Generator) -> pd.DataFrame:
    """One row a judgement: item_id, annotator_id, yes, annotator_kind."""
    rows = []
    for group, base in panel.base.items():
        own = panel.annotator_sd * rng.standard_normal(panel.annotators)
        work = 1.0 / np.arange(1, panel.annotators + 1) if panel.uneven else np.ones(panel.annotators)
        for k, shift in enumerate(item):
            who = rng.choice(panel.annotators, panel.judgements, replace=False, p=work / work.sum())
            yes = rng.random(panel.judgements) < expit(base + shift + own[who])
            rows += [(f"item{k:05d}", f"{group}{a}", int(y), group) for a, y in zip(who, yes, strict=True)]
    return pd.DataFrame(rows, columns=["item_id", "annotator_id", "yes", "annotator_kind"])
