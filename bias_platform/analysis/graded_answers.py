"""No < Maybe < Yes as one ordinal outcome: a sensitivity analysis beside the two readings that cut it in two.

Model A with a cumulative logit: one log-odds ratio a persona for being above either threshold. That is a claim only
where the odds are proportional, which is tested; where they are not, the two readings are what there is to say.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from bias_platform.analysis.adjustment import adjusted
from bias_platform.analysis.answers import Answers
from bias_platform.analysis.contrasts import versus_control
from bias_platform.analysis.fit_records import Records, component_rows, fit_row, impossible_fit_row
from bias_platform.analysis.item_cube import label_of
from bias_platform.analysis.model_rows import informative_rows, item_formula, model_rows
from bias_platform.analysis.named_personas import cell_means, refusal
from bias_platform.analysis.scoped_means import ScopedMeans
from bias_platform.catalog.entries import AnalysisSettings, TaskEntry
from bias_platform.schemas.results import GRADED, LENIENT, PRIMARY, THESE_WORDINGS
from bias_platform.statistics import MixedModelFit, ModelError, fit_mixed_model, proportional_odds_test
from bias_platform.statistics.estimates import LINK

_GRADE = "grade"
_TESTED = ("persona", "persona:system")


class GradedResults(NamedTuple):
    """The ordinal model of a study; tables are empty where it cannot be used or the task has no middle answer."""

    contrasts: pd.DataFrame
    """Schema `GradedContrasts`, without what the readings say."""
    proportional_odds: pd.DataFrame
    """Schema `ProportionalOdds`."""
    records: Records


def grade_names(task: TaskEntry) -> tuple[str, str, str]:
    """What the three grades are called: options that count as Yes in no reading, in the lenient one, in both.

    >>> from bias_platform.catalog.entries import OptionEntry
    >>> options = tuple(OptionEntry(value=name) for name in ("Yes", "Maybe", "No"))
    >>> lenient = ("Yes", "Maybe")
    >>> grade_names(TaskEntry(question="{content}?", options=options, positive=("Yes",), positive_lenient=lenient))
    ('No', 'Maybe', 'Yes')
    """
    lenient = task.positive_lenient or task.positive
    low = [name for name in task.option_values if name not in (*lenient, *task.positive, *task.set_aside)]
    middle = [name for name in lenient if name not in task.positive]
    return " or ".join(low), " or ".join(middle), " or ".join(task.positive)


def analyse_grades(
    answers: Answers,
    task: TaskEntry,
    degenerate: set[tuple[str, str]],
    settings: AnalysisSettings,
    say: Callable[[str], None] = lambda _: None,
) -> GradedResults:
    """Fits the ordinal model A and compares each persona with the control.

    Args:
        answers: prepared answers.
        task: names the grades.
        degenerate: (system, persona_id) cells left out, those of either reading.
        settings: confidence, adjustment and smallest cells.
        say: takes a line of progress.
    """
    found = GradedResults(pd.DataFrame(), pd.DataFrame(), Records())
    if not all(grade_names(task)):
        return found
    rows = graded_rows(answers, task, degenerate)
    missing = set(grade_names(task)) - set(rows[_GRADE].astype(str))
    if missing:
        why = f"no answer that is left is {' or '.join(sorted(missing))}: there are no three grades"
        found.records.fits.append(impossible_fit_row(GRADED, why, len(degenerate)))
        return found
    say("model A, ordinal")
    rows, thin = informative_rows(rows, settings.minimum_minority, _GRADE)
    fit = _fitted(rows, len(degenerate | thin), found.records)
    if fit is None:
        return found
    only_system = str(rows["system"].iloc[0])
    found.records.components.extend(component_rows(GRADED, fit, {}))
    means = ScopedMeans.of_items(cell_means(fit, only_system), rows["item"].nunique() - 1)
    odds = _proportional_odds(fit, only_system if rows["system"].nunique() == 1 else "all systems")
    return found._replace(contrasts=_contrasts(means, answers, settings), proportional_odds=odds)


def graded_rows(answers: Answers, task: TaskEntry, degenerate: set[tuple[str, str]]) -> pd.DataFrame:
    """Rows of model A with `grade` (ordered): the sum of both readings."""
    rows = model_rows(answers, PRIMARY, degenerate)
    grade = rows.pop("yes").to_numpy() + model_rows(answers, LENIENT, degenerate)["yes"].to_numpy()
    kind = pd.CategoricalDtype(list(grade_names(task)), ordered=True)
    return rows.assign(**{_GRADE: pd.Categorical.from_codes(grade, dtype=kind)})


def with_readings(contrasts: pd.DataFrame, of_readings: pd.DataFrame) -> pd.DataFrame:
    """Adds what the two readings say of the same personas, in these wordings.

    Args:
        contrasts: from `analyse_grades`.
        of_readings: table `ControlContrasts`.
    """
    if contrasts.empty:
        return contrasts
    keys = ["system", "persona_id"]
    narrow = of_readings[of_readings["scope"] == THESE_WORDINGS]
    for reading in (PRIMARY, LENIENT):
        rows = narrow[narrow["reading"] == reading].set_index(keys)[["difference", "significant"]]
        contrasts = contrasts.join(rows.add_prefix(f"{reading}_"), on=keys)
    for reading in (PRIMARY, LENIENT):
        contrasts[f"{reading}_significant"] = contrasts[f"{reading}_significant"].eq(True)
    return contrasts


def _fitted(rows: pd.DataFrame, left_out: int, records: Records) -> MixedModelFit | None:
    formula = item_formula(rows, _GRADE)
    if formula is None or rows[_GRADE].nunique() < 3:
        why = "fewer than two personas are left that have all grades often enough"
        records.fits.append(impossible_fit_row(GRADED, why, left_out))
        return None
    try:
        fit = fit_mixed_model(formula, rows, family="ordinal")
    except ModelError as problem:
        records.fits.append(impossible_fit_row(GRADED, str(problem), left_out, formula))
        return None
    why = refusal(fit)
    records.fits.append(fit_row(GRADED, fit, rows["item"].nunique(), left_out, why))
    if why:
        records.messages.append(f"The ordinal model is not used, because {why}.")
    return None if why else fit


def _contrasts(means: ScopedMeans, answers: Answers, settings: AnalysisSettings) -> pd.DataFrame:
    contrasts = versus_control(means, answers.control)
    if contrasts is None:
        return pd.DataFrame()
    labels = contrasts.means.labels[["system", "persona_id"]].astype(str)
    found = contrasts.frame(LINK, settings.confidence)
    known = np.isfinite(found["standard_error"].to_numpy())
    covariance = contrasts.total_covariance(LINK)[np.ix_(known, known)]
    family = adjusted(found.loc[known, "p_value"].to_numpy(float), settings, covariance)
    table = labels[known].reset_index(drop=True)
    table = table.join(label_of(answers.personas, table["persona_id"]))
    columns = ["estimate", "lower", "upper", "standard_error", "df", "p_value"]
    table = table.join(found.loc[known, columns].reset_index(drop=True)).rename(columns={"estimate": "log_odds"})
    claims: pd.DataFrame = table.assign(p_adjusted=family.p, significant=family.p < 1.0 - settings.confidence)
    return claims


def _proportional_odds(fit: MixedModelFit, systems: str) -> pd.DataFrame:
    fixed = fit.design.fixed
    present = {frozenset(fixed.term_variables[name]): name for name, columns in fixed.terms.items() if columns}
    terms = [present[frozenset(term.split(":"))] for term in _TESTED if frozenset(term.split(":")) in present]
    table: pd.DataFrame = proportional_odds_test(fit, terms)
    names = [" × ".join(fixed.term_variables[name]) for name in terms]
    table["term"], table["systems"], table["df"] = names, systems, table["df"].astype(float)
    return table
