"""What a report states of a study besides estimates: sizes, names, settings, how answers were obtained."""

import pandas as pd

from bias_platform.analysis.answers import Answers
from bias_platform.analysis.graded_answers import grade_names
from bias_platform.analysis.inputs import StudyInputs
from bias_platform.schemas.results import SCORE_SCALES


def study_facts(inputs: StudyInputs, answers: Answers, tables: dict[str, pd.DataFrame]) -> dict[str, object]:
    """Plain JSON values, by name."""
    study, task = inputs.study, inputs.task
    rows = answers.frame
    personas = answers.personas
    named = personas.loc[answers.named]
    templates = [str(t) for t in rows["template_id"].cat.categories]
    return {
        "title": study.title,
        "corpus": study.corpus,
        "corpus_facts": {str(key): _plain(value) for key, value in inputs.corpus_facts.items()},
        "task": study.task,
        "task_version": task.version,
        "options": list(task.option_values),
        "positive": list(task.positive),
        "positive_lenient": list(task.positive_lenient),
        "grades": list(grade_names(task)) if len(tables["graded_contrasts"]) else [],
        "set_aside": list(task.set_aside),
        "item_count": int(rows["item_id"].nunique()),
        "templates": {name: inputs.templates.get(name, "") for name in templates},
        "option_orders": int(rows["option_order"].nunique()),
        "personas": len(named),
        "dimensions": {str(d): list(part["label"]) for d, part in named.groupby("dimension", sort=False)},
        "control": str(personas.loc[answers.control, "label"]),
        "control_id": answers.control,
        "baseline": answers.baseline is not None,
        "systems": list(answers.systems),
        "served_as": {system: inputs.served_as[system] for system in answers.systems if system in inputs.served_as},
        "questions": len(rows),
        "engine": study.engine.name,
        "scoring": study.engine.scoring,
        "dtype": study.engine.dtype if study.engine.name != "openai" else None,
        "temperature": study.engine.decoding.temperature if study.engine.ask == "generate" else 0.0,
        "scored": bool(rows["scored"].any()),
        "score_scale": SCORE_SCALES[study.engine.scoring],
        "confidence": study.analysis.confidence,
        "minimum_minority": study.analysis.minimum_minority,
        "equivalence_margin": study.analysis.equivalence_margin,
        "multiplicity": study.analysis.multiplicity,
        "groups": study.analysis.groups,
        "seed": study.analysis.seed,
        "changes": [{"from": change.from_, "to": change.to} for change in study.analysis.changes],
        "show_texts": study.analysis.show_texts,
        "item_sample": study.items.model_dump(mode="json"),
        "scopes": list(dict.fromkeys(tables["control_contrasts"]["scope"])),
        "readings": list(dict.fromkeys(tables["control_contrasts"]["reading"])),
    }


def _plain(value: object) -> object:
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
