"""`personas/<set>`, `prompts/<study>_questions` and `prompts/examples`: who judges, what is asked, what is learnt."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import pandas as pd

from bias_platform.catalog.entries import ReferenceRecipe, TrainingData
from bias_platform.catalog.recipes import learner_data
from bias_platform.orchestration.blueprint import Blueprint
from bias_platform.orchestration.checks import schema_check
from bias_platform.orchestration.code_versions import asset_code_version
from bias_platform.orchestration.column_schemas import column_schema_metadata
from bias_platform.orchestration.house import House
from bias_platform.orchestration.partitioned import AssetFace, Made, Run, partitioned_asset, reused
from bias_platform.orchestration.unpartitioned import whole_asset
from bias_platform.prompts.chat_lines import write_chat_lines
from bias_platform.prompts.example_facts import example_facts
from bias_platform.prompts.examples import TrainingSet, persona_blind_examples, training_set
from bias_platform.prompts.group_items import group_items, group_key
from bias_platform.prompts.personas import personas_table
from bias_platform.prompts.questions import build_questions
from bias_platform.prompts.sampling import draw_items
from bias_platform.schemas import GroupItems, Items, Personas, Questions, TrainingExamples, validate_table
from bias_platform.storage import Manifest, publish, read_table, write_table
from bias_platform.storage.hashing import value_hash
from bias_platform.storage.names import (
    ANNOTATIONS,
    CHAT_EXAMPLES,
    EXAMPLES,
    GROUP_ITEMS,
    ITEMS,
    LABELS,
    PERSONAS,
    PICTURES,
    QUESTIONS,
)

Checked = tuple[dg.AssetsDefinition, dg.AssetChecksDefinition]


def persona_assets(house: House, slug: str) -> Checked:
    """The asset of one persona set, and its check."""

    def make(run: Run) -> Made:
        blueprint = house.blueprints.personas(slug)
        manifest = reused(run, blueprint)
        if manifest is None:
            table = personas_table(house.catalog.persona_sets[slug])
            facts = {"personas_by_dimension": table["dimension"].value_counts(sort=False).to_dict()}
            manifest = _publish_one(blueprint, table, Personas, PERSONAS, facts)
        return Made(manifest, {})

    face = AssetFace(
        key=house.keys.personas(slug),
        description=f"Persona set `{slug}`: who the model is told to be, by dimension, with the generic-person "
        "control and the no-persona baseline.",
        code_version=asset_code_version("personas", house.catalog.persona_sets[slug]),
        kinds=frozenset({"pandas", "parquet"}),
        metadata=column_schema_metadata(Personas),
    )
    check = schema_check(face.key, {PERSONAS: Personas}, lambda _: house.lake.personas(slug))
    return whole_asset(face, [], make), check


def question_assets(house: House, study: str) -> Checked:
    """The asset of what a study asks, and its check."""
    entry = house.catalog.studies[study]
    upstream = {house.keys.corpus(entry.corpus): None, house.keys.personas(entry.persona_set): None}

    def make(run: Run) -> Made:
        blueprint = house.blueprints.questions(study)
        manifest = reused(run, blueprint) or _publish_questions(house, study, blueprint)
        return Made(manifest, upstream)

    face = AssetFace(
        key=house.keys.questions(study),
        description=f"What study `{study}` asks: items x personas x templates x option orders.",
        code_version=asset_code_version("questions", house.blueprints.question_parameters(study)),
        kinds=frozenset({"pandas", "parquet"}),
        metadata=column_schema_metadata(Questions, items=Items, personas=Personas),
    )
    tables = {QUESTIONS: Questions, ITEMS: Items, PERSONAS: Personas}
    check = schema_check(face.key, tables, lambda _: house.lake.questions(study))
    return whole_asset(face, list(upstream), make), check


def example_assets(house: House) -> Checked:
    """The asset of all training examples, partitioned by learner, and its check."""
    learners = house.partitions.learners.get_partition_keys()
    data = [learner_data(house.catalog, learner) for learner in learners]
    keys = [house.keys.corpus(each.corpus) for each in data] + [house.keys.personas(each.persona_set) for each in data]

    def make(run: Run, learner: str) -> Made:
        blueprint = house.blueprints.examples(learner)
        manifest = reused(run, blueprint)
        if manifest is None:
            manifest = _publish_examples(house, learner, blueprint)
        lessons = learner_data(house.catalog, learner)
        upstream = {house.keys.corpus(lessons.corpus): None, house.keys.personas(lessons.persona_set): None}
        return Made(manifest, upstream, _chat_path(manifest, blueprint))

    face = AssetFace(
        key=house.keys.examples,
        description="Chat examples that adapters (annotators' judgements, in persona) and reference bases (majority "
        f"judgements, whatever the persona) learn from: a table, of adapters also {CHAT_EXAMPLES} to train elsewhere.",
        code_version=asset_code_version("examples"),
        kinds=frozenset({"pandas", "parquet"}),
        metadata=column_schema_metadata(TrainingExamples),
    )
    deps = [dg.AssetDep(key) for key in dict.fromkeys(keys)]
    asset = partitioned_asset(face, house.partitions.learners, deps, make)
    check = schema_check(
        face.key,
        {EXAMPLES: TrainingExamples},
        lambda learner: house.lake.examples(str(learner)),
        house.partitions.learners,
    )
    return asset, check


def _publish_one(
    blueprint: Blueprint, table: pd.DataFrame, schema: type, file: str, facts: Mapping[str, Any]
) -> Manifest:
    validate_table(table, schema, blueprint.name)
    with publish(**blueprint.publication()) as staging:
        staging.rows[file] = write_table(table, staging.folder / file)
        staging.facts.update(facts)
    return staging.published


def _publish_questions(house: House, study: str, blueprint: Blueprint) -> Manifest:
    entry = house.catalog.studies[study]
    task = house.catalog.tasks[entry.task]
    corpus = read_table(house.lake.corpus(entry.corpus) / ITEMS, f"corpora/{entry.corpus}")
    items = validate_table(draw_items(corpus, entry.items), Items, f"{blueprint.name} items")
    personas = personas_table(
        house.catalog.persona_sets[entry.persona_set], entry.dimensions, entry.no_persona_baseline
    )
    templates = house.catalog.template_sets[entry.template_set].templates
    questions = build_questions(
        items, personas, dict(templates), entry.task, task, entry.option_orders, entry.replicates
    )
    validate_table(questions, Questions, blueprint.name)
    groups = _group_items(house, study, items, personas)
    tables = {
        QUESTIONS: questions,
        ITEMS: items,
        PERSONAS: personas,
        **({} if groups is None else {GROUP_ITEMS: groups}),
    }
    with publish(**blueprint.publication()) as staging:
        for file, table in tables.items():
            staging.rows[file] = write_table(table, staging.folder / file)
        digests = _persona_digests(questions) | _group_digests(questions, groups)
        staging.facts.update(questions_per_system=len(questions), items=len(items), persona_digests=digests)
    return staging.published


def _group_items(house: House, study: str, items: pd.DataFrame, personas: pd.DataFrame) -> pd.DataFrame | None:
    """What systems of groups are asked about; None where the study has none that are asked about a part."""
    entry = house.catalog.studies[study]
    groups = [(group.persona, group.labels) for group in entry.group_systems if group.labels is not None]
    if not groups:
        return None
    labels = read_table(house.lake.corpus(entry.corpus) / LABELS, f"corpora/{entry.corpus}")
    policies = house.catalog.corpora[entry.corpus].label_policies
    return validate_table(group_items(items, labels, personas, policies, groups), GroupItems, f"{study} group items")


def _persona_digests(questions: pd.DataFrame) -> dict[str, str]:
    """One hash of its question ids per persona: a partition is out of date only when its own questions change."""
    ordered = questions.sort_values("question_id")
    return {str(persona): value_hash(ids.tolist()) for persona, ids in ordered.groupby("persona_id")["question_id"]}


def _group_digests(questions: pd.DataFrame, groups: pd.DataFrame | None) -> dict[str, str]:
    """The same for the questions about a group's items."""
    if groups is None:
        return {}
    asked = questions.merge(groups, on=["persona_id", "item_id"]).sort_values("question_id")
    by_group = asked.groupby(["persona_id", "labels"])["question_id"]
    return {group_key(*map(str, names)): value_hash(ids.tolist()) for names, ids in by_group}


def _publish_examples(house: House, learner: str, blueprint: Blueprint) -> Manifest:
    table, facts = _examples(house, learner)
    data = learner_data(house.catalog, learner)
    with publish(**blueprint.publication()) as staging:
        staging.rows[EXAMPLES] = write_table(table, staging.folder / EXAMPLES)
        if isinstance(data, TrainingData):  # a reference model is built here and nowhere else
            write_chat_lines(table, staging.folder / CHAT_EXAMPLES, house.lake.corpus(data.corpus) / PICTURES)
        staging.facts.update(facts)
    return staging.published


def _chat_path(manifest: Manifest, blueprint: Blueprint) -> dict[str, Any]:
    """Where the file is that can be trained on elsewhere, for the UI."""
    there = CHAT_EXAMPLES in manifest.files
    return {"chat_examples": dg.MetadataValue.path(str(blueprint.folder / CHAT_EXAMPLES))} if there else {}


def _examples(house: House, learner: str) -> TrainingSet:
    data = learner_data(house.catalog, learner)
    corpus = house.lake.corpus(data.corpus)
    items = read_table(corpus / ITEMS, f"corpora/{data.corpus}")
    annotations = read_table(corpus / ANNOTATIONS, f"corpora/{data.corpus}")
    personas = read_table(house.lake.personas(data.persona_set) / PERSONAS, f"personas/{data.persona_set}")
    templates = dict(house.catalog.template_sets[data.template_set].templates)
    task = house.catalog.tasks[data.task]
    if isinstance(data, ReferenceRecipe):
        train = items[items["split"].fillna("train") == "train"]
        table = persona_blind_examples(
            train, annotations, personas, templates, task, data.examples, data.seed, data.answer_prefix
        )
        return TrainingSet(table, example_facts(table, None, task))
    labels = read_table(corpus / LABELS, f"corpora/{data.corpus}") if data.labels else None
    return training_set(items, annotations, personas, templates, task, data, labels)
