"""Agreement results of made numbers: every table has rows, every state of a pair occurs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import pandas as pd

from bias_platform.analysis.agreements.results import AgreementResults
from bias_platform.schemas import validate_table
from bias_platform.schemas.result_parts import conform
from bias_platform.schemas.results_of_agreement import AGREEMENT_TABLES, STATES

Rows = list[dict[str, object]]
NAN = float("nan")


@dataclass
class Made:
    """What is made up."""

    systems: Sequence[str] = ("small", "small+tuned")
    wordings: Sequence[str] = ("role", "identity", "answer-as")
    dimensions: Mapping[str, Sequence[str]] = field(
        default_factory=lambda: {"gender": ("man", "woman", "non-binary"), "race": ("Asian", "Black", "White", "other")}
    )
    measures: Sequence[str] = ("alpha",)
    headline: str = "The clearest: man and woman [pair_tests:2]."
    seed: int = 0

    @property
    def written(self) -> bool:
        """Whether answers are texts."""
        return "alpha" not in self.measures


def made_results(made: Made) -> AgreementResults:
    """The whole report, its tables checked against their schemas."""
    rng = np.random.default_rng(made.seed)
    rows = _of_texts(made, rng) if made.written else _of_options(made, rng)
    rows["pair_tests"] = _pairs(made, rng)
    rows["shares"] = _shares(made)
    rows["evenness"] = _evenness(made)
    rows["coverage"] = [{**_who(system, dimension, label), **_counts()} for system, dimension, label in _cells(made)]
    tables = {
        name: validate_table(conform(pd.DataFrame(rows.get(name, [])), schema), schema, name)
        for name, schema in AGREEMENT_TABLES.items()
    }
    summary = ("The least agreement [alphas:1].", "Nothing is at [alphas:9999] or [nowhere:1].")
    return AgreementResults(tables, made.headline, summary, ("Some cells failed [coverage:1].",), _facts(made))


def _cells(made: Made) -> list[tuple[str, str, str]]:
    return [(s, d, label) for s in made.systems for d, labels in made.dimensions.items() for label in labels]


def _who(system: str, dimension: str, label: str) -> dict[str, object]:
    return {"system": system, "persona_id": label, "label": label, "dimension": dimension, "query": f"SELECT '{label}'"}


def _counts() -> dict[str, object]:
    lost = {"refused": 1, "invalid": 2, "truncated": 0, "failed": 0}
    return {"items": 40, "cells": 120, "answered": 117, "coverage": 117 / 120, **lost}


def _alpha(value: float) -> dict[str, object]:
    known = np.isfinite(value)
    shares = dict.fromkeys(("almost_perfect", "substantial", "moderate", "fair", "slight"), 0.5 if known else NAN)
    return {
        "items": 39,
        "coverage": 0.975,
        "agreement": 0.9,
        "chance": 0.4,
        "alpha": value,
        "standard_error": 0.05 if known else NAN,
        "lower": value - 0.1,
        "upper": value + 0.1,
        "band": "substantial" if known else None,
        "reason": "" if known else "all answers are the same",
        **shares,
    }


def _of_options(made: Made, rng: np.random.Generator) -> dict[str, Rows]:
    cells = [(cell, wording) for cell in _cells(made) for wording in made.wordings]
    alphas: Rows = [
        {**_who(*cell), "role": "named", "template_id": wording, **_alpha(float(rng.uniform(0.3, 0.9)))}
        for cell, wording in cells
    ]
    alphas[0].update(_alpha(NAN))
    scores: Rows = [
        {
            **_who(*cell),
            "policy": "mode",
            "template_id": w,
            "items": 40,
            "coverage": 1.0,
            "accuracy": 0.8,
            "macro_f1": 0.7,
        }
        for cell, w in cells
    ]
    return {
        "alphas": alphas,
        "human_alphas": [_with_people(made, *cell, tuned, rng) for cell in _cells(made) for tuned in (False, True)],
        "recalls": [{**_who(*cell), **_recall(wording)} for cell, wording in cells],
        "label_scores": scores,
        "noise_alphas": [_again(system) for system in made.systems],
        "tuning_tests": _tuning(made),
    }


def _with_people(
    made: Made, system: str, dimension: str, label: str, tuned: bool, rng: np.random.Generator
) -> dict[str, object]:
    return {
        "policy": "unanimous",
        "attribute": dimension,
        "group": label,
        "persona_id": label,
        "label": label,
        "system": f"{made.systems[0]}+{label}" if tuned else system,
        "tuned_on_group": tuned,
        "template_id": made.wordings[0],
        "annotators": 2.5,
        "query": "SELECT 2",
        **_alpha(float(rng.uniform(0.3, 0.9))),
    }


def _again(system: str) -> dict[str, object]:
    persona = {"persona_id": "man", "label": "man", "template_id": None}
    return {"system": system, "repeat": "again", "query": "SELECT 3", **persona, **_alpha(0.87)}


def _recall(wording: str) -> dict[str, object]:
    return {
        "subset": "women",
        "title": "Posts about women",
        "template_id": wording,
        "items": 20,
        "answered": 19,
        "recognised": 16,
        "recall": 0.8,
        "lower": 0.58,
        "upper": 0.92,
    }


def _tuning(made: Made) -> Rows:
    return [
        {
            "policy": "unanimous-gender",
            "persona_id": "man",
            "label": "man",
            "attribute": "gender",
            "group": "man",
            "specific": f"{made.systems[0]}+man",
            "composite": made.systems[-1],
            "template_id": wording,
            "items": 30,
            "alpha_specific": 0.8,
            "alpha_composite": 0.75,
            "difference": -0.05,
            "standard_error": 0.03,
            "statistic": -1.67,
            "p": 0.1,
            "p_holm": 0.3,
            "p_fdr_bh": 0.1,
            "reason": "",
            "query": "SELECT 4",
        }
        for wording in made.wordings
    ]


def _of_texts(made: Made, rng: np.random.Generator) -> dict[str, Rows]:
    rows: Rows = []
    for measure in made.measures:
        for cell in _cells(made):
            for wording in made.wordings:
                value = float(rng.uniform(0.4, 0.8))
                numbers = {"items": 40, "coverage": 1.0, "similarity": value, "sd": 0.2, "same_text": 0.1}
                ends = {"lower": value - 0.05, "upper": value + 0.05}
                rows.append(
                    {**_who(*cell), "role": "named", "template_id": wording, "measure": measure, **numbers, **ends}
                )
    return {"similarities": rows}


def _pairs(made: Made, rng: np.random.Generator) -> Rows:
    rows: Rows = []
    for measure in made.measures:
        for system in made.systems:
            for wording in made.wordings:
                for dimension, labels in made.dimensions.items():
                    for first, second in combinations(labels, 2):
                        state = STATES[len(rows) % len(STATES)]
                        ends = {"first_id": first, "second_id": second, "first_label": first, "second_label": second}
                        where = {"system": system, "dimension": dimension, "template_id": wording, "measure": measure}
                        rows.append({**where, **ends, **_test(state, rng)})
    return rows


def _test(state: str, rng: np.random.Generator) -> dict[str, object]:
    p = float(rng.uniform(0.001, 0.04))
    difference = {"first": -0.1, "second": 0.1, "identical": 0.0, "untested": NAN}.get(state, 0.02)
    p = {"nonsignificant": 0.5, "identical": 1.0, "untested": NAN}.get(state, p)
    return {
        "items": 39,
        "first": 0.7,
        "second": 0.7 + difference,
        "difference": difference,
        "standard_error": NAN if state == "untested" else 0.04,
        "statistic": NAN if state == "untested" else 25 * difference,
        "p": p,
        "p_holm": min(1.0, 3 * p) if np.isfinite(p) else NAN,
        "p_fdr_bh": min(1.0, 2 * p) if np.isfinite(p) else NAN,
        "state": state,
        "disagreement": 0.15,
        "disagreement_lower": 0.08,
        "disagreement_upper": 0.25,
        "more_yes": 3,
        "fewer_yes": 2,
        "mcnemar_p": 1.0,
        "mcnemar_p_holm": 1.0,
        "reason": "the two sides have no item in common" if state == "untested" else "",
        "query": "SELECT 'a statement'",
    }


def _places(made: Made) -> Rows:
    return [
        {"system": s, "dimension": d, "template_id": w, "measure": m, "query": "SELECT 5"}
        for m in made.measures
        for s in made.systems
        for d in made.dimensions
        for w in made.wordings
    ]


def _shares(made: Made) -> Rows:
    numbers = {"pairs": 6, "tested": 5, "differing": 2, "share": 0.4, "share_holm": 0.2, "share_fdr_bh": 0.2}
    null = {"expected": 0.05, "null_mean": 0.06, "null_95": 0.2, "p": 0.01, "disagreement": 0.15}
    return [{**place, **numbers, **null} for place in _places(made)]


def _evenness(made: Made) -> Rows:
    return [
        {**place, "personas": 3, "lowest": 0.4, "mean": 0.5, "highest": 0.6, "gini": 0.05} for place in _places(made)
    ]


def _facts(made: Made) -> dict[str, object]:
    return {
        "title": "A study of agreement",
        "corpus": "posts",
        "task": "offensiveness",
        "written": made.written,
        "options": [] if made.written else ["Yes", "No"],
        "categories": [] if made.written else ["Yes", "No"],
        "items": 40,
        "systems": list(made.systems),
        "group_systems": [] if made.written else [f"{made.systems[0]}+man"],
        "templates": list(made.wordings),
        "dimensions": {name: list(labels) for name, labels in made.dimensions.items()},
        "personas": sum(map(len, made.dimensions.values())),
        "reference": "no persona",
        "reference_id": "no-persona",
        "control": "a person",
        "orders": 1,
        "bad_answers": "drop",
        "level": "nominal",
        "confidence": 0.95,
        "significance": 0.05,
        "permutations": 99,
        "human_labels": [] if made.written else ["unanimous"],
        "scorers": list(made.measures) if made.written else [],
        "zero_method": "wilcox",
        "show_texts": False,
        "seed": 3,
    }
