"""What could be wrong with a fit: found, named, and said in plain sentences."""

from dataclasses import dataclass, field
from itertools import product

import numpy as np
import pandas as pd

from bias_platform.statistics.arrays import bin_sums
from bias_platform.statistics.design import Design
from bias_platform.statistics.optimum import Optimum

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
    """Random terms whose variance is zero."""
    separated: tuple[str, ...]
    """Coefficients without a finite estimate, or nearly: |estimate| > 8 with a standard error above 5."""
    dropped_columns: tuple[str, ...]
    """Columns of X that others determine (commonly an empty cell); their effect cannot be estimated."""
    few_levels: tuple[str, ...]
    """Random terms with fewer than 6 levels: their variance is hardly known."""
    cells: pd.DataFrame = field(repr=False)
    """One row a combination of the factors that interact: ``cell``, ``observations``, ``successes``,
    ``minority`` (the rarer answer) and ``state``: ``empty``, ``constant``, ``sparse`` (minority < 20) or ``ok``."""
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
        "singular_terms": tuple(design.terms[k].name for k in optimum.zero),
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


def tabulate_cells(design: Design) -> pd.DataFrame:
    """Answers by combination of the factors of each term that no other term contains."""
    frames = [_cells_of(design, factors) for factors in _widest_terms(design)]
    columns = ["cell", "observations", "successes", "minority", "state"]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def _widest_terms(design: Design) -> list[tuple[str, ...]]:
    levels = design.fixed.levels
    sets = {tuple(name for name in variables if name in levels) for variables in design.fixed.term_variables.values()}
    return sorted(s for s in sets if s and not any(set(s) < set(other) for other in sets))


def _cells_of(design: Design, factors: tuple[str, ...]) -> pd.DataFrame:
    frame = design.fixed.variables[list(factors)]
    shape = [len(design.fixed.levels[name]) for name in factors]
    codes = [pd.Index(design.fixed.levels[name]).get_indexer(frame[name]) for name in factors]
    cell = np.ravel_multi_index(codes, shape)[design.pattern]
    count = int(np.prod(shape))
    seen = bin_sums(cell, design.trials, count)
    won = bin_sums(cell, design.successes, count)
    minority = np.minimum(won, seen - won)
    state = np.select(
        [seen == 0, minority == 0, minority < FEW_MINORITY_ANSWERS], ["empty", "constant", "sparse"], "ok"
    )
    names = [
        ", ".join(f"{name}={value}" for name, value in zip(factors, values, strict=True))
        for values in product(*(design.fixed.levels[name] for name in factors))
    ]
    return pd.DataFrame(
        {"cell": names, "observations": seen, "successes": won, "minority": minority, "state": state}
    ).astype({"observations": int, "successes": int, "minority": int})


def _messages(
    findings: dict[str, tuple[str, ...]],
    cells: pd.DataFrame,
    optimum: Optimum,
    converged: bool,
    invertible: bool,
) -> list[str]:
    said = {
        "singular_terms": "The variance of {} is estimated as zero; the term was kept but has no effect.",
        "separated": "No finite estimate exists for {}: some cell has only one kind of answer. "
        "Read its probabilities, not its log-odds.",
        "dropped_columns": "Not estimable and dropped, because other columns determine it: {}.",
        "few_levels": "{} has fewer than 6 levels, so its variance is hardly known.",
    }
    messages = [text.format(_shown(findings[key])) for key, text in said.items() if findings[key]]
    for state, text in (
        ("empty", "No answers at all in {}."),
        ("constant", "Every answer is the same in {}."),
        ("sparse", "Fewer than 20 answers of the rarer kind in {}: prefer probability differences there."),
    ):
        names = tuple(cells.loc[cells["state"] == state, "cell"])
        if names:
            messages.append(text.format(_shown(names)))
    if not converged:
        messages.append(
            f"The optimiser did not converge: the gradient is still {optimum.gradient_norm:.2g} standard errors "
            f"after {optimum.evaluations} evaluations. Do not report this fit."
        )
    if not invertible:
        messages.append("The observed information could not be inverted; standard errors are the joint ones.")
    return messages


def _shown(names: tuple[str, ...]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
