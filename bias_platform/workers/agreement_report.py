"""Compares a study's answers persona by persona and writes the agreement report."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bias_platform.analysis.agreements.inputs import AgreementInputs, Scorer
from bias_platform.analysis.agreements.results import AgreementResults, analyse_agreement
from bias_platform.catalog.entries import StudyEntry, TaskEntry
from bias_platform.reports import Provenance, write_agreement_report
from bias_platform.storage import publish, read_table
from bias_platform.storage.manifest import environment_record
from bias_platform.storage.names import ANNOTATIONS, ITEMS, LABELS, PART, PERSONAS
from bias_platform.workers.session import Publication, Session, as_base64, run_worker


def work(session: Session) -> None:
    """Request: publication, catalog, study_slug, study, task, attributes (label policy -> attribute or None),
    templates (ids), partitions and repeats (key -> folder), questions and corpus (folders), home (the catalog's folder
    of the lake)."""
    request = session.request
    publication = Publication.model_validate(request["publication"])
    results = analyse_agreement(_inputs(request, publication), session.say)
    with publish(**publication.arguments()) as staging:
        session.say("writing the page")
        write_agreement_report(results, _provenance(request, publication), staging.folder)
        for path in sorted((staging.folder / "tables").glob("*.parquet")):
            staging.rows[f"tables/{path.name}"] = len(read_table(path, publication.name))
        staging.facts.update(headline=results.headline, policies=request["attributes"])
        staging.facts["study"] = request["study_slug"]
    session.published("", staging.published, **_metadata(results, publication.target))


def _inputs(request: dict[str, Any], publication: Publication) -> AgreementInputs:
    study = StudyEntry.model_validate(request["study"])
    task = TaskEntry.model_validate(request["task"])
    questions, corpus = Path(request["questions"]), Path(request["corpus"])
    return AgreementInputs(
        study=study,
        task=task,
        personas=read_table(questions / PERSONAS, "questions"),
        items=read_table(questions / ITEMS, "questions"),
        annotations=read_table(corpus / ANNOTATIONS, "annotations"),
        labels=read_table(corpus / LABELS, "labels"),
        attributes=request["attributes"],
        templates=tuple(request["templates"]),
        partitions=_parts(request["partitions"]),
        repeats=_parts(request["repeats"]),
        corpus_folder=corpus,
        questions_folder=questions,
        report_folder=publication.target,
        home=Path(request["home"]),
        scorers=_scorers(study) if task.answer != "option" else {},
    )


def _parts(folders: Mapping[str, str]) -> dict[tuple[str, str], Path]:
    """(system, persona or repeat) -> its table."""
    found = {}
    for key, folder in folders.items():
        system, other = key.split("|")
        found[system, other] = Path(folder) / PART
    return found


def _scorers(study: StudyEntry) -> dict[str, Scorer]:
    """Imported here: they need torch, which answers of a closed list do not."""
    from bias_platform.models.text_similarity import text_scorer

    assert study.agreement is not None
    settings = study.agreement.similarity
    return {name: text_scorer(name, settings) for name in settings.scorers}


def _provenance(request: dict[str, Any], publication: Publication) -> Provenance:
    study = StudyEntry.model_validate(request["study"])
    assert study.agreement is not None
    settings = study.agreement.model_dump(mode="json", exclude={"targeted", "similarity"})
    return Provenance(
        study=request["study_slug"],
        catalog=request["catalog"],
        code_version=publication.code_version,
        inputs=publication.inputs,
        packages=environment_record(),
        seeds={"items drawn": study.items.seed, "permutations": study.agreement.seed},
        parameters={name: _said(value) for name, value in settings.items()},
    )


def _said(value: object) -> str:
    """A setting in words: no lists and no None of a programming language."""
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "not restricted"
    return "none" if value is None else str(value)


def _metadata(results: AgreementResults, folder: Path) -> dict[str, Any]:
    pictures = {
        f"{path.stem}_png": as_base64(path.read_bytes())
        for path in sorted((folder / "plots").glob("*.png"))[:12]
        if path.stat().st_size < 100_000
    }
    return {"headline": results.headline, **pictures}


if __name__ == "__main__":
    run_worker(work)
