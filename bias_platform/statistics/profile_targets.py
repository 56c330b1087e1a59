"""Which parameters of a fit have a profile, and on which surface each is held.

A deviation or a correlation of a term with several effects is held on a surface of its own, whose design has the effect
(or the two effects) first and otherwise only scaled: then the factor of the term's covariance begins with what is held.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from bias_platform.statistics.arrays import FloatArray
from bias_platform.statistics.chosen_effects import scaled_effects
from bias_platform.statistics.design import Design
from bias_platform.statistics.linear_mixed_model import RESIDUAL
from bias_platform.statistics.mixed_model_fit import MixedModelFit
from bias_platform.statistics.ordinal_design import engine_design
from bias_platform.statistics.profile_held import Held, HeldCorrelation, HeldDeviation, HeldEntry, HeldResidual
from bias_platform.statistics.profile_path import ProfilePath
from bias_platform.statistics.profile_surface import Surface, surface_of
from bias_platform.statistics.response import GAUSSIAN

SD, CORRELATION, COEFFICIENT = "sd", "correlation", "coefficient"
_OFF_ZERO = 0.05
"""Deviation that a direction without variance starts from, or in a Gaussian model its ratio to the residual's."""

_MOST_LOGITS = 10.0
"""What a coefficient may add to the predictor somewhere when it moves by its standard error."""


@dataclass(frozen=True)
class Target:
    """One parameter."""

    name: str
    kind: str
    owner: str
    """The random term, or the coefficient itself."""
    effects: tuple[str, ...] = ()
    """Of the term: one for a deviation, two for a correlation."""


def targets_of(fit: MixedModelFit) -> list[Target]:
    """Every parameter, random terms first."""
    found = []
    for term in fit.design.terms:
        group = ":".join(term.columns)
        found += [Target(f"sd({one} | {group})", SD, term.name, (one,)) for one in term.effects]
        pairs = combinations(term.effects, 2)
        found += [Target(f"cor({a}, {b} | {group})", CORRELATION, term.name, (a, b)) for a, b in pairs]
    if fit.family == GAUSSIAN:
        found.append(Target(f"sd({RESIDUAL})", SD, RESIDUAL))
    return found + [Target(name, COEFFICIENT, name) for name in fit.fixed_effects.index]


class Paths:
    """Profile paths of a fit's parameters; surfaces that several of them share are laid out once."""

    def __init__(self, fit: MixedModelFit) -> None:
        self.fit = fit
        self.gaussian, self.restricted = fit.family == GAUSSIAN, fit.method == "REML"
        self._plain: Surface | None = None

    def path_of(self, target: Target) -> ProfilePath:
        """Ready to be walked."""
        design, theta = self.fit.design, _upright(self.fit.design, self.fit.theta)
        if target.kind == COEFFICIENT:
            at = self.fit.fixed_effects.index.tolist().index(target.name)
            surface = self._shared().holding(at)
            path = self._path(surface, HeldEntry(surface.place_of(at)), design, theta)
            return path if self.gaussian else replace(path, error=min(path.error, self._reach(at)))
        if target.owner == RESIDUAL:
            surface = self._shared()
            return self._path(surface, HeldResidual(surface.scale), design, theta)
        term = [one.name for one in design.terms].index(target.owner)
        if len(design.terms[term].effects) > 1:
            design, theta = _with_first(design, theta, term, target.effects)
            surface = surface_of(design, self.restricted)
        else:
            surface = self._shared()
        return self._path(surface, self._held(surface, design, term, target), design, theta)

    def _held(self, surface: Surface, design: Design, term: int, target: Target) -> Held:
        first = int(surface.theta_places()[design.shape.diagonal[design.shape.starts[term]]])
        if target.kind == CORRELATION:
            return HeldCorrelation(first + 1, first + len(design.terms[term].effects))
        place = design.terms[term].effects.index(target.effects[0])
        unit = float(design.terms[term].transform[place, 0]) * surface.scale
        return (HeldDeviation if self.gaussian else HeldEntry)(first, unit, lowest=0.0)

    def _path(self, surface: Surface, held: Held, design: Design, theta: FloatArray) -> ProfilePath:
        nudged = _off_zero(design, theta)
        return ProfilePath.at(surface, held, surface.top(self.fit, theta), surface.top(self.fit, nudged))

    def _reach(self, coefficient: int) -> float:
        """The largest standard error that is believed: of a separated coefficient there is none."""
        column = engine_design(self.fit.design).fixed.patterns[:, coefficient]
        return _MOST_LOGITS / float(np.abs(column).max())

    def _shared(self) -> Surface:
        if self._plain is None:
            self._plain = surface_of(self.fit.design, self.restricted)
        return self._plain


def _upright(design: Design, theta: FloatArray) -> FloatArray:
    """The same covariances with no diagonal entry below zero."""
    signs = np.where(theta[design.shape.diagonal] < 0.0, -1.0, 1.0)
    upright: FloatArray = theta * signs[design.shape.column]
    return upright


def _off_zero(design: Design, theta: FloatArray) -> FloatArray:
    nudged = theta.copy()
    diagonal = design.shape.diagonal
    nudged[diagonal] = np.maximum(theta[diagonal], _OFF_ZERO)
    return nudged


def _with_first(design: Design, theta: FloatArray, term: int, effects: tuple[str, ...]) -> tuple[Design, FloatArray]:
    """The design with some effects of a term in front, and theta there."""
    old = design.terms[term]
    order = [old.effects.index(one) for one in effects]
    order += [k for k in range(len(old.effects)) if k not in order]
    new = scaled_effects(old, order, design.trials)
    moved = np.linalg.solve(new.transform, old.transform @ design.shape.matrix(theta, term))
    factor = np.asarray(np.linalg.qr(moved.T, mode="r"), dtype=np.float64).T
    factor = factor * np.where(np.diag(factor) < 0.0, -1.0, 1.0)
    ahead = theta.copy()
    ahead[design.shape.of_term(term)] = design.shape.entries(factor, term)
    return replace(design, terms=tuple(new if k == term else one for k, one in enumerate(design.terms))), ahead


def named(targets: list[Target], wanted: str) -> Iterator[Target]:
    """Those that a name means: a parameter's own, or that of a random term for all of its parameters."""
    return (one for one in targets if wanted in (one.name, one.owner))
