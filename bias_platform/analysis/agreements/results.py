"""The whole agreement report: every table, made in one order, checked, and said in a few sentences."""

from dataclasses import dataclass

import pandas as pd

from bias_platform.analysis.agreements.answer_matrix import AnswerMatrix, read_answers
from bias_platform.analysis.agreements.comparing import Comparing
from bias_platform.analysis.agreements.counting import categories_of, counting_of
from bias_platform.analysis.agreements.coverage import answer_coverage
from bias_platform.analysis.agreements.differing_shares import differing_shares
from bias_platform.analysis.agreements.evenness import persona_evenness
from bias_platform.analysis.agreements.findings import headline_of, messages_of, summary_of
from bias_platform.analysis.agreements.inputs import AgreementInputs, Say
from bias_platform.analysis.agreements.noise import noise_alphas
from bias_platform.analysis.agreements.pair_tests import pair_tests
from bias_platform.analysis.agreements.people import groups_of, human_alphas, label_scores, tuning_tests
from bias_platform.analysis.agreements.recalls import targeted_recalls
from bias_platform.analysis.agreements.reference_alphas import reference_alphas
from bias_platform.analysis.agreements.similarities import compare_texts
from bias_platform.schemas import validate_table
from bias_platform.schemas.result_parts import conform
from bias_platform.schemas.results_of_agreement import AGREEMENT_TABLES

Tables = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class AgreementResults:
    """What an agreement report says."""

    tables: Tables
    """by the names of `AGREEMENT_TABLES`, each checked against its schema"""
    headline: str
    summary: tuple[str, ...]
    messages: tuple[str, ...]
    """what a reader must know before any number"""
    facts: dict[str, object]
    """what is stated besides numbers; JSON values"""


def analyse_agreement(inputs: AgreementInputs, say: Say) -> AgreementResults:
    """Makes every table of the report.

    Args:
        inputs: predictions, people's labels and settings.
        say: told what is being done.

    Raises:
        SchemaError: a table breaks its contract: a mistake of this platform, never published.
        ArtifactError: a partition is missing or damaged.
    """
    say(f"reading {len(inputs.partitions)} partitions")
    matrix = read_answers(inputs, categories_of(inputs.task, inputs.settings.level))
    comparing = Comparing(inputs, matrix, counting_of(inputs, matrix))
    made = _of_texts(comparing, say) if inputs.written else _of_options(comparing, say)
    made["coverage"] = answer_coverage(comparing)
    tables = {
        name: validate_table(conform(made.get(name, pd.DataFrame()), schema), schema, name)
        for name, schema in AGREEMENT_TABLES.items()
    }
    facts = _facts(inputs, matrix)
    return AgreementResults(
        tables, headline_of(tables, facts), summary_of(tables, facts), messages_of(tables, facts), facts
    )


def _of_options(comparing: Comparing, say: Say) -> Tables:
    say("agreement with the reference, and pairs of personas")
    alphas, pairs = reference_alphas(comparing), pair_tests(comparing)
    groups = groups_of(comparing)
    return {
        "alphas": alphas,
        "pair_tests": pairs,
        "shares": differing_shares(comparing, pairs, say),
        "human_alphas": human_alphas(comparing, groups),
        "tuning_tests": tuning_tests(comparing, groups),
        "recalls": targeted_recalls(comparing),
        "evenness": persona_evenness(comparing, alphas, "alphas", "alpha"),
        "label_scores": label_scores(comparing),
        "noise_alphas": noise_alphas(comparing),
    }


def _of_texts(comparing: Comparing, say: Say) -> Tables:
    found = compare_texts(comparing, say)
    return {
        "similarities": found.similarities,
        "pair_tests": found.pair_tests,
        "shares": found.shares,
        "evenness": persona_evenness(comparing, found.similarities, "similarities", "similarity"),
    }


def _facts(inputs: AgreementInputs, matrix: AnswerMatrix) -> dict[str, object]:
    study, settings = inputs.study, inputs.settings
    named = inputs.personas[inputs.personas["role"] == "named"]
    label = inputs.personas.set_index("persona_id")["label"]
    reference = inputs.baseline if settings.reference == "no-persona" else inputs.control
    return {
        "title": study.title,
        "corpus": study.corpus,
        "task": study.task,
        "written": inputs.written,
        "options": list(inputs.task.option_values),
        "categories": list(matrix.answers),
        "items": len(matrix.items),
        "systems": [system for system in study.systems if system in matrix.systems],
        "group_systems": [each.system for each in study.group_systems],
        "templates": list(matrix.templates),
        "dimensions": {str(d): list(part["label"]) for d, part in named.groupby("dimension", sort=False)},
        "personas": len(named),
        "reference": str(label[reference]) if reference else "",
        "reference_id": reference or "",
        "control": str(label[inputs.control]),
        "orders": matrix.orders,
        "bad_answers": settings.bad_answers,
        "level": settings.level,
        "confidence": settings.confidence,
        "significance": settings.significance,
        "permutations": settings.permutations,
        "human_labels": list(settings.human_labels),
        "targeted": {} if inputs.written else {slug: one.title for slug, one in settings.targeted.items()},
        "scorers": list(inputs.scorers),
        "zero_method": settings.similarity.zero_method,
        "show_texts": settings.show_texts,
        "seed": settings.seed,
    }
