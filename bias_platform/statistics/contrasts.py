"""The contrasts that reports ask for: against a reference, all pairs, and changes of contrasts."""

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from bias_platform.statistics.errors import ModelError
from bias_platform.statistics.estimates import EstimateSet, contrast, require_columns

Within = str | Sequence[str] | None


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
    known = _levels(means, factor)
    if reference not in known:
        raise ModelError(f"{factor!r} has no level {reference!r}; its levels are {_listed(known)}.")
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
        if asked not in known:
            raise ModelError(f"{factor!r} has no level {asked!r}; its levels are {_listed(known)}.")
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


def _paired(
    means: EstimateSet,
    factor: str,
    within: Within,
    pairs: Callable[[list[Any]], list[tuple[Any, Any]]],
) -> EstimateSet:
    keep = _within_columns(means, factor, within)
    rows, labels = [], []
    for key, group in _by(means.labels, keep):
        levels = means.labels[factor].iloc[group].tolist()
        if len(set(levels)) < len(levels):
            raise ModelError(
                f"Several estimates share a level of {factor!r} within {dict(zip(keep, key, strict=True))}: "
                "name the other factors in 'within'."
            )
        position = dict(zip(levels, group, strict=True))
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
    return {"level": level, "reference": reference, "contrast": f"{level} - {reference}"}


def _within_columns(means: EstimateSet, factor: str, within: Within) -> list[str]:
    if within is None:
        keep = [str(name) for name in means.labels.columns if name != factor]
    else:
        keep = [within] if isinstance(within, str) else list(within)
    require_columns(means, [factor, *keep])
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


def _listed(values: list[Any]) -> str:
    return ", ".join(repr(value) for value in values[:20]) + (", …" if len(values) > 20 else "")
