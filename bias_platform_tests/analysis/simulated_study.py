"""Studies with made-up answers of known coefficients, in place of a model's answers."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from bias_platform.analysis import StudyInputs
from bias_platform.catalog.engine_settings import EngineSettings
from bias_platform.catalog.entries import (
    AnalysisSettings,
    ChangeContrast,
    OptionEntry,
    StudyEntry,
    TaskEntry,
)
from bias_platform_tests.analysis.simulated_outcomes import SIZES, Design, Drawn, FloatArray, Truth, draw

__all__ = ["BASELINE", "CONTROL", "OPTIONS", "SIZES", "Design", "SimulatedStudy", "Truth", "simulate_study"]
CONTROL, BASELINE = "generic", "no-persona"
OPTIONS = ("Yes", "Maybe", "No", "Incomprehensible")


@dataclass(frozen=True)
class SimulatedStudy:
    """Inputs of an analysis, and what it should find."""

    inputs: StudyInputs
    truth: Truth
    personas: tuple[str, ...]


def simulate_study(design: Design, seed: int, scoring: str = "sum", **settings: Any) -> SimulatedStudy:
    """Draws a study; `settings` go to its analysis."""
    rng = np.random.default_rng(seed)
    personas = [CONTROL, *(f"{d}-{k}" for d, size in design.sizes.items() for k in range(size))]
    drawn = draw(design, rng, len(personas))
    inputs = StudyInputs(
        predictions=_predictions(design, personas, drawn, rng),
        personas=persona_table(design.sizes),
        study=study_entry(design.systems, scoring, **settings),
        task=task_entry(),
        humans=_humans(design, rng),
        corpus_facts={"licence": "CC0-1.0", "language": "en"},
        templates={f"t{k}": f"Wording {k} of {{persona}}" for k in range(design.templates)},
    )
    return SimulatedStudy(inputs, drawn.truth, tuple(personas))


def _predictions(design: Design, personas: list[str], drawn: Drawn, rng: np.random.Generator) -> pd.DataFrame:
    table = _questions(design, personas, drawn.yes.shape)
    baseline = (table["persona_id"] == CONTROL) & (table["template_id"] == "t0") & (table["option_order"] == "0-1-2-3")
    again = table[baseline].assign(persona_id=BASELINE, template_id=None)
    place = np.concatenate([np.arange(len(table)), again.index.to_numpy()])
    table = pd.concat([table, again], ignore_index=True)
    said = drawn.yes.ravel()[place]
    maybe = ~said & (rng.random(len(said)) < design.maybe)
    answer = np.where(said, "Yes", np.where(maybe, "Maybe", "No")).astype(object)
    item = np.unravel_index(place, drawn.yes.shape)[0]
    lost = rng.random(len(said)) < design.lost * drawn.loss[item] / drawn.loss.mean()
    aside = lost & (rng.random(len(said)) < 0.5)
    answer[aside] = "Incomprehensible"
    answer[lost & ~aside] = None
    scores = _scores(drawn.margins.ravel()[place], lost & ~aside) if drawn.margins is not None else [None] * len(said)
    return table.assign(
        question_id=[f"{k:032x}" for k in range(len(table))],
        cell_id=[f"{k:032x}" for k in range(len(table))],
        replicate=0,
        outcome=np.where(lost & ~aside, "refused", "answered"),
        answer=answer,
        option_logprobs=pd.Series(scores, dtype=object),
        raw_text=None,
        finish=None,
        detail=None,
    )


def _questions(design: Design, personas: list[str], shape: tuple[int, ...]) -> pd.DataFrame:
    levels = {
        "item_id": [f"item{k:05d}" for k in range(shape[0])],
        "system": list(design.systems),
        "persona_id": personas,
        "template_id": [f"t{k}" for k in range(shape[3])],
        "option_order": ["0-1-2-3", "3-2-1-0", "2-3-0-1", "1-0-3-2"][: shape[4]],
    }
    index = np.indices(shape).reshape(len(shape), -1)
    return pd.DataFrame({name: np.array(levels[name], dtype=object)[index[k]] for k, name in enumerate(levels)})


def _scores(margins: FloatArray, lost: "np.ndarray[Any, np.dtype[np.bool_]]") -> list[FloatArray | None]:
    """Log-probabilities of the options whose margin is as given; an option set aside takes 4 % of the whole."""
    yes = 0.96 * expit(margins)
    rest = 0.96 * expit(-margins)
    table = np.log(np.column_stack([yes, 0.1 * rest, 0.9 * rest, np.full(len(yes), 0.04)]))
    return [None if gone else row for gone, row in zip(lost, table, strict=True)]


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


def study_entry(systems: tuple[str, ...], scoring: str = "sum", **settings: Any) -> StudyEntry:
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
        engine=EngineSettings.model_validate({"scoring": scoring}),
        analysis=analysis,
    )


def task_entry(**changes: Any) -> TaskEntry:
    """Yes, Maybe, No, Incomprehensible."""
    task = TaskEntry(
        question="Is this rude? {content} {options}",
        options=tuple(OptionEntry(value=value) for value in OPTIONS),
        positive=("Yes",),
        positive_lenient=("Yes", "Maybe"),
        set_aside=("Incomprehensible",),
    )
    return task.model_copy(update=changes)


def _humans(design: Design, rng: np.random.Generator) -> pd.DataFrame:
    yes = rng.binomial(3, 0.5, design.items)
    return pd.DataFrame({"item_id": [f"item{k:05d}" for k in range(design.items)], "annotators": 3, "yes": yes})


def digest(results: Any) -> str:
    """A hash of every result table, to compare two runs."""
    parts = [f"{name}:{table.to_json(double_precision=12)}" for name, table in sorted(results.tables.items())]
    return hashlib.sha256("".join(parts).encode()).hexdigest()
