"""What could be wrong with a fit: found, named, and said in plain sentences."""

from dataclasses import dataclass, field
from itertools import product

import numpy as np
import pandas as pd

from bias_platform.statistics.arrays import FloatArray, IntArray, bin_sums
from bias_platform.statistics.design import Design
from bias_platform.statistics.linear_optimum import LinearOptimum
from bias_platform.statistics.optimum import LARGEST_SD, Optimum
from bias_platform.statistics.response import GAUSSIAN, ORDINAL

FEW_LEVELS = 6
FEW_MINORITY_ANSWERS = 20
FAR, VAGUE = 8.0, 5.0
"""A coefficient that is farther, with a larger standard error, has no finite estimate."""
_SETTLED = 0.01
_HOPELESS = 20.0
"""A deviation with a standard error of so many times itself is not known at all."""


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
    """Groupings with fewer than 6 levels: their variance is hardly known."""
    unidentified_terms: tuple[str, ...]
    """Random terms whose variance other terms could carry as well."""
    fallbacks: tuple[str, ...]
    """Sentences on what was done in place of what was asked for."""
    missing_random_effects: pd.DataFrame = field(repr=False)
    """Units that the model needs and does not have; see `missing_random_effects`."""
    cells: pd.DataFrame = field(repr=False)
    """One row a combination of the factors that interact: ``cell``, ``observations``, ``successes``,
    ``minority`` (the rarer answer) and ``state``: ``empty``, ``constant``, ``sparse`` (minority < 20) or ``ok``.
    If Gaussian: ``cell``, ``observations``, ``mean`` and ``state``: ``empty`` or ``ok``. If ordinal, no ``successes``;
    ``minority`` are the answers on the smaller side of the threshold that divides them least evenly."""
    messages: tuple[str, ...]

    @property
    def degenerate_cells(self) -> tuple[str, ...]:
        """Cells in which every answer is the same, or that have no answer."""
        return tuple(self.cells.loc[self.cells["state"].isin(["empty", "constant"]), "cell"])


@dataclass(frozen=True)
class Outcome:
    """What there is to look over, beside the design."""

    optimum: Optimum | LinearOptimum
    fixed_effects: pd.DataFrame
    deviations: pd.DataFrame
    """`MixedModelFit.variance_components`."""
    grouping: str
    asked_full: bool
    """Whether standard errors of deviations were asked for."""
    invertible: bool
    """Whether the information could be inverted."""


def diagnose(design: Design, outcome: Outcome) -> Diagnostics:
    """Look a fit over."""
    optimum, cells = outcome.optimum, tabulate_cells(design)
    runaway = optimum.runaway if isinstance(optimum, Optimum) else ()
    findings = {
        "singular_terms": _term_names(design, optimum.zero),
        "runaway_terms": _term_names(design, runaway),
        "separated": () if design.family == GAUSSIAN else _separated(outcome.fixed_effects),
        "dropped_columns": design.fixed.dropped,
        "few_levels": tuple(dict.fromkeys(":".join(t.columns) for t in design.terms if t.size < FEW_LEVELS)),
        "unidentified_terms": _unidentified(outcome) if outcome.asked_full and outcome.invertible else (),
        "fallbacks": _fallbacks(outcome, bool(runaway)),
    }
    converged = optimum.converged and optimum.gradient_norm < _SETTLED
    return Diagnostics(
        converged=converged,
        gradient_norm=optimum.gradient_norm,
        iterations=optimum.iterations,
        evaluations=optimum.evaluations,
        newton_passes=optimum.passes if isinstance(optimum, Optimum) else 0,
        eliminated_grouping=outcome.grouping,
        cells=cells,
        missing_random_effects=design.missing,
        messages=tuple(_messages(design, findings, cells, optimum, converged)),
        **findings,
    )


def _separated(fixed_effects: pd.DataFrame) -> tuple[str, ...]:
    far = (fixed_effects["estimate"].abs() > FAR) & (fixed_effects["standard_error"] > VAGUE)
    return tuple(str(name) for name in fixed_effects.index[fixed_effects["standard_error"].isna() | far])


def _unidentified(outcome: Outcome) -> tuple[str, ...]:
    """Terms whose deviation has no standard error, or one that dwarfs it, although it is not zero."""
    found = outcome.deviations[~outcome.deviations["singular"]]
    vague = ~(found["sd_standard_error"] < _HOPELESS * found["sd"])
    return tuple(dict.fromkeys(found.loc[vague, "term"]))


def _fallbacks(outcome: Outcome, runaway: bool) -> tuple[str, ...]:
    """What was done in place of what was asked for."""
    if not outcome.asked_full or outcome.invertible:
        return ()
    if runaway:
        return ("Standard errors are the joint ones, because the search was given up.",)
    if isinstance(outcome.optimum, LinearOptimum):
        return ("The information on deviations could not be inverted; they have no standard errors.",)
    return ("The observed information could not be inverted; standard errors are the joint ones.",)


def _term_names(design: Design, components: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(design.terms[design.components[k].term].name for k in components))


def tabulate_cells(design: Design) -> pd.DataFrame:
    """Answers by combination of the factors of each term that no other term contains."""
    frames = [_cells_of(design, factors) for factors in _widest_terms(design)]
    further = {GAUSSIAN: ["mean"], ORDINAL: ["minority"]}.get(design.family, ["successes", "minority"])
    columns = ["cell", "observations", *further, "state"]
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
    names = [
        ", ".join(f"{name}={value}" for name, value in zip(factors, values, strict=True))
        for values in product(*(design.fixed.levels[name] for name in factors))
    ]
    counted = _counted(design, cell, seen)
    return pd.concat([pd.DataFrame({"cell": names, "observations": seen.astype(int)}), counted], axis=1)


def _counted(design: Design, cell: IntArray, seen: FloatArray) -> pd.DataFrame:
    if design.family == ORDINAL:
        kinds = [bin_sums(cell, kind, len(seen)) for kind in design.category_counts.T]
        return _categories(seen, np.column_stack(kinds))
    won = bin_sums(cell, design.successes, len(seen))
    return _means(seen, won) if design.family == GAUSSIAN else _answers(seen, won)


def _categories(seen: FloatArray, counts: FloatArray) -> pd.DataFrame:
    below = np.cumsum(counts, axis=1)[:, :-1]
    minority = np.minimum(below, seen[:, None] - below).min(axis=1)
    alone = counts.max(axis=1) == seen
    state = np.select([seen == 0, alone, minority < FEW_MINORITY_ANSWERS], ["empty", "constant", "sparse"], "ok")
    return pd.DataFrame({"minority": minority.astype(int), "state": state})


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
    design: Design,
    findings: dict[str, tuple[str, ...]],
    cells: pd.DataFrame,
    optimum: Optimum | LinearOptimum,
    converged: bool,
) -> list[str]:
    messages = [str(text) for text in design.missing["sentence"]]
    messages += _finding_messages(design, findings) + _cell_messages(cells)
    if findings["runaway_terms"]:
        messages.append(
            f"The deviation of {_shown(findings['runaway_terms'])} passed {LARGEST_SD:g} on the logit scale, where the "
            "search is given up: most levels have only one kind of answer, so the model has no finite estimate. "
            "Do not report this fit."
        )
    elif not converged:
        messages.append(_unsettled(optimum))
    return [*messages, *findings["fallbacks"]]


def _finding_messages(design: Design, findings: dict[str, tuple[str, ...]]) -> list[str]:
    slopes = {term.name for term in design.terms if len(term.effects) > 1}
    singular = findings["singular_terms"]
    named = findings | {
        "singular_intercepts": tuple(name for name in singular if name not in slopes),
        "singular_slopes": tuple(name for name in singular if name in slopes),
    }
    said = {
        "singular_intercepts": "The variance of {} is estimated as zero; the term was kept but has no effect.",
        "singular_slopes": "The effects of {} are bound to each other: a variance is zero or a correlation at its "
        "limit. The term was kept.",
        "unidentified_terms": "The variance of {} cannot be told from the other terms of the model: its estimate is "
        "one of many that fit as well.",
        "separated": "No finite estimate exists for {}: some cell has only one kind of answer. "
        "Read its probabilities, not its log-odds.",
        "dropped_columns": "Not estimable and dropped: {}. Other columns determine it, it is always zero, or it lies "
        "so far from zero that it looks constant (then subtract its mean).",
        "few_levels": "{} has fewer than 6 levels, so its variance is hardly known.",
    }
    return [text.format(_shown(named[key])) for key, text in said.items() if named[key]]


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
