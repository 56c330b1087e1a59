"""Studies with answers made up by a rule, laid out in a folder as the platform publishes them."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from bias_platform.analysis.agreements.inputs import AgreementInputs, Scorer
from bias_platform.catalog.entries import Catalog
from bias_platform.catalog.systems import study_cells
from bias_platform.prompts.personas import personas_table
from bias_platform.storage import Lake, write_table

Says = Callable[[str, str, str | None, np.ndarray], list[str | None]]
"""(system, persona, wording, positions of items) -> answers; None: no valid one."""


def laid_out(
    catalog: Catalog,
    study: str,
    root: Path,
    items: int,
    says: Says,
    people: pd.DataFrame | None = None,
    scorers: dict[str, Scorer] | None = None,
    groups: tuple[str | None, ...] = ("women", "black folks", None),
) -> AgreementInputs:
    """Writes a study's tables and names them.

    Args:
        catalog: holds the study.
        study: its slug.
        root: of the lake.
        items: how many.
        says: what every system answers.
        people: item (position), annotator_<attribute>, label: one row a judgement.
        scorers: of written answers.
        groups: what items are about, in turn.
    """
    entry, lake = catalog.studies[study], Lake(root, catalog.name)
    ids = [f"{place * 7919 % 100_003:016x}" for place in range(items)]
    personas = personas_table(catalog.persona_sets[entry.persona_set], entry.dimensions, entry.no_persona_baseline)
    table = pd.DataFrame(
        {
            "item_id": ids,
            "text": [f"post {place}" for place in range(items)],
            "target_group": [groups[place % len(groups)] for place in range(items)],
            "split": "test",
            "source_id": None,
        }
    )
    corpus, questions = lake.corpus(entry.corpus), lake.questions(study)
    annotations = _annotations(people, ids)
    labels = _labels(catalog, entry.corpus, annotations)
    for folder, name, content in (
        (questions, "items.parquet", table),
        (corpus, "annotations.parquet", annotations),
        (corpus, "labels.parquet", labels),
    ):
        folder.mkdir(parents=True, exist_ok=True)
        write_table(content, folder / name)
    templates = list(catalog.template_sets[entry.template_set].templates)
    parts = {
        (system, persona): _part(lake, study, system, persona, templates, ids, says)
        for system, persona in study_cells(catalog, entry)
    }
    return AgreementInputs(
        study=entry,
        task=catalog.tasks[entry.task],
        personas=personas,
        items=table,
        annotations=annotations,
        labels=labels,
        attributes={slug: policy.within for slug, policy in catalog.corpora[entry.corpus].label_policies.items()},
        templates=tuple(templates),
        partitions=parts,
        corpus_folder=corpus,
        questions_folder=questions,
        report_folder=lake.report(study, "agreement"),
        home=lake.home,
        scorers=scorers or {},
    )


def _annotations(people: pd.DataFrame | None, ids: list[str]) -> pd.DataFrame:
    if people is None:
        return pd.DataFrame({"item_id": [], "annotator_id": [], "label": [], "annotators": []}, dtype=object)
    named = people.assign(item_id=[ids[place] for place in people["item"]], annotator_id=None, annotators=1)
    return named.drop(columns="item")


def _labels(catalog: Catalog, corpus: str, annotations: pd.DataFrame) -> pd.DataFrame:
    """Unanimous labels, by all and within attributes, by hand: what the corpora room makes is tested there."""
    parts = []
    for slug, policy in catalog.corpora[corpus].label_policies.items():
        column = f"annotator_{policy.within}" if policy.within else None
        if annotations.empty or (column and column not in annotations):
            continue
        groups = annotations.groupby(column) if column else [(None, annotations)]
        for value, rows in groups:
            said = rows.groupby("item_id")["label"].agg(["nunique", "first", "size"])
            said = said[said["nunique"] == 1] if policy.rule == "unanimous" else said
            parts.append(
                pd.DataFrame(
                    {
                        "item_id": said.index,
                        "policy": slug,
                        "attribute": policy.within,
                        "group": value,
                        "label": said["first"].to_numpy(),
                        "share": 1.0,
                        "annotators": said["size"].to_numpy(),
                        "tied": False,
                    }
                )
            )
    columns = ["item_id", "policy", "attribute", "group", "label", "share", "annotators", "tied"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _part(lake: Lake, study: str, system: str, persona: str, templates: list[str], ids: list[str], says: Says) -> Path:
    rows = []
    for template in [None] if persona == "no-persona" else templates:
        answers = says(system, persona, template, np.arange(len(ids)))
        rows.append(
            pd.DataFrame(
                {
                    "item_id": ids,
                    "persona_id": persona,
                    "template_id": template,
                    "option_order": "0-1-2-3",
                    "outcome": ["invalid" if answer is None else "answered" for answer in answers],
                    "answer": answers,
                },
                dtype=object,
            ).assign(replicate=np.int64(0))
        )
    folder = lake.prediction_partition(study, system, persona)
    folder.mkdir(parents=True)
    shuffled = pd.concat(rows, ignore_index=True).sample(frac=1, random_state=len(json.dumps(persona)))
    write_table(shuffled.reset_index(drop=True), folder / "part.parquet")
    return folder / "part.parquet"
