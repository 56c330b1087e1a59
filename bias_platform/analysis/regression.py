"""The whole regression report of a study as tables: composes the modules of this room."""

from collections.abc import Callable
from typing import NamedTuple

import pandas as pd

from bias_platform.analysis.agreement import human_agreement
from bias_platform.analysis.answers import Answers, prepare_answers
from bias_platform.analysis.baseline import baseline_differences
from bias_platform.analysis.changes import system_changes
from bias_platform.analysis.contrasts import Material, control_contrasts
from bias_platform.analysis.divided_items import divided_items
from bias_platform.analysis.families import test_families
from bias_platform.analysis.groups import fit_groups
from bias_platform.analysis.headline import write_headline, write_summary
from bias_platform.analysis.inputs import StudyInputs
from bias_platform.analysis.item_cube import ItemCube, build_cube
from bias_platform.analysis.named_personas import NamedPersonas, fit_named_personas
from bias_platform.analysis.outcomes import answer_shares, persona_outcomes, system_outcomes
from bias_platform.analysis.paired_wording import paired_wording
from bias_platform.analysis.pairs import persona_pairs
from bias_platform.analysis.pattern_null import pattern_null
from bias_platform.analysis.probabilities import persona_probabilities
from bias_platform.analysis.scored import scored_margins
from bias_platform.analysis.spreads import dimension_spreads
from bias_platform.analysis.study_facts import study_facts
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
    cubes = {reading: build_cube(answers, reading) for reading in _readings(inputs)}
    cube, lenient = cubes[PRIMARY], cubes.get(LENIENT, cubes[PRIMARY])
    tables: dict[str, pd.DataFrame] = {
        "system_outcomes": system_outcomes(answers, cube, lenient, settings.confidence),
        "persona_outcomes": persona_outcomes(answers, cube, lenient, settings.confidence, settings.minimum_minority),
        "answer_shares": answer_shares(answers, inputs.task),
        "serving_noise": answers.serving_noise,
        "scored_margins": scored_margins(answers, inputs.task, settings.confidence),
        "divided_items": divided_items(answers, cube, inputs.texts, settings.show_texts),
    }
    materials = _materials(inputs, answers, cubes, tables["persona_outcomes"], say)
    _add_contrasts(tables, materials, inputs, say)
    say("baseline, groups, humans and the null of the pattern")
    tables["baseline_differences"] = baseline_differences(answers, cube, settings)
    tables["pattern_null"] = pattern_null(answers, cube, settings)
    tables["human_agreement"], about_humans = human_agreement(answers, cube, inputs.humans, settings)
    groups = fit_groups(answers, settings.groups, settings.confidence)
    tables["group_tests"], tables["group_probabilities"] = groups.tests, groups.probabilities
    models = [material.model for material in materials]
    tables["model_fits"] = pd.DataFrame([*(row for model in models for row in model.fits), *groups.fits])
    components = [row for model in models for row in model.components]
    tables["variance_components"] = pd.DataFrame([*components, *groups.components])
    messages = [*(m for model in models for m in model.messages), *groups.messages, *about_humans]
    return _finished(tables, inputs, answers, messages)


def _readings(inputs: StudyInputs) -> list[str]:
    task = inputs.task
    differs = bool(task.positive_lenient) and set(task.positive_lenient) != set(task.positive)
    return list(READINGS) if differs else [PRIMARY]


def _materials(
    inputs: StudyInputs, answers: Answers, cubes: dict[str, ItemCube], outcomes: pd.DataFrame, say: Say
) -> list[Material]:
    materials = []
    for reading, cube in cubes.items():
        flag = "degenerate" if reading == PRIMARY else "lenient_degenerate"
        rows = outcomes[(outcomes["role"] != "baseline") & outcomes[flag]]
        degenerate = set(zip(rows["system"], rows["persona_id"], strict=True))
        say(f"model A, {reading} reading")
        model = fit_named_personas(answers, reading, degenerate, inputs.study.analysis.minimum_minority)
        wording = paired_wording(answers, reading)
        materials.append(Material(answers, cube, model, wording, inputs.study.analysis))
    return materials


def _add_contrasts(tables: dict[str, pd.DataFrame], materials: list[Material], inputs: StudyInputs, say: Say) -> None:
    say("contrasts, pairs, changes and spreads")
    changes = bool(inputs.study.analysis.changes)
    primary = materials[0]
    tables["persona_probabilities"] = pd.concat([persona_probabilities(m) for m in materials], ignore_index=True)
    tables["control_contrasts"] = pd.concat([control_contrasts(m) for m in materials], ignore_index=True)
    tables["persona_pairs"] = persona_pairs(primary)
    parts = [system_changes(m) for m in materials] if changes else [pd.DataFrame()]
    tables["system_changes"] = pd.concat(parts, ignore_index=True)
    tables["dimension_spreads"] = dimension_spreads(primary)
    parts = [degenerate_cells(m.model, tables["persona_outcomes"], m.cube) for m in materials]
    tables["degenerate_cells"] = pd.concat(parts, ignore_index=True)


def degenerate_cells(model: NamedPersonas, outcomes: pd.DataFrame, cube: ItemCube) -> pd.DataFrame:
    """The cells of a reading without a log-odds claim; schema `DegenerateCells`."""
    flag = "degenerate" if model.reading == PRIMARY else "lenient_degenerate"
    rows = outcomes[(outcomes["role"] != "baseline") & outcomes[flag]]
    yes = cube.yes.sum(axis=0)
    counted = [
        int(yes[cube.persona(p), cube.system(s)]) for s, p in zip(rows["system"], rows["persona_id"], strict=True)
    ]
    table = rows[["system", "persona_id", "label", "judged"]].assign(reading=model.reading, yes=counted)
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
