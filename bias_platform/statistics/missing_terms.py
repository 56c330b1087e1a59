"""Random effects that a model lacks: units whose answers are alike, but taken for answers with nothing in common.

Two cases make a test find differences that are not there. *Between*: a fixed term is the same in all answers of a unit
(a persona's group), and the unit is not random. *Within*: a fixed term varies within a random unit (system within an
item), answers repeat there, and the unit is taken to answer to the term as all others do; what is missing is the random
effect of unit and term together, or a slope (D. J. Barr, R. Levy, C. Scheepers and H. J. Tily, 2013, Journal of Memory
and Language 68, 255-278; of interactions: D. J. Barr, 2013, Frontiers in Psychology 4, 328).

One rule says whether a model protects the test of a term from a unit: some random term within whose levels the fixed
term is constant must be as coarse as the unit, or coarser. A finer one does not do: (1 | item:persona:system) does not
replace (1 | item:system), nor (1 | persona:system) a missing (1 | persona), because answers that share a level of the
coarser one stay related.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_integer_dtype, is_object_dtype, is_string_dtype

from bias_platform.statistics.arrays import FloatArray, IntArray
from bias_platform.statistics.carried_terms import CarriedTerms, Unit
from bias_platform.statistics.fixed_part import FixedPart
from bias_platform.statistics.groupings import Grouping, drawn_rows
from bias_platform.statistics.random_terms import Coded, RandomTerm

BETWEEN, WITHIN = "between", "within"
COLUMNS = ("terms", "unit", "kind", "levels", "false_positives", "add", "sentence")

_REPEATED = 1.5
"""Answers a level from which a unit can be told from noise."""
_FOR_A_SLOPE = 3.0
"""The same for a slope."""


@dataclass(frozen=True)
class _Gap:
    """A unit that is missing for some fixed terms."""

    kind: str
    unit: Unit
    terms: Mapping[str, float]
    """Term -> share of true nulls that a test at 5 % would reject."""
    within: Unit | None = None
    """`WITHIN`: the random unit that the terms vary in."""
    varying: tuple[str, ...] = ()
    """`WITHIN`: variables that vary there."""
    slope: tuple[str, ...] = ()
    """Those of them that are numbers."""


def missing_random_effects(
    data: pd.DataFrame,
    fixed: FixedPart,
    random: Sequence[RandomTerm],
    response_columns: Iterable[str],
    coded: Coded | None = None,
    trials: FloatArray | None = None,
) -> pd.DataFrame:
    """Units that a model needs and does not have, worst first.

    ``false_positives`` is what a test at 5 % would reject of true nulls if the unit had a tenth of the noise's variance
    and every random term of the model that carries the fixed one a hundredth: a scale of harm, not a forecast.

    Args:
        data: of the model, (rows,). Columns of text, categories, whole numbers or truth values that the formula does
            not use are looked at as possible units.
        fixed: built from `data`.
        random: built from `data`, codes (rows,).
        response_columns: the outcome's, and of weights: never units.
        coded: codes and levels of columns that are known already.
        trials: (rows,) answers a row; default 1.

    Returns:
        Columns ``terms`` (whose tests suffer, joined by ", "), ``unit``, ``kind`` (``between`` or ``within``),
        ``levels`` of the unit, ``false_positives`` (0.05 to 1), ``add`` (what to write in the formula), ``sentence``.

    >>> from bias_platform.statistics.arrays import sorted_codes
    >>> from bias_platform.statistics.fixed_part import build_fixed_part
    >>> personas = pd.DataFrame({"persona": list("abcdef"), "group": ["x", "x", "y", "y", "z", "z"]})
    >>> data = personas.merge(pd.DataFrame({"item": range(20)}), how="cross")
    >>> formula = "yes ~ group + (1 | item)"
    >>> code, levels = sorted_codes(data["item"])
    >>> item = RandomTerm("item", ("item",), code, tuple(map(str, levels)))
    >>> missing = missing_random_effects(data, build_fixed_part("group", formula, data), [item], ["yes"])
    >>> missing[["terms", "unit", "kind", "add"]].values.tolist()
    [['group', 'persona', 'between', '(1 | persona)'], ['group', 'item:group', 'within', '(1 | item:group)']]
    """
    model = CarriedTerms(data, fixed, random, coded or {}, trials)
    within = _missing_within(model)
    gaps = [*_missing_between(model, set(response_columns), within), *within]
    worst_first = sorted(gaps, key=lambda gap: (-max(gap.terms.values()), gap.unit.grouping.size))
    rows = [_row(gap, model) for gap in worst_first]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"levels": np.int64, "false_positives": np.float64})


def _missing_within(model: CarriedTerms) -> list[_Gap]:
    found: dict[tuple[frozenset[str], frozenset[str]], _Gap] = {}
    for unit in sorted(model.units.values(), key=lambda one: len(one.columns)):
        for term, (variables, _) in model.terms.items():
            varying = tuple(name for name in variables if not model.constant(unit, [name]))
            slope = tuple(name for name in varying if not model.is_factor(name))
            factors = tuple(name for name in varying if model.is_factor(name))
            key = (frozenset({*unit.columns, *factors}), frozenset(slope))
            coarser = any(term in gap.terms and one[0] <= key[0] and one[1] <= key[1] for one, gap in found.items())
            if not varying or coarser:
                continue
            whole = model.by_factors(unit, factors)
            harm = _harm(model, term, whole, _FOR_A_SLOPE if slope else _REPEATED)
            if harm is not None:
                gap = found.get(key) or _Gap(WITHIN, whole, {}, unit, varying, slope)
                found[key] = replace(gap, terms={**gap.terms, term: harm})
    return list(found.values())


def _harm(model: CarriedTerms, term: str, unit: Unit, answers: float, named: Sequence[Unit] = ()) -> float | None:
    """False positives; None where the unit has fewer answers a level, or the term's test is protected from it.

    ``named``: coarser units that are missing as well, and are taken to be added.
    """
    if model.observations < answers * unit.grouping.size or model.protected(term, unit):
        return None
    return model.false_positives(term, unit.grouping.size, [one.grouping.size for one in named])


def _missing_between(model: CarriedTerms, excluded: set[str], within: Sequence[_Gap]) -> list[_Gap]:
    found: list[_Gap] = []
    for unit in sorted(_possible_units(model, excluded), key=lambda one: one.grouping.size):
        if any(_same(unit, gap.unit) for gap in found):
            continue
        harm = {}
        for term, (_, columns) in model.terms.items():
            if unit.grouping.size > 1 + columns and _is_apart(model, term, unit):
                known = [gap.unit for gap in (*within, *found) if term in gap.terms]
                named = [one for one in known if unit.grouping.holds(one.grouping.code)]
                harm[term] = _harm(model, term, unit, _REPEATED, named)
        terms = {term: share for term, share in harm.items() if share is not None}
        if terms:
            found.append(_Gap(BETWEEN, unit, terms))
    return found


def _is_apart(model: CarriedTerms, term: str, unit: Unit) -> bool:
    """Whether a term is constant within a unit that is not one of its carriers but for a few levels."""
    if not model.constant(unit, model.terms[term][0]):
        return False
    finer = [one.grouping for one in model.carriers(term) if one.grouping.holds(unit.grouping.code)]
    return all(one.size >= _REPEATED * unit.grouping.size for one in finer)


def _same(one: Unit, other: Unit) -> bool:
    return one.grouping.size == other.grouping.size and one.grouping.holds(other.grouping.code)


def _possible_units(model: CarriedTerms, excluded: set[str]) -> Iterator[Unit]:
    """Columns that the formula does not use by themselves, whose levels repeat and hold some fixed term constant.

    Not those that the fixed factors determine. A missing value is a level of its own.
    """
    used = {*model.fixed.variables.columns, *(unit.columns[0] for unit in model.intercepts if len(unit.columns) == 1)}
    for name in map(str, model.data.columns):
        if name in used or name in excluded or not _may_be_unit(model.data[name]):
            continue
        code = model.coded[name][0] if name in model.coded else _codes(model, name)
        if code is None:
            continue
        missing = np.flatnonzero(code < 0)
        known = np.delete(np.arange(len(code)), missing) if len(missing) else slice(None)
        if not Grouping("cells", model.cells.code[known], model.cells.size).holds(code[known]):
            levels = int(code.max()) + 1
            code[missing] = levels + np.arange(len(missing))
            yield Unit((name,), Grouping(name, code, levels + len(missing)))


def _may_be_unit(column: pd.Series) -> bool:
    kind = column.dtype
    texts = isinstance(kind, pd.CategoricalDtype) or is_object_dtype(kind) or is_string_dtype(kind)
    return texts or is_bool_dtype(kind) or is_integer_dtype(kind)


def _codes(model: CarriedTerms, name: str) -> IntArray | None:
    """Codes of a column; None where a glance shows that no level repeats or no fixed term is constant within levels."""
    column, drawn = model.data[name], drawn_rows(len(model.data))
    if drawn is not None:
        code = _factorized(column.iloc[drawn])
        if code is None or int(code.max()) + 1 == len(code):
            return None
        seen = np.flatnonzero(code >= 0)
        glance = Grouping(name, code[seen], int(code.max()) + 1)
        held = {one for one in map(str, model.fixed.variables) if glance.holds(model.values(one)[drawn[seen]])}
        if not any(held.issuperset(variables) for variables, _ in model.terms.values()):
            return None
    return _factorized(column)


def _factorized(column: pd.Series) -> IntArray | None:
    """Codes (rows,), -1 for a missing value; None for values that cannot be compared."""
    try:
        return pd.factorize(column)[0].astype(np.int64)
    except TypeError:
        return None


def _row(gap: _Gap, model: CarriedTerms) -> dict[str, object]:
    terms = [":".join(model.terms[term][0]) for term in gap.terms]
    share = max(gap.terms.values())
    add = f"({'1 + ' + ':'.join(gap.slope) if gap.slope else '1'} | {gap.unit.name})"
    advice = f"add {add}"
    if gap.slope and model.is_random(gap.unit):
        advice = f"write {add} in place of (1 | {gap.unit.name})"
    rejected = "over 99" if share > 0.99 else f"some {100 * share:.0f}"
    where = "these slopes have" if gap.slope else f"{gap.unit.name} has"
    return {
        "terms": ", ".join(terms),
        "unit": gap.unit.name,
        "kind": gap.kind,
        "levels": gap.unit.grouping.size,
        "false_positives": share,
        "add": add,
        "sentence": (
            f"{_what_is_missing(gap, terms)}: {_tests_that_suffer(gap, terms)} {_mistake(gap, model)} (at 5 %, "
            f"{rejected} % of true nulls are rejected where {where} a tenth of the noise's variance); {advice}."
        ),
    }


def _what_is_missing(gap: _Gap, terms: Sequence[str]) -> str:
    if gap.within is None:
        be = "is" if len(terms) == 1 else "are"
        return f"{_listed(terms)} {be} constant within {gap.unit.name}, but {gap.unit.name} is not random"
    vary = "varies" if len(gap.varying) == 1 else "vary"
    missing = f"a slope of {':'.join(gap.slope)} over {gap.unit.name}" if gap.slope else gap.unit.name
    return f"{_listed(gap.varying)} {vary} within {gap.within.name}, but {missing} is not random"


def _tests_that_suffer(gap: _Gap, terms: Sequence[str]) -> str:
    if len(terms) == 1:
        return "its test takes" if gap.kind == BETWEEN else f"the test of {terms[0]} takes"
    return "their tests take" if gap.kind == BETWEEN else f"the tests of {_listed(terms)} take"


def _mistake(gap: _Gap, model: CarriedTerms) -> str:
    carriers = [one for term in gap.terms for one in model.carriers(term)]
    if not carriers:
        return "every answer for a witness of its own"
    if gap.kind == BETWEEN:
        coarsest = min(carriers, key=lambda one: one.grouping.size)
        return f"every level of {coarsest.name} for a witness of its own"
    return f"answers of the same {gap.unit.name} for unrelated"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
