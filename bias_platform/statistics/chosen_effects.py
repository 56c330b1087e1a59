"""A random term with only some of its effects, or with its effects in another order."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import scipy.linalg as sla

from bias_platform.statistics.arrays import FloatArray, bin_sums
from bias_platform.statistics.random_terms import INTERCEPT, Basis, RandomTerm


def scaled_effects(term: RandomTerm, order: Sequence[int], observations: FloatArray) -> RandomTerm:
    """All effects in another order, each column in units of its root mean square over the observations.

    The first effect is then the first of the engine's columns but for its unit, which orthonormal columns do not allow.

    Args:
        order: of the effects.
        observations: (rows,).
    """
    basis = _basis_of(term)
    raw, share = _raw(basis)[:, list(order)], _shares(basis, observations)
    size = np.sqrt(share @ raw**2)
    transform = np.zeros_like(basis.transform)
    transform[list(order), np.arange(len(order))] = 1.0 / size
    return replace(term, basis=replace(basis, patterns=raw / size, transform=transform))


def without_effect(term: RandomTerm, effect: str, observations: FloatArray) -> RandomTerm:
    """The term without one of its effects, its columns orthonormal again.

    Args:
        effect: one of several.
        observations: (rows,).
    """
    basis = _basis_of(term)
    left = [k for k, name in enumerate(basis.effects) if name != effect]
    names = tuple(basis.effects[k] for k in left)
    if names == (INTERCEPT,):
        return replace(term, name=":".join(term.columns), basis=None)
    raw, share = _raw(basis)[:, left], _shares(basis, observations)
    root = sla.qr(raw * np.sqrt(share)[:, None], mode="r")[0][: len(left)]
    root = root * np.sign(np.diag(root))[:, None]
    transform = np.asarray(sla.solve_triangular(root, np.eye(len(left))), dtype=np.float64)
    shown = " + ".join("1" if name == INTERCEPT else name for name in names)
    name = f"{shown if names[0] == INTERCEPT else '0 + ' + shown} | {':'.join(term.columns)}"
    fewer = replace(basis, effects=names, patterns=raw @ transform, transform=transform, kept=basis.kept[left])
    return replace(term, name=name, basis=fewer)


def _basis_of(term: RandomTerm) -> Basis:
    if term.basis is None:
        raise AssertionError("a term with several effects has a basis")
    return term.basis


def _raw(basis: Basis) -> FloatArray:
    """(patterns, effects): the formula's own columns."""
    return np.asarray(np.linalg.solve(basis.transform.T, basis.patterns.T).T, dtype=np.float64)


def _shares(basis: Basis, observations: FloatArray) -> FloatArray:
    """(patterns,): of the observations."""
    seen = bin_sums(basis.pattern, observations, len(basis.patterns))
    shares: FloatArray = seen / seen.sum()
    return shares
