"""What must hold of a study's agreement report, of its systems of groups and of its runs."""

import re
from collections.abc import Iterator

from bias_platform.catalog.agreement_settings import GroupSystem
from bias_platform.catalog.entries import Catalog, PersonaEntry, PersonaSetEntry, StudyEntry
from bias_platform.catalog.problems import Field, Problem, allowed, unknown
from bias_platform.catalog.systems import parse_system, study_personas


def agreement_problems(catalog: Catalog, study: StudyEntry, place: Field) -> Iterator[Problem]:
    """Every broken rule of these parts of a study whose persona set is declared and has the study's dimensions."""
    persona_set = catalog.persona_sets[study.persona_set]
    yield from _group_systems(catalog, study, persona_set, (*place, "group_systems"))
    yield from _runs(catalog, study, persona_set, (*place, "runs"))
    yield from _agreement(catalog, study, place)
    yield from _overall(catalog, study, (*place, "agreement", "overall_labels"))
    asked = study_personas(catalog, study)
    for index, persona in enumerate(study.agreement.human_personas if study.agreement else ()):
        if persona not in asked:
            where = (*place, "agreement", "human_personas", index)
            yield unknown(where, persona, "persona in this study", asked)
    for index, slug in enumerate(study.agreement.human_labels if study.agreement else ()):
        yield from _policy(catalog, study, slug, None, (*place, "agreement", "human_labels", index))


def _overall(catalog: Catalog, study: StudyEntry, where: Field) -> Iterator[Problem]:
    corpus, slug = catalog.corpora.get(study.corpus), study.agreement.overall_labels if study.agreement else None
    if corpus is None or slug is None:
        return
    policy = corpus.label_policies.get(slug)
    if policy is None:
        yield unknown(where, slug, f"label policy of corpus '{study.corpus}'", corpus.label_policies)
    elif policy.within is not None or policy.rule == "union":
        yield Problem(where, f"'{slug}' does not give each item one label; name a policy without `within`, not a union")


def _group_systems(
    catalog: Catalog, study: StudyEntry, persona_set: PersonaSetEntry, place: Field
) -> Iterator[Problem]:
    named = {persona.id: persona for personas in persona_set.dimensions.values() for persona in personas}
    asked = [name for name in study_personas(catalog, study) if name in named]
    seen: set[tuple[str, str]] = set()
    for index, group in enumerate(study.group_systems):
        where = (*place, index)
        if group.system in study.systems:
            message = f"'{group.system}' is asked in every persona already, as one of `systems`; keep it in one place"
            yield Problem((*where, "system"), message)
        if group.persona not in asked:
            yield unknown((*where, "persona"), group.persona, "persona in this study", asked)
        elif group.labels is not None:
            yield from _policy(catalog, study, group.labels, named[group.persona], (*where, "labels"))
        if group.composite is not None and group.composite not in study.systems:
            message = f"'{group.composite}' is not among the study's systems; {allowed(study.systems, group.composite)}"
            yield Problem((*where, "composite"), message)
        yield from _once(group, seen, where)
        yield from _own_group(catalog, group, where)


def _own_group(catalog: Catalog, group: GroupSystem, where: Field) -> Iterator[Problem]:
    """A system tuned on one group is asked in that group's persona."""
    adapter = catalog.adapters.get(parse_system(group.system).adapter or "")
    training = adapter.training if adapter else None
    if training is not None and training.personas == "specific" and training.persona != group.persona:
        message = f"'{group.system}' was tuned on what '{training.persona}' says, not '{group.persona}'"
        yield Problem((*where, "persona"), f"{message}; name that persona, or another system")


def _once(group: GroupSystem, seen: set[tuple[str, str]], where: Field) -> Iterator[Problem]:
    if (group.system, group.persona) in seen:
        yield Problem(where, f"asks '{group.system}' as '{group.persona}' a second time; keep one")
    seen.add((group.system, group.persona))


def _policy(
    catalog: Catalog, study: StudyEntry, slug: str, persona: PersonaEntry | None, where: Field
) -> Iterator[Problem]:
    """The corpus labels groups by this policy, and the persona has such a group."""
    corpus = catalog.corpora.get(study.corpus)
    if corpus is None:
        return
    policy = corpus.label_policies.get(slug)
    if policy is None:
        yield unknown(where, slug, f"label policy of corpus '{study.corpus}'", corpus.label_policies)
    elif policy.within is None:
        yield Problem(where, f"'{slug}' labels for all annotators together; name a policy with `within`")
    elif policy.rule == "union":
        yield Problem(where, f"'{slug}' may give a group several labels of one item; name a policy that is no union")
    elif persona is not None and policy.within not in persona.attributes:
        message = f"'{slug}' labels for groups by {policy.within}, which is none of the `attributes` of '{persona.id}'"
        yield Problem(where, f"{message}; add it there or name another policy")


def _runs(catalog: Catalog, study: StudyEntry, persona_set: PersonaSetEntry, place: Field) -> Iterator[Problem]:
    """Runs divide the personas of a study among them: none is launched twice, none is forgotten."""
    if not study.runs:
        return
    asked = study_personas(catalog, study)
    owner: dict[str, str] = {}
    for slug, run in study.runs.items():
        where = (*place, slug)
        for index, dimension in enumerate(run.dimensions):
            if dimension not in persona_set.dimensions:
                yield unknown((*where, "dimensions", index), dimension, "dimension", persona_set.dimensions)
        for index, persona in enumerate(run.personas):
            if persona not in asked:
                yield unknown((*where, "personas", index), persona, "persona in this study", asked)
        members = [p.id for name in run.dimensions for p in persona_set.dimensions.get(name, ())]
        for persona in (*members, *run.personas):
            if persona in owner:
                yield Problem(where, f"'{persona}' is launched by run '{owner[persona]}' already; keep it in one")
            owner.setdefault(persona, slug)
    left = [persona for persona in asked if persona not in owner]
    if left:
        yield Problem(place, f"no run launches {', '.join(left)}; name them under `personas` or `dimensions` of one")


def _agreement(catalog: Catalog, study: StudyEntry, place: Field) -> Iterator[Problem]:
    persona_set = catalog.persona_sets[study.persona_set]
    task, settings = catalog.tasks.get(study.task), study.agreement
    where = (*place, "agreement")
    if task is None:
        return
    if settings is None:
        if task.answer != "option":
            message = f"is required: answers of task '{study.task}' ({task.answer}) have no other report"
            yield Problem(where, f"{message}; write `agreement: {{}}` for the defaults")
        return
    if settings.level != "nominal" and settings.bad_answers != "drop":
        message = f"'{settings.bad_answers}' makes bad answers a category, which has no place on a scale"
        yield Problem((*where, "bad_answers"), f"{message}; use drop, or level: nominal")
    if settings.reference == "no-persona" and not study.no_persona_baseline:
        message = "compares with the model without persona, which the study does not ask"
        yield Problem((*where, "reference"), f"{message}; set no_persona_baseline: true, or reference: control")
    if task.answer == "option":
        judged = [value for value in task.option_values if value not in task.set_aside]
        options = task.option_values if settings.level == "nominal" else tuple(judged)
        yield from _targeted(study, persona_set, options, (*where, "targeted"))
        return
    for name in ("human_labels", "overall_labels", "targeted"):
        if getattr(settings, name):
            yield Problem((*where, name), f"is used only for answers of kind 'option', not '{task.answer}'; remove it")
    similarity = settings.similarity
    for scorer, needed in (("bertscore", "bertscore_model"), ("bleurt", "bleurt_checkpoint")):
        if scorer in similarity.scorers and getattr(similarity, needed) is None:
            yield Problem((*where, "similarity", needed), f"is required by the scorer '{scorer}'; name its weights")


def _targeted(
    study: StudyEntry, persona_set: PersonaSetEntry, options: tuple[str, ...], place: Field
) -> Iterator[Problem]:
    assert study.agreement is not None
    asked = study.dimensions or tuple(persona_set.dimensions)
    for slug, subset in study.agreement.targeted.items():
        where = (*place, slug)
        if subset.label not in options:
            yield unknown((*where, "label"), subset.label, "option", options)
        for index, dimension in enumerate(subset.dimensions):
            if dimension not in asked:
                yield unknown((*where, "dimensions", index), dimension, "dimension of the study", asked)
        try:
            re.compile(subset.group)
        except re.error as error:
            yield Problem((*where, "group"), f"is no regular expression ({error}); write e.g. ^women$|^women,")
