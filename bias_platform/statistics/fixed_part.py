"""The fixed part of a model: one row of X for each distinct pattern, built by formulaic."""

import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from numbers import Number
from typing import Any

import numpy as np
import pandas as pd
from formulaic import Formula, ModelSpec
from formulaic.errors import FormulaicError
from formulaic.parser.types import Factor, Term

from bias_platform.statistics.arrays import FloatArray, IntArray, combine_codes, sorted_codes
from bias_platform.statistics.errors import ModelError

_NEEDS_ALL_ROWS = ("center", "scale", "standardize", "poly", "bs", "cc", "cr", "cs", "lag")
"""Transforms whose value at a row depends on the other rows: they cannot be built from distinct rows."""


@dataclass(frozen=True)
class FixedPart:
    """X as its distinct rows, and what is needed to build further rows of it."""

    patterns: FloatArray
    """(patterns, columns): the distinct rows of X, without the dropped columns."""
    pattern: IntArray
    """(rows,): which pattern each row has; of a `Design`, each distinct row."""
    columns: tuple[str, ...]
    dropped: tuple[str, ...]
    """Columns of X that the ones before them determine."""
    kept: IntArray
    aliases: FloatArray
    """(columns, dropped): how each dropped column follows from the kept ones."""
    terms: dict[str, tuple[str, ...]]
    """Columns of each term, dropped ones left out; the intercept is term ``1``."""
    term_variables: dict[str, tuple[str, ...]]
    levels: dict[str, tuple[Any, ...]]
    """Levels of each categorical variable."""
    centers: dict[str, float]
    """Mean over the rows of each numeric variable."""
    variables: pd.DataFrame = field(repr=False)
    """The variables that X is made of, one row a pattern."""
    spec: ModelSpec = field(repr=False)

    def rows(self, frame: pd.DataFrame) -> tuple[FloatArray, np.ndarray[Any, np.dtype[np.bool_]]]:
        """X for new rows (n, columns) and whether each row is estimable (n,)."""
        full = np.asarray(self.spec.get_model_matrix(frame), dtype=float)
        kept = full[:, self.kept]
        removed = np.delete(full, self.kept, axis=1)
        return kept, np.all(np.abs(removed - kept @ self.aliases) < 1e-8, axis=1)


def formula_variables(fixed: str, text: str, columns: Iterable[str]) -> tuple[str, ...]:
    """Columns that the fixed part names, known or not; raises `ModelError` where it cannot be read."""
    if re.search(r"(?<![\w.])\.(?![\w.])", re.sub(r"`[^`]*`|'[^']*'|\"[^\"]*\"", "", fixed)):
        raise ModelError(
            f"The formula {text!r} uses '.', which would mean all of the data: name the columns that are meant."
        )
    known = list(columns)
    _refuse_foreign(fixed, text, known)
    try:
        required = {str(name) for name in Formula(fixed).required_variables}
        return tuple(sorted(required | _named(fixed, known)))
    except FormulaicError as problem:
        raise ModelError(f"The formula {text!r} cannot be read: {_plain(problem)}") from problem
    except SyntaxError as problem:
        raise ModelError(f"The formula {text!r} cannot be read: {problem.msg}.") from problem


def _refuse_foreign(fixed: str, text: str, columns: Iterable[str]) -> None:
    """What R reads and this formula language does not, or reads as something else."""
    bare = re.sub(r"'[^']*'|\"[^\"]*\"", "", fixed)
    dotted = [name for name in map(str, columns) if "." in name and name in bare]
    if dotted:
        plain = dotted[0].replace(".", "_")
        raise ModelError(
            f"Column {dotted[0]!r} in the formula {text!r} has a dot in its name, which formulas read otherwise: "
            f"rename it, such as to {plain!r}."
        )
    if re.search(r"\boffset\s*\(", bare):
        raise ModelError(f"The formula {text!r} has an offset(), which cannot be fitted: subtract it from the outcome.")
    if "^" in bare:
        raise ModelError(f"The formula {text!r} has '^', which is no power here: write I(x**2) or x**2.")


def build_fixed_part(fixed: str, text: str, data: pd.DataFrame) -> FixedPart:
    """Build X for ``data``, once for each distinct combination of the variables it uses.

    Raises:
        ModelError: a factor with one level, a transform that fails, or nothing left to estimate.
    """
    variables = formula_variables(fixed, text, map(str, data.columns))
    frame, pattern = distinct_rows(data, variables, fixed)
    levels = factor_levels(frame, variables, text)
    spec, matrix = model_matrix(fixed, text, frame)
    columns = [str(name) for name in spec.column_names]
    kept, aliases = independent_columns(matrix)
    if not len(kept):
        raise ModelError(f"The formula {text!r} leaves no fixed effect to estimate: keep the intercept.")
    names = [columns[k] for k in kept]
    return FixedPart(
        patterns=np.ascontiguousarray(matrix[:, kept]),
        pattern=pattern,
        columns=tuple(names),
        dropped=tuple(name for name in columns if name not in set(names)),
        kept=kept,
        aliases=aliases,
        terms=_terms(spec, columns, set(names)),
        term_variables={str(term): _term_variables(term, variables, text) for term in spec.terms},
        levels=levels | _numeric_factor_levels(spec, frame, variables),
        centers={v: float(data[v].mean()) for v in variables if pd.api.types.is_numeric_dtype(data[v])},
        variables=frame,
        spec=spec,
    )


def independent_columns(matrix: FloatArray) -> tuple[IntArray, FloatArray]:
    """Columns that do not follow from the ones before them, and how the others follow from those.

    Earlier columns win, as in R, so that a dropped column is the interaction and not the main effect.

    Args:
        matrix: (rows, columns).

    Returns:
        Indices (kept,) and coefficients (kept, dropped).
    """
    size = np.abs(matrix).max(axis=0, initial=0.0)
    size[size == 0.0] = 1.0
    scaled = matrix / size
    basis = np.zeros((matrix.shape[0], 0))
    kept: list[int] = []
    for at in range(matrix.shape[1]):
        column = scaled[:, at]
        rest = column - basis @ (basis.T @ column)
        rest -= basis @ (basis.T @ rest)
        length = float(np.linalg.norm(rest))
        if length > 1e-7 * max(float(np.linalg.norm(column)), 1e-300):
            basis = np.column_stack([basis, rest / length])
            kept.append(at)
    indices = np.asarray(kept, dtype=np.int64)
    others = np.delete(np.arange(matrix.shape[1]), indices)
    aliases = np.linalg.lstsq(scaled[:, indices], scaled[:, others], rcond=None)[0]
    return indices, np.asarray(aliases / size[indices, None] * size[others], dtype=np.float64)


def _term_variables(term: Term, variables: Sequence[str], text: str) -> tuple[str, ...]:
    """Columns that a term is made of, however they are written."""
    found = {name for factor in term.factors for name in _factor_variables(factor, variables)}
    if not found and str(term) != "1":
        raise ModelError(f"The term {str(term)!r} of the formula {text!r} names no column of the data: remove it.")
    return tuple(sorted(found))


def _factor_variables(factor: Factor, variables: Iterable[str]) -> set[str]:
    known = set(variables)
    if factor.eval_method.value == "lookup":
        return {factor.expr} & known
    return _named(factor.expr, known) or {str(name) for name in Formula(factor.expr).required_variables} & known


def _named(text: str, columns: Iterable[str]) -> set[str]:
    """Columns that occur in an expression; formulaic itself overlooks those inside ``center(…)`` and the like."""
    bare = re.sub(r"'[^']*'|\"[^\"]*\"", "", text)
    words = set(re.findall(r"[A-Za-z_]\w*(?!\w|\s*\()", bare)) | set(re.findall(r"`([^`]*)`", bare))
    return words & set(columns)


def distinct_rows(data: pd.DataFrame, variables: Sequence[str], fixed: str) -> tuple[pd.DataFrame, IntArray]:
    """The distinct combinations of some variables, and which of them each row has."""
    if not variables:
        return pd.DataFrame(index=range(1)), np.zeros(len(data), dtype=np.int64)
    if any(f"{name}(" in fixed.replace(" ", "") for name in _NEEDS_ALL_ROWS):
        return data[list(variables)].reset_index(drop=True), np.arange(len(data), dtype=np.int64)
    codes, first = combine_codes([sorted_codes(data[name])[0] for name in variables])
    return data[list(variables)].iloc[first].reset_index(drop=True), codes


def model_matrix(fixed: str, text: str, frame: pd.DataFrame) -> tuple[ModelSpec, FloatArray]:
    """The columns of a right-hand side, and what is needed to build them for other rows.

    Raises:
        ModelError: it cannot be used with this data, has no column, or gives values that are not finite.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            built = Formula(fixed).get_model_matrix(frame, context={}, na_action="raise")
    except (FormulaicError, ValueError, TypeError, KeyError) as problem:
        raise ModelError(f"The formula {text!r} cannot be used with this data: {_plain(problem)}") from problem
    matrix = np.asarray(built, dtype=float)
    if matrix.shape[1] == 0:
        raise ModelError(f"The formula {text!r} leaves no fixed effect to estimate: keep the intercept.")
    if not np.isfinite(matrix).all():
        bad = [str(built.columns[k]) for k in np.flatnonzero(~np.isfinite(matrix).all(axis=0))]
        raise ModelError(f"The formula {text!r} gives values that are not finite in {', '.join(bad)}.")
    return built.model_spec, matrix


def _terms(spec: ModelSpec, columns: Sequence[str], kept: set[str]) -> dict[str, tuple[str, ...]]:
    return {
        str(term): tuple(columns[k] for k in indices if columns[k] in kept)
        for term, indices in spec.term_indices.items()
    }


def factor_levels(frame: pd.DataFrame, variables: Sequence[str], text: str) -> dict[str, tuple[Any, ...]]:
    """Levels of the variables that are factors.

    Raises:
        ModelError: a factor with one level, or a variable that is neither a number nor a factor.
    """
    found = {}
    for name in variables:
        kind = frame[name].dtype
        if kind.kind in "cmM":
            what = "complex numbers" if kind.kind == "c" else "dates or times"
            raise ModelError(
                f"Column {name!r} in the formula {text!r} holds {what}: turn them into plain numbers (such as days), "
                "or into text if they name groups."
            )
        if not pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_bool_dtype(kind):
            found[name] = tuple(sorted_codes(frame[name])[1])
            if kind.kind == "O" and found[name] and all(map(_is_number, found[name])):
                raise ModelError(
                    f"Column {name!r} in the formula {text!r} holds numbers stored as objects: convert them with "
                    f"astype(float), or write C({name}) on a column of text if they name groups."
                )
    _refuse_single_levels(found, text)
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, Number) and not isinstance(value, bool)


def _numeric_factor_levels(
    spec: ModelSpec, frame: pd.DataFrame, variables: Sequence[str]
) -> dict[str, tuple[Any, ...]]:
    """Levels of number columns that the formula makes categorical, as in ``C(year)``."""
    numbers = {name for name in variables if pd.api.types.is_numeric_dtype(frame[name])}
    named = {
        name
        for term in spec.terms
        for factor in term.factors
        if factor.expr in spec.encoder_state and spec.encoder_state[factor.expr][0].value == "categorical"
        for name in _factor_variables(factor, numbers)
    }
    return {name: tuple(sorted_codes(frame[name])[1]) for name in sorted(named)}


def _refuse_single_levels(levels: dict[str, tuple[Any, ...]], text: str) -> None:
    for name, values in levels.items():
        if len(values) < 2:
            raise ModelError(
                f"Factor {name!r} in the formula {text!r} has a single level ({values[0]!r}): it has no effect "
                "that could be estimated; remove it from the formula or select data with several levels."
            )


def _plain(problem: Exception) -> str:
    """The first line of a library's message without its terminal colours."""
    text = re.sub(r"\x1b\[[0-9;]*m|[⧛⧚]", "", str(problem)).strip()
    return text.splitlines()[0] if text else type(problem).__name__
