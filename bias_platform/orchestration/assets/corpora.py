"""`corpora/<corpus>`: raw files -> tidy items, annotations, the labels that policies make of them, and pictures."""

import shutil

import dagster as dg

from bias_platform.catalog.paths import resolve_corpus
from bias_platform.corpora import CorpusTables, policy_facts, policy_labels, read_corpus
from bias_platform.orchestration.checks import schema_check
from bias_platform.orchestration.code_versions import asset_code_version
from bias_platform.orchestration.column_schemas import column_schema_metadata
from bias_platform.orchestration.house import House
from bias_platform.orchestration.partitioned import AssetFace, Made, Run, reused
from bias_platform.orchestration.unpartitioned import whole_asset
from bias_platform.schemas import Annotations, Items, Labels, validate_table
from bias_platform.storage import publish, write_table
from bias_platform.storage.names import ANNOTATIONS, ITEMS, LABELS, PICTURES
from bias_platform.storage.publication import Staging
from bias_platform.storage.withdrawn import withdrawn_items


def corpus_assets(house: House, slug: str) -> tuple[dg.AssetsDefinition, dg.AssetChecksDefinition]:
    """The asset of one corpus, and its check."""
    entry = house.catalog.corpora[slug]

    def make(run: Run) -> Made:
        blueprint = house.blueprints.corpus(slug)
        manifest = reused(run, blueprint)
        if manifest is None:
            tables = read_corpus(slug, resolve_corpus(house.catalog, slug)).without(withdrawn_items(house.lake))
            validate_table(tables.items, Items, f"corpora/{slug} items")
            validate_table(tables.annotations, Annotations, f"corpora/{slug} annotations")
            labels = policy_labels(slug, tables.annotations, entry.label_policies)
            with publish(**blueprint.publication()) as staging:
                staging.rows[ITEMS] = write_table(tables.items, staging.folder / ITEMS)
                staging.rows[ANNOTATIONS] = write_table(tables.annotations, staging.folder / ANNOTATIONS)
                staging.rows[LABELS] = write_table(labels, staging.folder / LABELS)
                _copy_pictures(tables, staging)
                staging.facts.update(tables.facts)
                staging.facts["label_policies"] = policy_facts(labels, free_labels="labels" not in tables.facts)
            manifest = staging.published
        return Made(manifest, {}, {"folder": dg.MetadataValue.path(str(blueprint.folder))})

    face = AssetFace(
        key=house.keys.corpus(slug),
        description=_description(slug, house),
        code_version=asset_code_version("corpora", entry),
        kinds=frozenset({"pandas", "parquet"}),
        metadata=column_schema_metadata(Items, annotations=Annotations, labels=Labels),
    )
    asset = whole_asset(face, [], make)
    schemas = {ITEMS: Items, ANNOTATIONS: Annotations, LABELS: Labels}
    check = schema_check(face.key, schemas, lambda _: house.lake.corpus(slug))
    return asset, check


def _copy_pictures(tables: CorpusTables, staging: Staging) -> None:
    if tables.pictures:
        (staging.folder / PICTURES).mkdir()
    for name, file in tables.pictures.items():
        shutil.copyfile(file, staging.folder / PICTURES / name)


def _description(slug: str, house: House) -> str:
    entry = house.catalog.corpora[slug]
    return (
        f"Corpus `{slug}`: texts to be judged and the human judgements of them. Licence: "
        f"{entry.licence or 'not stated'}. Sensitivity: {entry.sensitivity}. Handles are pseudonymised."
    )
