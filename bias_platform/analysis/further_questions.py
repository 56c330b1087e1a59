"""Questions that only some studies can answer: crossed personas, wordings, spreads that change, people and targets."""

from collections.abc import Callable
from typing import NamedTuple

import pandas as pd

from bias_platform.analysis.answers import Answers
from bias_platform.analysis.error_models import fit_errors
from bias_platform.analysis.error_surface import error_surface
from bias_platform.analysis.fit_records import Records
from bias_platform.analysis.inputs import StudyInputs
from bias_platform.analysis.intersections import crossed_contrasts, crossed_tests
from bias_platform.analysis.material import Material
from bias_platform.analysis.people import people_of_personas
from bias_platform.analysis.people_gaps import people_distances, people_gaps
from bias_platform.analysis.people_models import fit_people
from bias_platform.analysis.spread_changes import spread_changes
from bias_platform.analysis.wording_effects import wording_effects

Say = Callable[[str], None]


class Further(NamedTuple):
    """Result tables by name (empty where a study lacks what a question needs), and the records of models."""

    tables: dict[str, pd.DataFrame]
    records: list[Records]
    messages: list[str]


def further_questions(inputs: StudyInputs, answers: Answers, material: Material, say: Say) -> Further:
    """Answers them.

    Args:
        inputs: people's judgements, target groups and what is crossed, as far as they are known.
        answers: prepared answers.
        material: of the primary reading.
        say: takes a line of progress before each longer step.
    """
    settings = inputs.study.analysis
    say("crossed personas, wordings and changes of spreads")
    tables = {
        "wording_effects": wording_effects(answers, material.wording, settings),
        "spread_changes": spread_changes(material),
        "crossed_contrasts": crossed_contrasts(material, inputs.crossed),
        "crossed_tests": crossed_tests(material, inputs.crossed),
    }
    say("errors by target group")
    surface = error_surface(answers, material.cube, inputs.humans, inputs.target_groups, settings)
    errors = fit_errors(answers, surface, settings)
    say("people of the personas' own groups")
    people = people_of_personas(answers, material.cube, inputs.judgements)
    models, records = fit_people(answers, material.cube, people, settings.minimum_minority)
    tables.update(
        error_rates=surface.rates,
        people_coverage=people.coverage,
        people_gaps=people_gaps(material, people, models),
        people_distances=people_distances(material, people),
    )
    return Further(tables, [errors, records], [*surface.messages, *people.messages])
