"""Analyses a study's predictions and writes the regression report."""

from pathlib import Path
from typing import Any

import pandas as pd

from bias_platform.analysis import RegressionResults, StudyInputs, analyse_study
from bias_platform.catalog.entries import CorpusEntry, CrossedDimension, ModelEntry, StudyEntry, TaskEntry
from bias_platform.catalog.systems import parse_system
from bias_platform.corpora import human_yes_share
from bias_platform.corpora.assembly import attribute_columns
from bias_platform.reports.provenance import Provenance
from bias_platform.reports.regression_page import write_regression_report
from bias_platform.storage import publish, read_manifest, read_table
from bias_platform.storage.manifest import environment_record
from bias_platform.storage.names import ITEMS, PART, PERSONAS
from bias_platform.workers.session import Publication, Session, as_base64, run_worker


def work(session: Session) -> None:
    """Request: publication, catalog, study_slug, study, task, partitions and repeats (key -> folder), questions
    (folder), annotations (path), corpus, models (slug -> ModelEntry), templates, crossed (dimension -> entry)."""
    request = session.request
    publication = Publication.model_validate(request["publication"])
    results = analyse_study(_inputs(request), session.say)
    with publish(**publication.arguments()) as staging:
        session.say("writing the page")
        write_regression_report(results, _provenance(request, publication), staging.folder)
        for path in sorted((staging.folder / "tables").glob("*.parquet")):
            staging.rows[f"tables/{path.name}"] = len(read_table(path, publication.name))
        staging.facts["headline"] = results.headline
    session.published("", staging.published, **_metadata(results, publication.target))


def _inputs(request: dict[str, Any]) -> StudyInputs:
    study = StudyEntry.model_validate(request["study"])
    task = TaskEntry.model_validate(request["task"])
    questions = Path(request["questions"])
    items = read_table(questions / ITEMS, "questions")
    judgements = _judgements(Path(request["annotations"]), task, items)
    return StudyInputs(
        predictions=_under_each_other(request["partitions"]),
        personas=read_table(questions / PERSONAS, "questions"),
        study=study,
        task=task,
        humans=human_yes_share(judgements, task.positive) if len(judgements) else None,
        corpus_facts=_corpus_facts(study, CorpusEntry.model_validate(request["corpus"]), request),
        templates=request["templates"],
        served_as=_served_as(study, request["models"]),
        texts=items if study.analysis.show_texts else None,
        repeats=_under_each_other(request["repeats"]) if request["repeats"] else None,
        judgements=_of_people(judgements, task),
        target_groups=_target_groups(items),
        crossed={name: CrossedDimension.model_validate(one) for name, one in request["crossed"].items()},
    )


def _under_each_other(partitions: dict[str, str]) -> pd.DataFrame:
    parts = [read_table(Path(folder) / PART, key) for key, folder in partitions.items()]
    return pd.concat(parts, ignore_index=True)


def _judgements(annotations: Path, task: TaskEntry, items: pd.DataFrame) -> pd.DataFrame:
    """What people said of the study's items."""
    table = read_table(annotations, "annotations")
    judged = ~table["label"].isin(list(task.set_aside))  # an option that is no judgement is not a No
    return table[table["item_id"].isin(items["item_id"]) & judged]


def _of_people(judgements: pd.DataFrame, task: TaskEntry) -> pd.DataFrame | None:
    """One row a judgement with who judged; None where nothing is known of the people but how many they were."""
    attributes = attribute_columns(judgements)
    if not attributes or judgements["annotator_id"].isna().all():
        return None
    yes = judgements["label"].isin(list(task.positive)).astype(int)
    return judgements[["item_id", "annotator_id", *attributes]].assign(yes=yes).reset_index(drop=True)


def _target_groups(items: pd.DataFrame) -> dict[str, str]:
    known = items[items["target_group"].notna()]
    return dict(zip(known["item_id"].astype(str), known["target_group"].astype(str), strict=True))


def _corpus_facts(study: StudyEntry, corpus: CorpusEntry, request: dict[str, Any]) -> dict[str, object]:
    manifest = read_manifest(Path(request["annotations"]).parent, f"corpora/{study.corpus}")
    declared = {"licence": corpus.licence, "source": corpus.source, "language": corpus.language}
    counted: dict[str, object] = {
        name: manifest.facts[name] for name in ("items", "annotations", "annotators") if name in manifest.facts
    }
    return {**declared, "sensitivity": corpus.sensitivity, **counted}


def _served_as(study: StudyEntry, models: dict[str, Any]) -> dict[str, str]:
    served = {}
    for system in study.systems:
        entry = ModelEntry.model_validate(models[parse_system(system).base])
        if entry.served_as:
            served[system] = entry.served_as
    return served


def _provenance(request: dict[str, Any], publication: Publication) -> Provenance:
    study = StudyEntry.model_validate(request["study"])
    return Provenance(
        study=request["study_slug"],
        catalog=request["catalog"],
        code_version=publication.code_version,
        inputs=publication.inputs,
        packages=environment_record(),
        seeds={"items drawn": study.items.seed, "simulated intervals and permutations": study.analysis.seed},
        parameters={name: str(value) for name, value in study.analysis.model_dump(mode="json").items()},
    )


def _metadata(results: RegressionResults, folder: Path) -> dict[str, Any]:
    pictures = {
        f"{path.stem}_png": as_base64(path.read_bytes())
        for path in sorted((folder / "plots").glob("*.png"))
        if path.stat().st_size < 100_000
    }
    return {"headline": results.headline, **pictures}


if __name__ == "__main__":
    run_worker(work)
