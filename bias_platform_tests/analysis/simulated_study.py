"""Studies with made-up answers of known coefficients, in place of a model's answers."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from bias_platform.analysis import StudyInputs
from bias_platform.catalog.entries import AnalysisSettings, ChangeContrast, OptionEntry, StudyEntry, TaskEntry

FloatArray = NDArray[np.float64]
SIZES = {"gender": 5, "orientation": 3, "intersection": 6, "politics": 6, "race": 7}
CONTROL, BASELINE = "generic", "no-persona"
OPTIONS = ("Yes", "Maybe", "No", "Incomprehensible")


@dataclass(frozen=True)
class Design:
    """Sizes and coefficients of a simulated study; deviations are on the logit scale."""

    items: int = 40
    templates: int = 3
    systems: tuple[str, ...] = ("small", "small+tuned")
    sizes: Mapping[str, int] = field(default_factory=lambda: dict(SIZES))
    intercepts: tuple[float, ...] = (0.3, 0.0)
    persona_sd: float = 0.4
    """Of the personas' true effects, drawn once a study and system; 0: no persona differs."""
    system_persona_sd: float = 0.25
    item_sd: float = 1.3
    item_system_sd: float = 0.5
    item_persona_sd: float = 0.3
    item_persona_system_sd: float = 0.0
    wording_sd: float = 0.15
    wording_system_sd: float = 0.1
    maybe: float = 0.0
    """Share of the not-Yes answers that are Maybe."""
    lost: float = 0.0
    """Share of the questions without a judgement."""
    bimodal: bool = False
    """Items are Yes (40 %) or No for everybody, 3 % of the answers flipped; each persona turns a share of the No items
    to Yes, drawn from 0 to 10 % by system. The deviations and intercepts above are then not used."""


@dataclass(frozen=True)
class Truth:
    """True probabilities (systems, personas), control first: at the drawn wordings, and over all wordings."""

    these: FloatArray
    beyond: FloatArray
    these_log_odds: FloatArray
    """For the item in the middle; NaN where answers do not follow the model."""
    beyond_log_odds: FloatArray


@dataclass(frozen=True)
class SimulatedStudy:
    """Inputs of an analysis, and what it should find."""

    inputs: StudyInputs
    truth: Truth
    personas: tuple[str, ...]


def simulate_study(design: Design, seed: int, **settings: Any) -> SimulatedStudy:
    """Draws a study from model A."""
    rng = np.random.default_rng(seed)
    personas = [CONTROL, *(f"{d}-{k}" for d, size in design.sizes.items() for k in range(size))]
    systems, templates = len(design.systems), design.templates
    effect = design.persona_sd * rng.standard_normal(len(personas))
    effects = effect + design.system_persona_sd * rng.standard_normal((systems, len(personas)))
    if design.persona_sd == 0:
        effects[:] = 0.0
    fixed = np.array(design.intercepts[:systems])[:, None] + effects
    wording = design.wording_sd * rng.standard_normal((len(personas), templates))
    wordings = wording + design.wording_system_sd * rng.standard_normal((systems, len(personas), templates))
    template = np.linspace(-0.2, 0.2, templates) if templates > 1 else np.zeros(1)
    cells = fixed[:, :, None] + template + wordings
    if design.bimodal:
        yes, truth = _bimodal(design, rng, len(personas))
    else:
        eta = cells[None] + _item_effects(design, rng, len(personas))
        yes = rng.random(eta.shape) < expit(eta)
        truth = _logistic_truth(design, cells, fixed[:, :, None] + template)
    inputs = StudyInputs(
        predictions=_predictions(design, personas, yes, rng),
        personas=persona_table(design.sizes),
        study=study_entry(design.systems, **settings),
        task=task_entry(),
        humans=_humans(design, rng),
        corpus_facts={"licence": "CC0-1.0", "language": "en"},
        templates={f"t{k}": f"Wording {k} of {{persona}}" for k in range(templates)},
    )
    return SimulatedStudy(inputs, truth, tuple(personas))


def _logistic_truth(design: Design, cells: FloatArray, typical: FloatArray) -> Truth:
    """From the log-odds (systems, personas, wordings) at the drawn wordings, and of wordings without an effect."""
    by_item = (design.item_sd, design.item_system_sd, design.item_persona_sd, design.item_persona_system_sd)
    over_items = float(np.sqrt(sum(sd**2 for sd in by_item)))
    over_all = float(np.sqrt(over_items**2 + design.wording_sd**2 + design.wording_system_sd**2))
    return Truth(
        these=integrated(cells, over_items).mean(axis=2),
        beyond=integrated(typical, over_all).mean(axis=2),
        these_log_odds=cells.mean(axis=2),
        beyond_log_odds=typical.mean(axis=2),
    )


def _bimodal(design: Design, rng: np.random.Generator, personas: int) -> tuple[NDArray[np.bool_], Truth]:
    """Answers (items, systems, personas, wordings) of items that are nearly decided, and the truth."""
    systems, base, flip = len(design.systems), 0.4, 0.03
    lift = rng.uniform(0.0, 0.1, (systems, personas))
    said = rng.random((design.items, 1, 1)) < base
    said = said | (rng.random((design.items, systems, personas)) < lift)
    yes = said[..., None] ^ (rng.random((*said.shape, design.templates)) < flip)
    rate = base + (1.0 - base) * lift
    truth = rate * (1.0 - flip) + (1.0 - rate) * flip
    unknown = np.full_like(truth, np.nan)
    return yes, Truth(truth, truth, unknown, unknown)


def integrated(eta: FloatArray, sd: float) -> FloatArray:
    """Mean of the inverse logit of eta + sd * normal, by a fine grid that shares nothing with the package."""
    at = (np.arange(2001) + 0.5) / 2001
    from scipy.stats import norm

    return np.stack([expit(part[..., None] + sd * norm.ppf(at)).mean(axis=-1) for part in eta])


def _item_effects(design: Design, rng: np.random.Generator, personas: int) -> FloatArray:
    systems = len(design.systems)
    item = design.item_sd * rng.standard_normal((design.items, 1, 1, 1))
    by_system = design.item_system_sd * rng.standard_normal((design.items, systems, 1, 1))
    by_persona = design.item_persona_sd * rng.standard_normal((design.items, 1, personas, 1))
    if not design.item_persona_system_sd:  # no draw: studies of the other designs stay what they were
        return item + by_system + by_persona
    by_both = design.item_persona_system_sd * rng.standard_normal((design.items, systems, personas, 1))
    return item + by_system + by_persona + by_both


def _predictions(design: Design, personas: list[str], yes: NDArray[np.bool_], rng: np.random.Generator) -> pd.DataFrame:
    shape = yes.shape
    index = np.indices(shape).reshape(4, -1)
    table = pd.DataFrame(
        {
            "item_id": np.array([f"item{k:05d}" for k in range(shape[0])], dtype=object)[index[0]],
            "system": np.array(design.systems, dtype=object)[index[1]],
            "persona_id": np.array(personas, dtype=object)[index[2]],
            "template_id": np.array([f"t{k}" for k in range(shape[3])], dtype=object)[index[3]],
        }
    )
    said = yes.ravel()
    baseline = table[(table["persona_id"] == CONTROL) & (table["template_id"] == "t0")]
    said = np.concatenate([said, said[baseline.index]])
    baseline = baseline.assign(persona_id=BASELINE, template_id=None)
    table = pd.concat([table, baseline], ignore_index=True)
    maybe = ~said & (rng.random(len(said)) < design.maybe)
    answer = np.where(said, "Yes", np.where(maybe, "Maybe", "No")).astype(object)
    lost = rng.random(len(said)) < design.lost
    aside = lost & (rng.random(len(said)) < 0.5)
    answer[aside] = "Incomprehensible"
    answer[lost & ~aside] = None
    logprobs = np.log(np.full((len(said), 4), 0.1))
    logprobs[np.arange(len(said)), np.where(said, 0, 2)] = np.log(0.7)
    return table.assign(
        question_id=[f"{k:032x}" for k in range(len(table))],
        cell_id=[f"{k:032x}" for k in range(len(table))],
        option_order="0-1-2-3",
        replicate=0,
        outcome=np.where(lost & ~aside, "refused", "answered"),
        answer=answer,
        option_logprobs=list(logprobs),
        raw_text=None,
        detail=None,
    )


def persona_table(sizes: Mapping[str, int]) -> pd.DataFrame:
    """Table `Personas` with a control and a baseline."""
    rows = [(CONTROL, "control", "control", "generic person", {}), (BASELINE, "baseline", "baseline", "no persona", {})]
    for dimension, size in sizes.items():
        rows += [
            (f"{dimension}-{k}", dimension, "named", f"{dimension} {k}", {"half": "ab"[k % 2]}) for k in range(size)
        ]
    table = pd.DataFrame(rows, columns=["persona_id", "dimension", "role", "label", "attributes"])
    table["attributes"] = table["attributes"].map(json.dumps)
    return table.assign(phrase=table["label"].where(table["role"] != "baseline"))


def study_entry(systems: tuple[str, ...], **settings: Any) -> StudyEntry:
    """A declared study; `settings` go to its analysis."""
    changes = tuple(ChangeContrast.model_validate({"from": systems[0], "to": s}) for s in systems[1:])
    analysis = AnalysisSettings.model_validate({"changes": changes, **settings})
    return StudyEntry(
        title="A simulated study",
        task="offensiveness",
        corpus="simulated",
        persona_set="simulated",
        template_set="simulated",
        systems=systems,
        analysis=analysis,
    )


def task_entry() -> TaskEntry:
    """Yes, Maybe, No, Incomprehensible."""
    return TaskEntry(
        question="Is this rude? {content} {options}",
        options=tuple(OptionEntry(value=value) for value in OPTIONS),
        positive=("Yes",),
        positive_lenient=("Yes", "Maybe"),
        set_aside=("Incomprehensible",),
    )


def _humans(design: Design, rng: np.random.Generator) -> pd.DataFrame:
    yes = rng.binomial(3, 0.5, design.items)
    return pd.DataFrame({"item_id": [f"item{k:05d}" for k in range(design.items)], "annotators": 3, "yes": yes})


def digest(results: Any) -> str:
    """A hash of every result table, to compare two runs."""
    parts = [f"{name}:{table.to_json(double_precision=12)}" for name, table in sorted(results.tables.items())]
    return hashlib.sha256("".join(parts).encode()).hexdigest()
