"""The whole regression report of a study as tables: composes the modules of this room."""

from collections.abc import Callable
from typing import NamedTuple

import pandas as pd

from bias_platform.analysis.agreement import human_agreement
from bias_platform.analysis.answers import Answers, prepare_answers
from bias_platform.analysis.asked_twice import join_repeats
from bias_platform.analysis.baseline import baseline_differences
from bias_platform.analysis.changes import system_changes
from bias_platform.analysis.clustered_alternatives import clustered_alternatives
from bias_platform.analysis.contrasts import control_contrasts
from bias_platform.analysis.declared_families import declared_families
from bias_platform.analysis.divided_items import divided_items
from bias_platform.analysis.families import test_families
from bias_platform.analysis.fit_records import Records
from bias_platform.analysis.further_questions import further_questions
from bias_platform.analysis.graded_answers import GradedResults, analyse_grades, with_readings
from bias_platform.analysis.groups import fit_groups
from bias_platform.analysis.headline import write_headline, write_summary
from bias_platform.analysis.inputs import StudyInputs
from bias_platform.analysis.item_cube import ItemCube, build_cube
from bias_platform.analysis.material import Material, gather
from bias_platform.analysis.named_personas import NamedPersonas, fit_named_personas, refusals
from bias_platform.analysis.next_study import next_study
from bias_platform.analysis.noise_floor import noise_tables
from bias_platform.analysis.other_outcomes import analyse_other_outcomes
from bias_platform.analysis.outcomes import answer_shares, persona_outcomes, system_outcomes
from bias_platform.analysis.pairs import persona_pairs
from bias_platform.analysis.pattern_null import pattern_null
from bias_platform.analysis.probabilities import persona_probabilities
from bias_platform.analysis.scored import analyse_scores
from bias_platform.analysis.spreads import dimension_spreads
from bias_platform.analysis.standing_out import standing_out
from bias_platform.analysis.study_facts import study_facts
from bias_platform.catalog.entries import AnalysisSettings
from bias_platform.schemas import validate_table
from bias_platform.schemas.results import LENIENT, PRIMARY, READINGS, RESULT_TABLES, conform

Say = Callable[[str], None]


class RegressionResults(NamedTuple):
    """What a regression report says."""

    tables: dict[str, pd.DataFrame]
    """By name; each meets its schema in `schemas.results.RESULT_TABLES`."""
    headline: str
    """One plain sentence or two, with the uncertainty."""
    summary: tuple[str, ...]
    """Further findings in plain sentences."""
    messages: tuple[str, ...]
    """What went wrong or was left out: fits that failed, items without labels."""
    facts: dict[str, object]
    """Sizes, names and settings that the page states; plain JSON values."""


def analyse_study(inputs: StudyInputs, say: Say = lambda _: None) -> RegressionResults:
    """Answers a study's question.

    Args:
        inputs: predictions, personas, study, task and what else is known.
        say: takes a line of progress before each longer step.

    Raises:
        TableError: the predictions do not fit the study; all problems at once.
    """
    settings = inputs.study.analysis
    answers = prepare_answers(inputs)
    cubes = {reading: build_cube(answers, reading) for reading in _readings(answers)}
    tables = _outcomes(inputs, answers, cubes)
    tables.update(noise_tables(join_repeats(inputs), answers, inputs.study))
    models = [_model(answers, reading, tables["persona_outcomes"], inputs, say) for reading in cubes]
    say("contrasts, pairs, changes and spreads")
    materials = [gather(answers, m.reading, settings, cubes[m.reading], m.means) for m in models]
    tables.update(_comparisons(materials))
    tables.update(_from_comparisons(materials, models, tables))
    grades = _grades(inputs, answers, tables, say)
    others = analyse_other_outcomes(answers, cubes[PRIMARY], settings, say)
    scores = analyse_scores(answers, inputs.study, say)
    tables.update(scores.tables, other_outcomes=others.table)
    say("what other methods would have concluded")
    tables.update(clustered_alternatives(answers, tables["control_contrasts"], settings))
    say("baseline, groups, humans and the null of the pattern")
    groups = fit_groups(answers, settings.groups, settings.confidence)
    agreement, about_humans = human_agreement(answers, cubes[PRIMARY], inputs.humans, settings)
    tables.update(_references(answers, cubes[PRIMARY], settings))
    tables.update(human_agreement=agreement, group_probabilities=groups.probabilities)
    further = further_questions(inputs, answers, materials[0], say)
    tables.update(further.tables)
    records = [*(model.records for model in models), grades.records, others.records, groups.records, scores.records]
    records += further.records
    tables.update(_of_models(records))
    texts = inputs.texts if settings.show_texts else None
    tables["standing_out"] = standing_out(models[0].records.standing, scores.records.standing, answers, texts)
    messages = [*refusals(models), *(m for one in records for m in one.messages), *about_humans, *further.messages]
    return _finished(tables, inputs, answers, messages)


def _from_comparisons(
    materials: list[Material], models: list[NamedPersonas], tables: dict[str, pd.DataFrame]
) -> dict[str, pd.DataFrame]:
    """What the comparisons with the control say of families, and of a next study; and cells without log-odds."""
    contrasts, settings = tables["control_contrasts"], materials[0].settings
    parts = [degenerate_cells(m.reading.name, tables["persona_outcomes"], m.cube) for m in materials]
    return {
        "degenerate_cells": pd.concat(parts, ignore_index=True),
        "declared_families": declared_families(contrasts, settings),
        "next_studies": next_study(materials[0], _primary(contrasts), models[0].records.components),
    }


def _references(answers: Answers, cube: ItemCube, settings: AnalysisSettings) -> dict[str, pd.DataFrame]:
    """What the comparisons are held against: no persona at all, and no difference between personas."""
    return {
        "baseline_differences": baseline_differences(answers, cube, settings),
        "pattern_null": pattern_null(answers, cube, settings),
    }


def _of_models(records: list[Records]) -> dict[str, pd.DataFrame]:
    return {
        "model_fits": pd.DataFrame([row for one in records for row in one.fits]),
        "variance_components": pd.DataFrame([row for one in records for row in one.components]),
        "term_tests": pd.DataFrame([row for one in records for row in one.tests]),
    }


def _readings(answers: Answers) -> list[str]:
    """The lenient reading only where an answer is read differently by it."""
    differs = bool((answers.frame["yes"] != answers.frame["lenient_yes"]).any())
    return list(READINGS) if differs else [PRIMARY]


def _outcomes(inputs: StudyInputs, answers: Answers, cubes: dict[str, ItemCube]) -> dict[str, pd.DataFrame]:
    settings = inputs.study.analysis
    cube, lenient = cubes[PRIMARY], cubes.get(LENIENT, cubes[PRIMARY])
    return {
        "system_outcomes": system_outcomes(answers, cube, lenient, settings.confidence),
        "persona_outcomes": persona_outcomes(answers, cube, lenient, settings.confidence, settings.minimum_minority),
        "answer_shares": answer_shares(answers, inputs.task),
        "serving_noise": answers.serving_noise,
        "divided_items": divided_items(answers, cube, inputs.texts, settings.show_texts),
    }


def _model(answers: Answers, reading: str, outcomes: pd.DataFrame, inputs: StudyInputs, say: Say) -> NamedPersonas:
    say(f"model A, {reading} reading")
    rows = _degenerate(outcomes, reading)
    cells = set(zip(rows["system"], rows["persona_id"], strict=True))
    return fit_named_personas(answers, reading, cells, inputs.study.analysis.minimum_minority)


def _grades(inputs: StudyInputs, answers: Answers, tables: dict[str, pd.DataFrame], say: Say) -> GradedResults:
    """Adds the tables of ordered grades."""
    lost = [_degenerate(tables["persona_outcomes"], reading) for reading in _readings(answers)]
    cells = {pair for rows in lost for pair in zip(rows["system"], rows["persona_id"], strict=True)}
    found = analyse_grades(answers, inputs.task, cells, inputs.study.analysis, say)
    tables["graded_contrasts"] = with_readings(found.contrasts, tables["control_contrasts"])
    tables["proportional_odds"] = found.proportional_odds
    return found


def _primary(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["reading"] == PRIMARY] if len(table) else table


def _comparisons(materials: list[Material]) -> dict[str, pd.DataFrame]:
    primary = materials[0]
    return {
        "persona_probabilities": pd.concat([persona_probabilities(m) for m in materials], ignore_index=True),
        "control_contrasts": pd.concat([control_contrasts(m) for m in materials], ignore_index=True),
        "persona_pairs": persona_pairs(primary),
        "system_changes": pd.concat([system_changes(m) for m in materials], ignore_index=True),
        "dimension_spreads": dimension_spreads(primary),
    }


def _degenerate(outcomes: pd.DataFrame, reading: str) -> pd.DataFrame:
    flag = "degenerate" if reading == PRIMARY else "lenient_degenerate"
    return outcomes[(outcomes["role"] != "baseline") & outcomes[flag]]


def degenerate_cells(reading: str, outcomes: pd.DataFrame, cube: ItemCube) -> pd.DataFrame:
    """The cells of a reading without a log-odds claim; schema `DegenerateCells`."""
    rows = _degenerate(outcomes, reading)
    yes = cube.total.sum(axis=0)
    said = [int(yes[cube.persona(p), cube.system(s)]) for s, p in zip(rows["system"], rows["persona_id"], strict=True)]
    table = rows[["system", "persona_id", "label", "judged"]].assign(reading=reading, yes=said)
    table["minority"] = table["yes"].where(table["yes"] * 2 <= table["judged"], table["judged"] - table["yes"])
    control = rows["role"] == "control"
    table["consequence"] = "left out of the model: a difference of probabilities, no log-odds"
    table.loc[control, "consequence"] = "the reference itself: no contrast of this system has log-odds"
    return table


def _finished(
    tables: dict[str, pd.DataFrame], inputs: StudyInputs, answers: Answers, messages: list[str]
) -> RegressionResults:
    settings = inputs.study.analysis
    tables = {
        name: conform(tables.get(name, pd.DataFrame()), schema)
        for name, schema in RESULT_TABLES.items()
        if name != "test_families"
    }
    tables["test_families"] = conform(test_families(tables, settings), RESULT_TABLES["test_families"])
    checked = {name: validate_table(tables[name], schema, name) for name, schema in RESULT_TABLES.items()}
    return RegressionResults(
        tables=checked,
        headline=write_headline(checked, settings),
        summary=write_summary(checked, settings),
        messages=tuple(dict.fromkeys(messages)),
        facts=study_facts(inputs, answers, checked),
    )
