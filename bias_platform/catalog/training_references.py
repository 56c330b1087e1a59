"""What training data say of a corpus, a task and a persona set: that these have what is to be learnt and shown."""

from collections.abc import Iterator
from typing import Any

from bias_platform.catalog.entries import Catalog, CorpusEntry, PersonaSetEntry, ReferenceRecipe, TrainingData
from bias_platform.catalog.problems import Field, Problem, allowed, unknown


def training_problems(catalog: Catalog, training: TrainingData, place: Field) -> Iterator[Problem]:
    """Every reference of an adapter's training data to something that does not fit; undeclared names are not these."""
    yield from lessons_problems(catalog, training, place)
    corpus, persona_set = catalog.corpora.get(training.corpus), catalog.persona_sets.get(training.persona_set)
    if persona_set is not None:
        yield from dimension_problems(training.dimensions, persona_set, place)
    if corpus is None or persona_set is None:
        return
    if training.personas == "matching":
        yield from _attributes_match(corpus, training, persona_set, place)
    if training.personas == "specific" and training.labels is not None and training.persona is not None:
        yield from _group(corpus, training, persona_set, place)


def lessons_problems(catalog: Catalog, data: TrainingData | ReferenceRecipe, place: Field) -> Iterator[Problem]:
    """The corpus that something is trained on has labels, and they are answers of the task."""
    task = catalog.tasks.get(data.task)
    if task is not None and task.options and data.answer_prefix:
        message = f"'{data.answer_prefix}' cannot stand before the options of task '{data.task}'"
        yield Problem((*place, "answer_prefix"), f"{message}; it is for answers of kind sentence or text, remove it")
    corpus = catalog.corpora.get(data.corpus)
    if corpus is None or corpus.columns is None:
        return
    if corpus.columns.label is None and not corpus.columns.label_counts:
        message = f"'{data.corpus}' has no human labels to learn from; map `columns.label` or `columns.label_counts`"
        yield Problem((*place, "corpus"), message)
    else:
        yield from options_problems(catalog, data, place)


def options_problems(catalog: Catalog, entry: Any, place: Field) -> Iterator[Problem]:
    """What a corpus calls its labels are options of the task it is used with, if the task has any.

    Args:
        catalog: the entries that have the right shape.
        entry: names a `corpus` and a `task`; place: where it stands.
    """
    corpus, task = catalog.corpora.get(entry.corpus), catalog.tasks.get(entry.task)
    if corpus is None or task is None or not task.options:
        return
    for where, value in _corpus_options(corpus):
        if value not in task.option_values:
            user = "/".join(map(str, place[:2]))
            message = f"'{value}' is no option of the task '{entry.task}' ({user} uses both)"
            yield Problem(("corpora", entry.corpus, *where), f"{message}; {allowed(task.option_values, value)}")


def dimension_problems(wanted: tuple[str, ...], persona_set: PersonaSetEntry, place: Field) -> Iterator[Problem]:
    """Dimensions that the persona set does not have."""
    for index, dimension in enumerate(wanted):
        if dimension not in persona_set.dimensions:
            yield unknown((*place, "dimensions", index), dimension, "dimension", persona_set.dimensions)


def _attributes_match(
    corpus: CorpusEntry, training: TrainingData, persona_set: PersonaSetEntry, place: Field
) -> Iterator[Problem]:
    wanted = training.dimensions or tuple(persona_set.dimensions)
    named = {
        attribute
        for dimension in wanted
        for persona in persona_set.dimensions.get(dimension, ())
        for attribute in persona.attributes
    }
    if not named:
        message = f"no persona of '{training.persona_set}' has `attributes` to match annotators by; add some"
        yield Problem((*place, "personas"), f"{message}, or use composite")
    elif corpus.columns is not None and not named & set(corpus.columns.annotator_attributes):
        message = f"'{training.corpus}' says none of {', '.join(sorted(named))} of its annotators"
        yield Problem((*place, "corpus"), f"{message}; map them under `columns.annotator_attributes`")


def _group(
    corpus: CorpusEntry, training: TrainingData, persona_set: PersonaSetEntry, place: Field
) -> Iterator[Problem]:
    """The persona is one group of the label policy's, no more and no less."""
    assert training.persona is not None
    assert training.labels is not None
    named = {persona.id: persona for personas in persona_set.dimensions.values() for persona in personas}
    persona, policy = named.get(training.persona), corpus.label_policies.get(training.labels)
    if persona is None:
        yield unknown((*place, "persona"), training.persona, f"persona in '{training.persona_set}'", named)
    where = (*place, "labels")
    if policy is None:
        what = f"label policy of corpus '{training.corpus}'"
        yield unknown(where, training.labels, what, corpus.label_policies)
    elif policy.rule == "union":
        yield Problem(where, f"'{training.labels}' may give an item several labels; name a policy that gives one")
    elif policy.within is None:
        message = f"'{training.labels}' labels for all annotators together"
        yield Problem(where, f"{message}; name a policy `within` an attribute of the persona")
    elif persona is not None and set(persona.attributes) != {policy.within}:
        has = ", ".join(persona.attributes) or "none"
        message = f"'{training.labels}' labels for groups by {policy.within}; the `attributes` of '{persona.id}'"
        yield Problem(where, f"{message} must be just that, but are {has}")


def _corpus_options(corpus: CorpusEntry) -> Iterator[tuple[Field, str]]:
    for raw, option in corpus.label_values.items():
        yield ("label_values", raw), option
    if corpus.columns is not None:
        for column, option in corpus.columns.label_counts.items():
            yield ("columns", "label_counts", column), option
