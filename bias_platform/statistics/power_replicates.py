"""Simulated studies fitted one after the other: p values of a term, and what became of the fits."""

from collections.abc import Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.denominator_df import Carrier
from bias_platform.statistics.design import build_design
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.formula import parse_formula
from bias_platform.statistics.laplace_mixed_model import StandardErrors
from bias_platform.statistics.mixed_model import fit_design, fit_mixed_model
from bias_platform.statistics.mixed_model_fit import MixedModelFit
from bias_platform.statistics.one_thread import one_blas_thread
from bias_platform.statistics.study_design import StudyDesign
from bias_platform.statistics.study_simulation import latent_parts
from bias_platform.statistics.term_tests import term_tests

TESTS = ("f", "wald", "lr")
STATES = ("failed", "not_converged", "separated", "singular")
"""What can be the matter with a fit; a fit of one of the first three claims nothing."""
_CHUNK = 8
"""Replicates in one task of a process."""


@dataclass(frozen=True)
class TermQuestion:
    """What is simulated, fitted and tested in each replicate."""

    design: StudyDesign
    formula: str
    term: str
    pattern: Mapping[str, float]
    """Cell -> weight: each gap puts gap x weight there, on the logit scale."""
    gaps: tuple[float, ...]
    effects: Mapping[str, float]
    """Other fixed effects, the same at all gaps."""
    carrier: Carrier
    """What the term is tested against."""
    likelihood_ratio: bool
    standard_errors: StandardErrors


class Replicates(NamedTuple):
    """What came of a row of replicates."""

    p_values: FloatArray
    """(replicates, gaps, tests in the order of `TESTS`); NaN where a test was not made or the fit claims nothing."""
    states: NDArray[np.bool_]
    """(replicates, gaps, states in the order of `STATES`)."""


def run_replicates(question: TermQuestion, seed: int, replicates: int, processes: int) -> Replicates:
    """All replicates, shared out to processes that use one BLAS thread each; the result does not depend on how many.

    New processes are spawned, so a script that calls this with several needs ``if __name__ == "__main__":``.
    """
    starts = range(0, replicates, _CHUNK)
    if processes == 1:
        with one_blas_thread():
            parts = [_chunk(question, seed, first, min(_CHUNK, replicates - first)) for first in starts]
        return _joined(parts)
    with ProcessPoolExecutor(processes, get_context("spawn"), threadpool_limits, (1,)) as pool:
        waiting: list[Future[Replicates]] = [
            pool.submit(_chunk, question, seed, first, min(_CHUNK, replicates - first)) for first in starts
        ]
        return _joined([one.result() for one in waiting])


def _chunk(question: TermQuestion, seed: int, first: int, count: int) -> Replicates:
    design, refit = question.design, _Refit(question)
    fixed = design.predictor(question.effects, design.intercept)
    shift = design.predictor(question.pattern)
    found = Replicates(
        np.full((count, len(question.gaps), len(TESTS)), np.nan),
        np.zeros((count, len(question.gaps), len(STATES)), dtype=bool),
    )
    for k, latent in enumerate(latent_parts(design, seed, count, first)):
        for at, gap in enumerate(question.gaps):
            answers = (fixed + gap * shift + latent > 0).astype(np.float64)
            found.p_values[k, at], found.states[k, at] = _tested(question, refit, answers)
    return found


def unanswered(design: StudyDesign, formula: str) -> tuple[str, pd.DataFrame]:
    """Name of the column of answers, and a study whose answers are the row's number modulo 2.

    Raises:
        ModelError: the response of the formula is not one column.
    """
    parsed = parse_formula(formula)
    if parsed.failures is not None:
        raise ModelError(f"Answers are simulated one by one: name a single column before '~' in {parsed.text!r}.")
    return parsed.response, design.frame().assign(**{parsed.response: np.arange(design.rows) % 2})


class _Refit:
    """Fits the model to one set of answers after the other; what does not depend on the answers is done once.

    Where several answers share a row of the model, they must be counted anew for each set.
    """

    def __init__(self, question: TermQuestion) -> None:
        self.question = question
        rows, number = question.design.rows, "row number"
        self.answers, frame = unanswered(question.design, question.formula)
        self.frame = frame.assign(**{number: np.arange(rows) + 1})
        numbered = build_design(question.formula, self.frame, number)
        self.row_of = numbered.trials.astype(np.int64) - 1
        ones = np.ones(len(self.row_of))
        self.design = replace(numbered, trials=ones, n_observations=rows) if len(ones) == rows else None

    def fit(self, answers: FloatArray) -> MixedModelFit:
        """The model of these answers (rows,)."""
        errors = self.question.standard_errors
        if self.design is None:
            return fit_mixed_model(
                self.question.formula, self.frame.assign(**{self.answers: answers}), standard_errors=errors
            )
        return fit_design(replace(self.design, successes=answers[self.row_of]), errors)


def _tested(question: TermQuestion, refit: _Refit, answers: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
    p, states = np.full(len(TESTS), np.nan), np.zeros(len(STATES), dtype=bool)
    if answers.min() == answers.max():
        states[0] = True
        return p, states
    try:
        fit = refit.fit(answers)
        states[1:] = not fit.converged, bool(fit.diagnostics.separated), bool(fit.diagnostics.singular_terms)
        if not states[:3].any():
            carrier = {question.term: question.carrier}
            made = term_tests(fit, [question.term], denominator_df=carrier, likelihood_ratio=question.likelihood_ratio)
            p = made[[f"{test}_p" for test in TESTS]].to_numpy(dtype=float)[0]
    except np.linalg.LinAlgError:
        states[0] = True
    return p, states


def _joined(parts: list[Replicates]) -> Replicates:
    return Replicates(np.concatenate([p.p_values for p in parts]), np.concatenate([p.states for p in parts]))
