"""Whether a study would find a gap, before anybody is asked: power of a fixed term of a mixed model, by simulation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.denominator_df import Carrier, carried_df
from bias_platform.statistics.design import build_design
from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.formula import parse_formula
from bias_platform.statistics.laplace_mixed_model import StandardErrors
from bias_platform.statistics.power_curve import PowerCurve
from bias_platform.statistics.power_replicates import STATES, TESTS, TermQuestion, run_replicates, unanswered
from bias_platform.statistics.spread import Interval
from bias_platform.statistics.study_design import StudyDesign
from bias_platform.statistics.term_tests import GIVEN, find_term

_LARGEST_GAP = 20.0
"""On the logit scale; nobody asks for more."""
_PILOT = 40
"""Replicates that find out where to look."""
_AROUND = (0.8, 1.0, 1.25)
_ROUNDS = 5


@dataclass(frozen=True)
class TermPower:
    """How often each test of a term found each gap."""

    term: str
    gaps: tuple[float, ...]
    """On the logit scale."""
    alpha: float
    denominator_df: float
    """Of F."""
    p_values: Mapping[str, FloatArray] = field(repr=False)
    """Test (``f``, ``wald``, ``lr``) -> (replicates, gaps); NaN where the fit claims nothing."""
    states: NDArray[np.bool_] = field(repr=False)
    """(replicates, gaps, states of `power_replicates.STATES`)."""
    messages: tuple[str, ...] = ()
    """What the formula leaves out of the design: its power is then partly that of finding what is not there."""

    def curve(self, test: str = "f") -> PowerCurve:
        """In which studies a test found the gap; studies whose fit claims nothing have found nothing.

        Raises:
            ModelError: a test that was not made.
        """
        if test not in self.p_values:
            made = ", ".join(self.p_values)
            raise ModelError(f"The test {test!r} of {self.term!r} was not made; there are: {made}.")
        return PowerCurve(self.gaps, np.nan_to_num(self.p_values[test], nan=1.0) < self.alpha)

    def table(self, level: float = 0.95) -> pd.DataFrame:
        """One row a test and gap: test, gap, power, lower, upper (Wilson), replicates, and how many fits were what.

        `failed` (no fit at all), `not_converged` and `separated` fits stay in `replicates` and count as gaps that were
        not found; `singular` ones (a variance of zero) are used as they are.
        """
        counts = pd.DataFrame(self.states.sum(axis=0), columns=list(STATES))
        parts = [
            self.curve(test).table(level).assign(test=test).join(counts).set_index("test").reset_index()
            for test in self.p_values
        ]
        return pd.concat(parts, ignore_index=True)


@dataclass(frozen=True)
class SmallestGap:
    """The gap that a study finds with a given power."""

    power: float
    gap: Interval
    """On the logit scale, with its Monte-Carlo interval."""
    around: TermPower
    """The gaps that were simulated to find it; its ``messages`` say what the formula leaves out of the design."""


def power_of_term(
    design: StudyDesign,
    formula: str,
    term: str,
    *,
    pattern: Mapping[str, float],
    gaps: Sequence[float],
    effects: Mapping[str, float] | None = None,
    denominator_df: float | None = None,
    alpha: float = 0.05,
    replicates: int = 1000,
    seed: int = 0,
    processes: int = 1,
    likelihood_ratio: bool = False,
    standard_errors: StandardErrors = "full",
) -> TermPower:
    """Power of the tests of a fixed term, over a row of gaps.

    Every replicate is a study drawn from `design`, fitted by `fit_mixed_model` and tested by `term_tests`. The same
    replicates are used at all gaps (common random numbers, see `PowerCurve`).

    Args:
        design: sizes, deviations of the random intercepts and the intercept.
        formula: the model that will be fitted, such as ``yes ~ group + (1 | item) + (1 | persona)``.
        term: the fixed term that is tested.
        pattern: cell -> weight; a gap puts gap x weight on the log-odds there, e.g. ``{"group=old": 1.0}``.
        gaps: rising, on the logit scale; at 0 the power is the type-I error.
        effects: fixed effects that are there at all gaps.
        denominator_df: of F; None: those of the unit that carries the term in this model (`carried_df`).
        alpha: a gap is found where p is below it.
        seed: the same seed gives the same replicates, on however many processes.
        processes: each uses one BLAS thread; above 1, a script needs ``if __name__ == "__main__":``.
        likelihood_ratio: also refit without the term (nearly twice the time).
        standard_errors: as for `fit_mixed_model`; ``joint`` is quicker and finds a little too much.

    Raises:
        ModelError: design, formula and term do not fit, or the term has nothing to be tested against.

    >>> from bias_platform.statistics.study_design import Attribute, StudyDesign
    >>> design = StudyDesign(
    ...     factors={"item": 30, "persona": 12},
    ...     attributes={"group": Attribute("persona", {"young": 6, "old": 6})},
    ...     sds={"item": 1.0, "persona": 0.2},
    ... )
    >>> found = power_of_term(
    ...     design, "yes ~ group + (1 | item) + (1 | persona)", "group",
    ...     pattern={"group=old": 1.0}, gaps=[0.0, 2.0], replicates=10,
    ... )
    >>> found.denominator_df, found.curve("f").power.round(1).tolist()
    (10.0, [0.0, 1.0])
    """
    _refuse_impossible(gaps, alpha, replicates, processes)
    if float(np.ptp(design.predictor(pattern))) == 0.0:
        raise ModelError(
            "The pattern moves all answers alike, or none: name the cells that differ, as {'group=old': 1.0}."
        )
    carrier = _carried(design, formula, term) if denominator_df is None else Carrier(GIVEN, denominator_df)
    question = TermQuestion(
        design=design,
        formula=formula,
        term=term,
        pattern=pattern,
        gaps=tuple(float(gap) for gap in gaps),
        effects=effects or {},
        carrier=carrier,
        likelihood_ratio=likelihood_ratio,
        standard_errors=standard_errors,
    )
    found = run_replicates(question, seed, replicates, processes)
    made = TESTS if likelihood_ratio else TESTS[:2]
    p_values = {test: found.p_values[:, :, TESTS.index(test)] for test in made}
    left_out = _left_out(design, formula)
    return TermPower(term, question.gaps, alpha, carrier.df, p_values, found.states, left_out)


def _left_out(design: StudyDesign, formula: str) -> tuple[str, ...]:
    modelled = {frozenset(part.grouping) for part in parse_formula(formula).random}
    missing = [name for name, sd in design.sds.items() if sd > 0 and frozenset(name.split(":")) not in modelled]
    return tuple(
        f"The design varies by {name}, but the formula has no (1 | {name}): look at what is found at a gap of 0."
        for name in missing
    )


def _carried(design: StudyDesign, formula: str, term: str) -> Carrier:
    model = build_design(formula, unanswered(design, formula)[1])
    name = find_term(model, term)
    carrier = carried_df(model, [name])[name]
    if carrier.df <= 0:
        raise ModelError(
            f"The fixed part of {formula!r} leaves {carrier.unit} no degree of freedom to test {term!r} against: "
            "plan more levels of that unit, or give denominator_df."
        )
    return carrier


def smallest_detectable(
    design: StudyDesign,
    formula: str,
    term: str,
    *,
    pattern: Mapping[str, float],
    power: float = 0.8,
    test: str = "f",
    near: float = 0.5,
    effects: Mapping[str, float] | None = None,
    denominator_df: float | None = None,
    alpha: float = 0.05,
    replicates: int = 400,
    seed: int = 0,
    processes: int = 1,
    standard_errors: StandardErrors = "full",
) -> SmallestGap:
    """The smallest gap that a test of a fixed term finds with a given power.

    A few replicates say where to look; then all of them are simulated at three gaps close to the one sought, and the
    curve through these is crossed with `power` (`PowerCurve.smallest`), with replicates of their own.

    Args:
        power: share of studies that are to find the gap.
        test: ``f``, ``wald`` or ``lr``.
        near: a first guess on the logit scale; a wrong one only costs time.
        replicates: for 400, the interval of the gap is about 5 % of it to either side.

    The other arguments are those of `power_of_term`.

    Raises:
        ModelError: as `power_of_term`, or no gap of any size has this power.

    >>> from bias_platform.statistics.study_design import Attribute, StudyDesign
    >>> design = StudyDesign(
    ...     factors={"item": 20, "persona": 12},
    ...     attributes={"group": Attribute("persona", {"young": 6, "old": 6})},
    ...     sds={"item": 1.0, "persona": 0.2},
    ... )
    >>> found = smallest_detectable(
    ...     design, "yes ~ group + (1 | item) + (1 | persona)", "group",
    ...     pattern={"group=old": 1.0}, near=0.8, replicates=10,
    ... )
    >>> found.gap.lower <= found.gap.estimate <= found.gap.upper, bool(0.4 < found.gap.estimate < 1.6)
    (True, True)
    """
    if test not in TESTS or not near > 0:
        raise ModelError(f"Ask for one of the tests {', '.join(TESTS)} and a first guess above 0.")
    if not 0.0 < power < 1.0:
        raise ModelError(f"The power must lie between 0 and 1, such as 0.8, not {power}.")

    simulated = partial(
        power_of_term,
        design,
        formula,
        term,
        pattern=pattern,
        effects=effects,
        denominator_df=denominator_df,
        alpha=alpha,
        processes=processes,
        likelihood_ratio=test == "lr",
        standard_errors=standard_errors,
    )
    pilot = partial(simulated, replicates=min(_PILOT, replicates), seed=seed + 1)
    guess = _rough_gap(lambda gaps: pilot(gaps=gaps).curve(test), near, power)
    for _ in range(_ROUNDS):
        gaps = [guess * factor for factor in _AROUND]
        around = simulated(gaps=gaps, replicates=replicates, seed=seed)
        found = around.curve(test).smallest(power)
        if around.gaps[0] < found.estimate <= around.gaps[-1]:
            break
        guess *= _AROUND[0] if found.estimate <= around.gaps[0] else _AROUND[-1]
    return SmallestGap(power, found, around)


def _rough_gap(curve: Callable[[Sequence[float]], PowerCurve], near: float, power: float) -> float:
    for _ in range(_ROUNDS):
        found = curve([near * factor for factor in (0.25, 0.5, 1.0, 2.0)]).smallest(power).estimate
        if np.isfinite(found) and found > 0.25 * near:
            return found
        near *= 0.2 if np.isfinite(found) else 6.0
        if near > _LARGEST_GAP:
            break
    raise ModelError(
        f"No gap up to {min(2.0 * near, _LARGEST_GAP):.2g} on the logit scale was found with a power of {power}: "
        "the study is too small, or the pattern does not move the term."
    )


def _refuse_impossible(gaps: Sequence[float], alpha: float, replicates: int, processes: int) -> None:
    if not len(gaps) or any(b <= a for a, b in pairwise(gaps)):
        raise ModelError(f"Give gaps that rise, such as [0, 0.2, 0.4], not {list(gaps)}.")
    if not 0 < alpha < 1:
        raise ModelError(f"alpha must lie between 0 and 1, not {alpha}.")
    if min(replicates, processes) < 1:
        raise ModelError(f"Simulate at least one replicate in one process, not {replicates} in {processes}.")
