"""Trains a reference base model, or resolves a hub model to a commit."""

from pathlib import Path
from typing import Any

from bias_platform.catalog.entries import ModelEntry
from bias_platform.models.source import resolve_base
from bias_platform.reports.training_plots import loss_curve_png
from bias_platform.schemas import TrainingLog, validate_table
from bias_platform.storage import publish, read_table, write_table
from bias_platform.storage.names import MODEL_SOURCE, TRAINING_LOG
from bias_platform.workers.session import Publication, Session, as_base64, run_worker


def work(session: Session) -> None:
    """Request: slug, entry (ModelEntry), examples (path or None), pictures (folder or None), publication."""
    slug, entry = session.request["slug"], ModelEntry.model_validate(session.request["entry"])
    publication = Publication.model_validate(session.request["publication"])
    metadata: dict[str, Any] = {}
    with publish(**publication.arguments()) as staging:
        if entry.recipe is not None:
            from bias_platform.models.reference import build_reference_model

            examples = read_table(Path(session.request["examples"]), f"prompts/examples[{slug}]")
            pictures = Path(session.request["pictures"])
            progress = session.progress(f"training {slug}")
            log = build_reference_model(entry.recipe, examples, staging.folder, progress, pictures)
            validate_table(log, TrainingLog, f"training log of {slug}")
            staging.rows[TRAINING_LOG] = write_table(log, staging.folder / TRAINING_LOG)
            staging.facts["final_loss"] = float(log["loss"].tail(10).mean())
            metadata["loss_curve_png"] = as_base64(loss_curve_png(log, slug))
        source = resolve_base(slug, entry, publication.target)
        if entry.recipe is not None:
            # the artefact itself: an absolute path would change its version whenever the lake is moved
            source = source.model_copy(update={"location": "."})
        (staging.folder / MODEL_SOURCE).write_text(source.model_dump_json(indent=1), "utf-8")
    session.published(slug, staging.published, **metadata)


if __name__ == "__main__":
    run_worker(work)
