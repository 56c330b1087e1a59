"""What could be wrong with a fit: found, named, and said in plain sentences."""

from dataclasses import dataclass, field
from itertools import product

import numpy as np
import pandas as pd

from bias_platform.statistics.arrays import FloatArray, bin_sums
from bias_platform.statistics.design import Design
from bias_platform.statistics.linear_optimum import LinearOptimum
from bias_platform.statistics.optimum import LARGEST_SD, Optimum
from bias_platform.statistics.response import GAUSSIAN

FEW_LEVELS = 6
FEW_MINORITY_ANSWERS = 20
_FAR, _VAGUE = 8.0, 5.0
_SETTLED = 0.01


@dataclass(frozen=True)
class Diagnostics:
    """The state of a fit."""

    converged: bool
    gradient_norm: float
    """Largest gradient entry at the end, in units of standard errors."""
    iterations: int
    evaluations: int
    newton_passes: int
    eliminated_grouping: str
    singular_terms: tuple[str, ...]
    """Random terms with a variance of zero, or with slopes whose correlation is at its limit."""
    runaway_terms: tuple[str, ...]
    """Random terms whose deviation passed 20 logits, where the search is given up: the fit is not converged."""
    separated: tuple[str, ...]
    """Coefficients without a finite estimate, or nearly: |estimate| > 8 with a standard error above 5."""
    dropped_columns: tuple[str, ...]
    """Columns of X that others determine (commonly an empty cell); their effect cannot be estimated."""
    few_levels: tuple[str, ...]
    """Random terms with fewer than 6 levels: their variance is hardly known."""
    cells: pd.DataFrame = field(repr=False)
    """One row a combination of the factors that interact: ``cell``, ``observations``, ``successes``,
    ``minority`` (the rarer answer) and ``state``: ``empty``, ``constant``, ``sparse`` (minority < 20) or ``ok``.
    If Gaussian: ``cell``, ``observations``, ``mean`` and ``state``: ``empty`` or ``ok``."""
    messages: tuple[str, ...]

    @property
    def degenerate_cells(self) -> tuple[str, ...]:
        """Cells in which every answer is the same, or that have no answer."""
        return tuple(self.cells.loc[self.cells["state"].isin(["empty", "constant"]), "cell"])


def diagnose(
    design: Design, optimum: Optimum, fixed_effects: pd.DataFrame, grouping: str, invertible: bool
) -> Diagnostics:
    """Look a fit over."""
    cells = tabulate_cells(design)
    far = (fixed_effects["estimate"].abs() > _FAR) & (fixed_effects["standard_error"] > _VAGUE)
    vague = fixed_effects["standard_error"].isna() | far
    findings = {
        "singular_terms": _term_names(design, optimum.zero),
        "runaway_terms": _term_names(design, optimum.runaway),
        "separated": tuple(str(name) for name in fixed_effects.index[vague]),
        "dropped_columns": design.fixed.dropped,
        "few_levels": tuple(term.name for term in design.terms if term.size < FEW_LEVELS),
    }
    converged = optimum.converged and optimum.gradient_norm < _SETTLED
    return Diagnostics(
        converged=converged,
        gradient_norm=optimum.gradient_norm,
        iterations=optimum.iterations,
        evaluations=optimum.evaluations,
        newton_passes=optimum.passes,
        eliminated_grouping=grouping,
        cells=cells,
        messages=tuple(_messages(findings, cells, optimum, converged, invertible)),
        **findings,
    )


def diagnose_linear(design: Design, optimum: LinearOptimum, grouping: str) -> Diagnostics:
    """Look a Gaussian fit over."""
    cells = tabulate_cells(design)
    findings = {
        "singular_terms": _term_names(design, optimum.zero),
        "dropped_columns": design.fixed.dropped,
        "few_levels": tuple(term.name for term in design.terms if term.size < FEW_LEVELS),
    }
    converged = optimum.converged and optimum.gradient_norm < _SETTLED
    messages = [*_finding_messages(findings), *_cell_messages(cells)]
    return Diagnostics(
        converged=converged,
        gradient_norm=optimum.gradient_norm,
        iterations=optimum.iterations,
        evaluations=optimum.evaluations,
        newton_passes=0,
        eliminated_grouping=grouping,
        runaway_terms=(),
        separated=(),
        cells=cells,
        messages=tuple(messages if converged else [*messages, _unsettled(optimum)]),
        **findings,
    )


def _term_names(design: Design, components: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(design.terms[design.components[k].term].name for k in components))


def tabulate_cells(design: Design) -> pd.DataFrame:
    """Answers by combination of the factors of each term that no other term contains."""
    gaussian = design.family == GAUSSIAN
    frames = [_cells_of(design, factors, gaussian) for factors in _widest_terms(design)]
    columns = ["cell", "observations", *(["mean"] if gaussian else ["successes", "minority"]), "state"]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def _widest_terms(design: Design) -> list[tuple[str, ...]]:
    levels = design.fixed.levels
    sets = {tuple(name for name in variables if name in levels) for variables in design.fixed.term_variables.values()}
    return sorted(s for s in sets if s and not any(set(s) < set(other) for other in sets))


def _cells_of(design: Design, factors: tuple[str, ...], gaussian: bool) -> pd.DataFrame:
    frame = design.fixed.variables[list(factors)]
    shape = [len(design.fixed.levels[name]) for name in factors]
    codes = [pd.Index(design.fixed.levels[name]).get_indexer(frame[name]) for name in factors]
    cell = np.ravel_multi_index(codes, shape)[design.pattern]
    count = int(np.prod(shape))
    seen = bin_sums(cell, design.trials, count)
    won = bin_sums(cell, design.successes, count)
    names = [
        ", ".join(f"{name}={value}" for name, value in zip(factors, values, strict=True))
        for values in product(*(design.fixed.levels[name] for name in factors))
    ]
    counted = _means(seen, won) if gaussian else _answers(seen, won)
    return pd.concat([pd.DataFrame({"cell": names, "observations": seen.astype(int)}), counted], axis=1)


def _answers(seen: FloatArray, won: FloatArray) -> pd.DataFrame:
    minority = np.minimum(won, seen - won)
    state = np.select(
        [seen == 0, minority == 0, minority < FEW_MINORITY_ANSWERS], ["empty", "constant", "sparse"], "ok"
    )
    return pd.DataFrame({"successes": won.astype(int), "minority": minority.astype(int), "state": state})


def _means(seen: FloatArray, total: FloatArray) -> pd.DataFrame:
    mean = np.divide(total, seen, out=np.full_like(total, np.nan), where=seen > 0)
    return pd.DataFrame({"mean": mean, "state": np.where(seen == 0, "empty", "ok")})


def _messages(
    findings: dict[str, tuple[str, ...]],
    cells: pd.DataFrame,
    optimum: Optimum,
    converged: bool,
    invertible: bool,
) -> list[str]:
    messages = _finding_messages(findings) + _cell_messages(cells)
    if findings["runaway_terms"]:
        messages.append(
            f"The deviation of {_shown(findings['runaway_terms'])} passed {LARGEST_SD:g} on the logit scale, where the "
            "search is given up: most levels have only one kind of answer, so the model has no finite estimate. "
            "Do not report this fit."
        )
    elif not converged:
        messages.append(_unsettled(optimum))
    if not invertible:
        messages.append("The observed information could not be inverted; standard errors are the joint ones.")
    return messages


def _finding_messages(findings: dict[str, tuple[str, ...]]) -> list[str]:
    said = {
        "singular_terms": "The variance of {} is estimated as zero in some direction: an intercept has no effect, "
        "slopes are bound to each other. The term was kept.",
        "separated": "No finite estimate exists for {}: some cell has only one kind of answer. "
        "Read its probabilities, not its log-odds.",
        "dropped_columns": "Not estimable and dropped, because other columns determine it: {}.",
        "few_levels": "{} has fewer than 6 levels, so its variance is hardly known.",
    }
    return [text.format(_shown(findings[key])) for key, text in said.items() if findings.get(key)]


def _unsettled(optimum: Optimum | LinearOptimum) -> str:
    return (
        f"The optimiser did not converge: the gradient is still {optimum.gradient_norm:.2g} standard errors "
        f"after {optimum.evaluations} evaluations. Do not report this fit."
    )


def _cell_messages(cells: pd.DataFrame) -> list[str]:
    said = {
        "empty": "No answers at all in {}.",
        "constant": "Every answer is the same in {}.",
        "sparse": "Fewer than 20 answers of the rarer kind in {}: prefer probability differences there.",
    }
    named = {state: tuple(cells.loc[cells["state"] == state, "cell"]) for state in said}
    return [text.format(_shown(named[state])) for state, text in said.items() if named[state]]


def _shown(names: tuple[str, ...]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
