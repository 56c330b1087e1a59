"""The contrasts that reports ask for: against a reference, all pairs, changes of contrasts, and interactions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations, product
from math import prod
from typing import Any

import numpy as np
import pandas as pd

from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.estimates import EstimateSet, contrast, require_columns
from bias_platform.statistics.families import LEVEL, REFERENCE

Within = str | Sequence[str] | None
FactorContrasts = str | tuple[str, Any] | Mapping[str, Mapping[Any, float]]
"""``"pairs"``, ``("reference", level)``, or label -> {level: weight}."""


def versus_reference(means: EstimateSet, factor: str, reference: Any, within: Within = None) -> EstimateSet:
    """Each level of a factor minus the reference level, separately within other factors.

    Args:
        means: such as ``marginal_means(fit, by=["system", "persona"])``.
        factor: column of the labels whose levels are compared.
        reference: the level that is subtracted.
        within: column or columns to stay within; None means all label columns but ``factor``.

    Returns:
        Labels: the ``within`` columns, ``level``, ``reference`` and ``contrast``.

    Raises:
        ModelError: an unknown factor or level, or cells that are not unique.

    >>> import numpy as np, pandas as pd
    >>> from bias_platform.statistics.estimates import Estimates
    >>> grid = pd.DataFrame({"system": ["s", "s"], "persona": ["control", "a"]})
    >>> means = EstimateSet(grid, {"link": Estimates(np.array([0.2, 0.5]), np.eye(2))})
    >>> versus_reference(means, "persona", "control").frame("link")["contrast"].tolist()
    ['a - control']
    """
    _require_level(factor, _levels(means, factor), reference)
    return _paired(means, factor, within, lambda levels: [(x, reference) for x in levels if x != reference])


def all_pairs(means: EstimateSet, factor: str, within: Within = None) -> EstimateSet:
    """Every pair of levels of a factor, later minus earlier, separately within other factors.

    Arguments, labels and errors as in `versus_reference`.

    >>> import numpy as np, pandas as pd
    >>> from bias_platform.statistics.estimates import Estimates
    >>> means = EstimateSet(pd.DataFrame({"g": ["a", "b", "c"]}), {"link": Estimates(np.arange(3.0), np.eye(3))})
    >>> all_pairs(means, "g").frame("link")["contrast"].tolist()
    ['b - a', 'c - a', 'c - b']
    """
    return _paired(means, factor, within, lambda levels: [(b, a) for a, b in combinations(levels, 2)])


def difference_of_differences(differences: EstimateSet, factor: str, level: Any, reference: Any) -> EstimateSet:
    """How much each contrast changes from one level of another factor to another level.

    Args:
        differences: contrasts labelled by ``factor``, as from `versus_reference` within it.
        factor: such as ``system``.
        level: the level after, such as the tuned system.
        reference: the level before; its contrasts are subtracted.

    Returns:
        Labels of the contrasts without ``factor``, and ``change`` naming what was compared.

    Raises:
        ModelError: an unknown factor or level, or no contrast that occurs at both levels.

    >>> import numpy as np, pandas as pd
    >>> from bias_platform.statistics.estimates import Estimates
    >>> labels = pd.DataFrame({"system": ["base", "tuned"], "contrast": ["a - control"] * 2})
    >>> gaps = EstimateSet(labels, {"link": Estimates(np.array([0.5, 0.1]), np.eye(2))})
    >>> difference_of_differences(gaps, "system", "tuned", "base").frame("link")["estimate"].tolist()
    [-0.4]
    """
    known = _levels(differences, factor)
    for asked in (level, reference):
        _require_level(factor, known, asked)
    rest = [name for name in differences.labels.columns if name != factor]
    at = dict(_by(differences.labels, [factor, *rest]))
    rows, labels = [], []
    for key, _ in _by(differences.labels, rest):
        after, before = at.get((level, *key)), at.get((reference, *key))
        if after is None or before is None:
            continue
        weights = np.zeros(len(differences.labels))
        weights[after], weights[before] = 1.0, -1.0
        rows.append(weights)
        labels.append(dict(zip(rest, key, strict=True)) | {"change": f"{level} - {reference}"})
    if not rows:
        raise ModelError(f"No contrast occurs at both {level!r} and {reference!r} of {factor!r}.")
    return contrast(differences, np.array(rows), pd.DataFrame(labels))


def interaction_contrasts(
    means: EstimateSet, factors: Mapping[str, FactorContrasts], within: Within = None
) -> EstimateSet:
    """Products of contrasts of several factors: how contrasts of one factor differ along contrasts of the others.

    The weight of a mean is the product of its levels' weights, as in emmeans' ``contrast(interaction = ...)``.

    Args:
        means: such as ``marginal_means(fit, by=["system", "persona"])``.
        factors: for each factor ``"pairs"`` (later minus earlier level), ``("reference", level)`` (each level minus
            this one), or weights of one's own, as label -> {level: weight}; levels not named weigh nothing.
        within: column or columns to stay within; None means all label columns but the factors.

    Returns:
        Labels: the ``within`` columns, for each factor the name of its contrast, and ``contrast``, naming them all.
        Products that need a mean which is not there are left out.

    Raises:
        ModelError: an unknown factor, level or kind of contrast, weights that are all zero or not finite, cells that
            are not unique, or nothing to compare.

    >>> import numpy as np, pandas as pd
    >>> from bias_platform.statistics.estimates import Estimates
    >>> grid = pd.DataFrame({"system": ["s", "s", "t", "t"], "persona": ["control", "a"] * 2})
    >>> means = EstimateSet(grid, {"link": Estimates(np.array([0.0, 0.5, 0.0, 0.2]), np.eye(4))})
    >>> change = interaction_contrasts(means, {"persona": ("reference", "control"), "system": "pairs"})
    >>> change.frame("link")[["contrast", "estimate"]].values.tolist()
    [['(a - control) : (t - s)', -0.3]]
    """
    if not factors:
        raise ModelError("Interaction contrasts need at least one factor: give such as {'persona': 'pairs'}.")
    keep = _within_columns(means, list(factors), within)
    single = [_factor_contrasts(factor, _levels(means, factor), kind) for factor, kind in factors.items()]
    rows, labels = [], []
    for key, group in _by(means.labels, keep):
        position = _unique_cells(means, list(factors), dict(zip(keep, key, strict=True)), group)
        for names, weights in _products(single):
            if not position.keys() >= weights.keys():
                continue
            row = np.zeros(len(means.labels))
            row[[position[cell] for cell in weights]] = list(weights.values())
            rows.append(row)
            whole = {"contrast": " : ".join(f"({name})" for name in names)}
            labels.append(dict(zip([*keep, *factors], [*key, *names], strict=True)) | whole)
    if not rows:
        raise ModelError(f"There is nothing to compare: no product of contrasts of {list(factors)} has all its means.")
    return contrast(means, np.array(rows), pd.DataFrame(labels))


def _factor_contrasts(factor: str, known: list[Any], kind: FactorContrasts) -> dict[str, dict[Any, float]]:
    """Weights of the levels by the name of the contrast."""
    match kind:
        case "pairs":
            return {f"{b} - {a}": {b: 1.0, a: -1.0} for a, b in combinations(known, 2)}
        case ("reference", reference):
            _require_level(factor, known, reference)
            return {f"{level} - {reference}": {level: 1.0, reference: -1.0} for level in known if level != reference}
        case Mapping():
            return {str(name): _checked_weights(factor, known, name, weights) for name, weights in kind.items()}
    raise ModelError(
        f"Contrasts of {factor!r} cannot be {kind!r}: "
        "give 'pairs', ('reference', level), or weights as label -> {level: weight}."
    )


def _checked_weights(factor: str, known: list[Any], name: Any, weights: Mapping[Any, float]) -> dict[Any, float]:
    for level in weights:
        _require_level(factor, known, level)
    used = {level: float(weight) for level, weight in weights.items() if weight != 0}
    if not used or not np.isfinite(list(used.values())).all():
        raise ModelError(f"The contrast {name!r} of {factor!r} needs finite weights, not all of them zero.")
    return used


def _products(
    single: list[dict[str, dict[Any, float]]],
) -> Iterator[tuple[tuple[str, ...], dict[tuple[Any, ...], float]]]:
    """Names of one contrast a factor, and the weights of the cells of their product."""
    for combination in product(*(contrasts.items() for contrasts in single)):
        names, factor_weights = zip(*combination, strict=True)
        cells = product(*(weights.items() for weights in factor_weights))
        yield names, {tuple(level for level, _ in cell): prod(weight for _, weight in cell) for cell in cells}


def _unique_cells(
    means: EstimateSet, factors: list[str], within: Mapping[str, Any], group: list[int]
) -> dict[tuple[Any, ...], int]:
    """Row of each combination of levels in a group of rows."""
    cells = list(zip(*(means.labels[factor].iloc[group].tolist() for factor in factors), strict=True))
    if len(set(cells)) < len(cells):
        raise ModelError(
            f"Several estimates share a level of {', '.join(map(repr, factors))} within {dict(within)}: "
            "name the other factors in 'within'."
        )
    return dict(zip(cells, group, strict=True))


def _paired(
    means: EstimateSet,
    factor: str,
    within: Within,
    pairs: Callable[[list[Any]], list[tuple[Any, Any]]],
) -> EstimateSet:
    keep = _within_columns(means, [factor], within)
    rows, labels = [], []
    for key, group in _by(means.labels, keep):
        cells = _unique_cells(means, [factor], dict(zip(keep, key, strict=True)), group)
        position = {level: row for (level,), row in cells.items()}
        for level, reference in pairs(list(position)):
            if reference not in position:
                continue
            weights = np.zeros(len(means.labels))
            weights[position[level]], weights[position[reference]] = 1.0, -1.0
            rows.append(weights)
            labels.append(dict(zip(keep, key, strict=True)) | _named(level, reference))
    if not rows:
        raise ModelError(f"There is nothing to compare: {factor!r} has no two levels within {keep}.")
    return contrast(means, np.array(rows), pd.DataFrame(labels))


def _named(level: Any, reference: Any) -> dict[str, Any]:
    return {LEVEL: level, REFERENCE: reference, "contrast": f"{level} - {reference}"}


def _within_columns(means: EstimateSet, factors: list[str], within: Within) -> list[str]:
    if within is None:
        keep = [str(name) for name in means.labels.columns if name not in factors]
    else:
        keep = [within] if isinstance(within, str) else list(within)
    require_columns(means, [*factors, *keep])
    return keep


def _by(labels: pd.DataFrame, columns: list[str]) -> Iterator[tuple[tuple[Any, ...], list[int]]]:
    """Groups of row positions by the values of some columns, in order of appearance."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    values = [labels[name].tolist() for name in columns]
    for row in range(len(labels)):
        groups.setdefault(tuple(column[row] for column in values), []).append(row)
    yield from groups.items()


def _levels(means: EstimateSet, factor: str) -> list[Any]:
    require_columns(means, [factor])
    return list(dict.fromkeys(means.labels[factor].tolist()))


def _require_level(factor: str, known: list[Any], asked: Any) -> None:
    if asked not in known:
        raise ModelError(f"{factor!r} has no level {asked!r}; its levels are {_listed(known)}.")


def _listed(values: list[Any]) -> str:
    return ", ".join(repr(value) for value in values[:20]) + (", …" if len(values) > 20 else "")
