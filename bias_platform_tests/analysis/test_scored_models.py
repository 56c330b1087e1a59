"""Gaussian models of margins: against analysis of variance by hand, and against known deviations."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bias_platform.analysis.answers import prepare_answers
from bias_platform.analysis.fit_records import Records
from bias_platform.analysis.model_rows import model_rows
from bias_platform.analysis.scored_models import fit_scores
from bias_platform_tests.analysis.simulated_study import Design, SimulatedStudy, simulate_study

DESIGN = Design(
    items=40, sizes={"gender": 5}, scales=(1.0, 0.2), item_persona_sd=0.5, wording_sd=0.3, wording_system_sd=0.0
)


def _mean_squares(cells: np.ndarray) -> dict[str, float]:  # type: ignore[type-arg]
    """Of persona, item x persona, persona x wording and what is left, from complete (items, personas, wordings)."""
    items, personas, wordings = cells.shape
    grand, item = cells.mean(), cells.mean(axis=(1, 2), keepdims=True)
    persona, wording = cells.mean(axis=(0, 2), keepdims=True), cells.mean(axis=(0, 1), keepdims=True)
    by_item = cells.mean(axis=2, keepdims=True) - item - persona + grand
    by_wording = cells.mean(axis=0, keepdims=True) - persona - wording + grand
    both = cells.mean(axis=1, keepdims=True) - item - wording + grand
    rest = cells - item - persona - wording + 2 * grand - by_item - by_wording - both
    i, p, w = items - 1, personas - 1, wordings - 1
    return {
        "persona": items * wordings * float(((persona - grand) ** 2).sum()) / p,
        "item:persona": wordings * float((by_item**2).sum()) / i / p,
        "persona:template": items * float((by_wording**2).sum()) / p / w,
        "rest": float((rest**2).sum()) / i / p / w,
    }


@pytest.fixture(scope="module")
def study() -> SimulatedStudy:
    """With an effect of item x wording, so that no variance is at zero and restricted likelihood is exact."""
    study = simulate_study(DESIGN, 21)
    predictions = study.inputs.predictions
    cell = pd.factorize(predictions[["system", "item_id", "template_id"]].astype(str).agg(" ".join, axis=1))[0]
    shift = 0.3 * np.random.default_rng(3).standard_normal(cell.max() + 1)[cell]
    shift *= np.where(predictions["system"] == "small", 1.0, 0.2)
    scores = np.stack(predictions["option_logprobs"].to_list()) + np.outer(shift, [1, 0, 0, 0])
    inputs = replace(study.inputs, predictions=predictions.assign(option_logprobs=list(scores)))
    return replace(study, inputs=inputs)


@pytest.fixture(scope="module")
def records(study: SimulatedStudy) -> Records:
    return fit_scores(prepare_answers(study.inputs), study.inputs.study.analysis.changes)


def _cells(study: SimulatedStudy, system: str) -> np.ndarray:  # type: ignore[type-arg]
    rows = model_rows(prepare_answers(study.inputs), "scored", set())
    rows = rows[rows["system"] == system].sort_values(["item", "persona", "template"])
    return rows["margin"].to_numpy().reshape(40, 6, 3)


@pytest.mark.parametrize("subject", ["small", "small+tuned", "small → small+tuned"])
def test_f_and_components_are_those_of_the_analysis_of_variance(
    study: SimulatedStudy, records: Records, subject: str
) -> None:
    cells = _cells(study, subject) if "→" not in subject else _cells(study, "small+tuned") - _cells(study, "small")
    squares = _mean_squares(cells)
    tests = pd.DataFrame(records.tests).set_index(["systems", "scope", "term"]).loc[subject]
    f = tests["f"]
    assert f["these wordings", "persona"] == pytest.approx(squares["persona"] / squares["item:persona"], rel=1e-3)
    assert f["these wordings", "persona × template"] == pytest.approx(
        squares["persona:template"] / squares["rest"], rel=1e-3
    )
    doubt = squares["item:persona"] + squares["persona:template"] - squares["rest"]
    assert f["beyond wording", "persona"] == pytest.approx(squares["persona"] / doubt, rel=1e-3)
    found = pd.DataFrame(records.components).set_index(["model", "term"])["restricted_sd"]
    sd = found[f"scores, {subject}, beyond wording"]
    assert sd["residual"] == pytest.approx(np.sqrt(squares["rest"]), rel=1e-3)
    assert sd["item:persona"] == pytest.approx(np.sqrt((squares["item:persona"] - squares["rest"]) / 3), rel=1e-3)
    assert sd["persona:template"] == pytest.approx(
        np.sqrt((squares["persona:template"] - squares["rest"]) / 40), rel=1e-3
    )


def test_components_are_near_the_truth_and_scale_with_the_system(records: Records) -> None:
    sd = pd.DataFrame(records.components).set_index(["model", "term"])["restricted_sd"]
    small, tuned = sd["scores, small, beyond wording"], sd["scores, small+tuned, beyond wording"]
    assert 0.4 < small["item:persona"] < 0.6
    assert 1.1 < small["item"] < 1.8  # items and item x system together: 1.39
    assert 0.25 < small["residual"] < 0.35
    assert 0.15 < tuned["item:persona"] / small["item:persona"] < 0.25
    assert 0.15 < tuned["item"] / small["item"] < 0.25


def test_every_model_says_how_it_was_fitted(records: Records) -> None:
    fits = pd.DataFrame(records.fits)
    assert len(fits) == 3 * 2
    assert fits["converged"].all()
    assert fits["formula"].str.contains("item:template").all()
    assert fits["model"].is_unique
    assert records.messages == []


def test_claims_beyond_wording_have_the_degrees_of_wordings(records: Records) -> None:
    tests = pd.DataFrame(records.tests).set_index(["systems", "scope", "term"])
    wide = tests.loc[("small", "beyond wording", "persona")]
    narrow = tests.loc[("small", "these wordings", "persona")]
    assert wide["f_denominator_df"] < 40 < narrow["f_denominator_df"]
    assert wide["f"] < narrow["f"]
