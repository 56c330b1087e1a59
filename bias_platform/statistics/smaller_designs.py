"""The design of a fit without one fixed or random term, on the same distinct rows: the smaller model of a test."""

import re
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.stats import chi2

from bias_platform.statistics.chosen_effects import without_effect
from bias_platform.statistics.design import Design
from bias_platform.statistics.errors import ModelError, spell_check
from bias_platform.statistics.linear_mixed_model import RESIDUAL
from bias_platform.statistics.mixed_model_fit import MixedModelFit
from bias_platform.statistics.profile_targets import SD, targets_of
from bias_platform.statistics.term_tests import containing_terms, find_term, without_columns

Kind = Literal["fixed", "random"]


@dataclass(frozen=True)
class SmallerDesign:
    """What is left without a term."""

    design: Design
    kind: Kind
    df: int
    """Parameters that the smaller model lacks."""
    mixture: tuple[int, ...]
    """Degrees of freedom of the chi-squares whose equal mixture the likelihood ratio has in large samples; empty where
    that is not known."""
    at_zero: bool = False
    """The term was the only random one: it stays in the design, but is to have no variance."""

    def asymptotic_p(self, statistic: float) -> float:
        """Of a likelihood ratio; NaN where its distribution is not known."""
        if not self.mixture:
            return float("nan")
        if statistic <= 0.0:
            return 1.0
        return float(np.mean([chi2.sf(statistic, df) if df else 0.0 for df in self.mixture]))


def design_without(fit: MixedModelFit, term: str) -> SmallerDesign:
    """The design without a fixed term, a random term, or one effect of a random term.

    Args:
        term: a fixed term as in the formula; a random term as in ``fit.variance_components`` or in the formula,
            ``(1 | item)``; or one effect of a random term as in `profile_intervals`, ``sd(x | item)``. A name that
            is a fixed and a random term means the fixed one.

    Raises:
        ModelError: an unknown term, one that others contain, or all fixed effects.
    """
    random = [one for one in targets_of(fit) if one.kind == SD and one.owner != RESIDUAL]
    plain = re.sub(r"\s*([|:+])\s*", r" \1 ", term.strip().removeprefix("(").removesuffix(")")).replace(" : ", ":")
    if plain in fit.design.fixed.terms:
        return _without_fixed(fit, plain)
    for target in random:
        if term.strip() == target.name:
            return _without_effect(fit.design, target.owner, target.effects[0])
        if target.owner in (plain, plain.removeprefix("1 | "), f"1 + {plain}"):
            return _without_random(fit.design, target.owner)
    if "|" in plain:
        known = dict.fromkeys([*(one.owner for one in random), *(one.name for one in random)])
        raise ModelError(f"The model {fit.formula!r} has no random term {term!r} ({spell_check(plain, known)}).")
    return _without_fixed(fit, term.strip())


def _without_fixed(fit: MixedModelFit, term: str) -> SmallerDesign:
    name = find_term(fit.design, term)
    wider = containing_terms(fit, name)
    if wider:
        raise ModelError(f"The term {name!r} is contained in {', '.join(wider)}: test that first, or fit without it.")
    columns = fit.design.fixed.terms[name]
    if not columns or len(columns) == fit.design.n_fixed:
        raise ModelError(
            f"Without the term {name!r} the model {fit.formula!r} is the same, or has no fixed effect left."
        )
    smaller = replace(fit.design, fixed=without_columns(fit.design.fixed, columns))
    return SmallerDesign(smaller, "fixed", len(columns), (len(columns),))


def _without_random(design: Design, name: str) -> SmallerDesign:
    gone = next(term for term in design.terms if term.name == name)
    effects = len(gone.effects)
    only = len(design.terms) == 1
    left = design if only else replace(design, terms=tuple(term for term in design.terms if term.name != name))
    return SmallerDesign(left, "random", effects * (effects + 1) // 2, (0, 1) if effects == 1 else (), only)


def _without_effect(design: Design, name: str, effect: str) -> SmallerDesign:
    term = next(term for term in design.terms if term.name == name)
    count = len(term.effects)
    if count == 1:
        return _without_random(design, name)
    fewer = without_effect(term, effect, design.trials)
    terms = tuple(fewer if one.name == name else one for one in design.terms)
    return SmallerDesign(replace(design, terms=terms), "random", count, (count - 1, count))
